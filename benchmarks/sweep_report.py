"""What a sweep over sizes found: the sizes above the trend, and the tables of SWEEP.md."""

import json
from pathlib import Path

import workloads
from sweep import LEAST_MS, LIMIT, deviations

HERE = Path(__file__).parent
JSON, REPORT = HERE / "sweep.json", HERE / "SWEEP.md"
CACHES = (1 << 20, 32 << 20)  # bytes that a core's own cache and the shared one hold
NAMED_LIMIT = 1.1
INTRODUCTION = """# Times by size

Written by `sweep_workloads.py`, which says how they are measured. Each workload was compiled once,
with named sizes, and timed at sizes from 1 to 10,000 of each of its axes (fewer where a call would
take too long).

"Worst": the largest time over what is expected: the trend of sizes up to four times as large or
small, and never more than any larger size takes; of the least size only the latter is asked. Above
1.3 it is a cliff, named with its size. "Steps": sizes that are above it just because their memory
no longer fits the cache that smaller ones fit. Calls below 5 us are not judged. What others do on
the machine meanwhile lengthens times: a cliff at one size alone is worth another run. Rows were
measured one by one, some by older code than others, while others used the machine; of sizes that
were measured again the least time counts.
"""
BESIDE = """
## Named beside fixed sizes

At the benchmark's own sizes: the function with named ones over the one compiled for these alone.
"""


def cache(needed):
    """Which of the caches holds so many bytes."""
    return sum(needed > size for size in CACHES)


def judged(found):
    """(size, time over what is expected, whether it is but a step to the next cache) of sizes that
    take long enough.
    """
    times = {n: (n, t) for n, t, _ in found}
    level = {n: cache(needed) for n, _, needed in found}
    for n, _, t, over, _ in deviations(times):
        if 1e3 * t > LEAST_MS:
            later = t / min(s for m, (_, s) in times.items() if m >= n)
            alike = {m: time for m, time in times.items() if level[m] == level[n]}
            inside = next(d for m, _, _, d, _ in deviations(alike) if m == n)
            over, inside = (max(d, later) if n > min(times) else later for d in (over, inside))
            yield n, over, over > LIMIT >= inside


def line(name, axis, found):
    """A row of the table."""
    over = list(judged(found))
    cliffs = sorted(((o, n) for n, o, step in over if o > LIMIT and not step), reverse=True)
    steps = [str(n) for n, _, step in over if step]
    worst = max((o for _, o, step in over if not step), default=1.0)
    named = ", ".join(f"{n}: **{o:.2f}**" for o, n in cliffs[:4]) + " ..." * (len(cliffs) > 4)
    (first, short, _), (last, long, _) = found[0], found[-1]
    times = f"{1e3 * short:.4g} to {1e3 * long:.4g}"
    return row(name, axis, f"{first} to {last}", times, f"{worst:.2f}", named, ", ".join(steps))


def beside_fixed(name, fixed, named):
    """A row of the table of named and fixed sizes."""
    ratio = f"{named / fixed:.2f}"
    ratio = f"**{ratio}**" if named / fixed > NAMED_LIMIT else ratio
    return row(name, f"{1e3 * fixed:.4g}", f"{1e3 * named:.4g}", ratio)


def row(*cells):
    """A row of a table."""
    return "| " + " | ".join(cells) + " |"


def report(kept):
    """The tables of all workloads."""
    head = ("workload", "axis", "sizes", "ms", "worst", "cliffs", "steps")
    lines = [INTRODUCTION, row(*head), row(*["---"] * len(head))]
    lines += [line(w, axis, found) for w, r in kept.items() for axis, found in r["axes"].items()]
    head = ("workload", "fixed, ms", "named, ms", "ratio")
    lines += [BESIDE, row(*head), row(*["---"] * len(head))]
    lines += [beside_fixed(w, *r["fixed"]) for w, r in kept.items() if r["fixed"]]
    return "\n".join(lines)


def joined(kept, name, fixed, axes, again=False):
    """What was kept of all workloads, with these times of one in place of its former ones; or, if
    `again`, the least of both.
    """
    before = kept.get(name, {"fixed": None, "axes": {}})
    if again:
        fixed = least(fixed, before["fixed"])
        axes = {k: least_times(found, before["axes"].get(k, [])) for k, found in axes.items()}
    found = {"fixed": fixed or before["fixed"], "axes": before["axes"] | axes}
    kept = kept | {name: found}
    return {k: kept[k] for k in workloads.NAMES if k in kept}


def least(fixed, before):
    """Of two pairs of times that were compared in turns, that of the quieter run: a pair stays
    together, so that neither side is favoured.
    """
    return min(fixed, before, key=sum) if fixed and before else fixed


def least_times(found, before):
    """The times of an axis, or lesser ones that were kept, and those of more sizes that were."""
    both = sorted([*found, *before])
    return [time for k, time in enumerate(both) if k == 0 or time[0] != both[k - 1][0]]


def keep(name, fixed, axes, again):
    """Adds a workload's times to those kept, and writes the report of all."""
    kept = joined(json.loads(JSON.read_text()) if JSON.exists() else {}, name, fixed, axes, again)
    JSON.write_text(json.dumps(kept, separators=(",", ":")) + "\n")
    REPORT.write_text(report(kept) + "\n")
