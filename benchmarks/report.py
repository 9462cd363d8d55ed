"""The measured results as markdown tables."""

import math
import statistics

import costs
import workloads

LEGEND = (
    "best in bold; `*` others used the processor meanwhile; `!` inaccurate, see the last table; "
    "`?` values not checked"
)
NOTES = """\
Floor: the larger of the products' operations at the best of the measured rates and the compulsory
bytes at the best bandwidth of loops that read and write as the workload does (in cache below
16 MB).  It leaves out elementwise arithmetic; a convolution that multiplies less (Winograd) can
beat it.
"Of the floor" compares it with the best single sample, since limits are best samples too. "Of a
plain loop", for what is bound by memory: the time of a C loop that moves the same bytes and does
nothing else, over graphc's: the median of many short turns of both, one after the other.

NAME@keep: the same peer with a malloc that keeps freed pages; what it saves is the cost of taking
fresh memory from the kernel for every output.

README.md says how all this is measured, and what is fair about it.
"""


def number(x):
    """Milliseconds in about four digits."""
    if x < 5e-5:
        return "~0"
    return f"{x:.4f}" if x < 0.1 else f"{x:.3f}" if x < 10 else f"{x:.1f}"


def fair(result):
    """Whether a result counts in a comparison: measured, and not known to be inaccurate."""
    return "median_ms" in result and not result.get("inaccurate")


def speed_up(row, peer):
    """The peer's median over graphc's."""
    return row[peer]["median_ms"] / row["graphc"]["median_ms"]


def of_loop(result):
    """The time of the plain loop as a part of the result's, in percent."""
    return f"{100 * result['of_loop']:.0f}%" if "of_loop" in result else ""


def mean(ratios):
    """Geometric mean and count, in text."""
    if not ratios:
        return ""
    return f"{math.exp(statistics.fmean(map(math.log, ratios))):.2f} ({len(ratios)})"


def markers(result):
    unchecked = result.get("error_vs_float64") is None
    return (
        r"\*" * (result["others_cpu"] > 0.05)
        + "!" * bool(result.get("inaccurate"))
        + "?" * unchecked
    )


class Report:
    """The tables of one results file; `peers` in the order of the columns."""

    def __init__(self, results, peers):
        self.limits = results["limits"]
        self.versions = results["versions"]
        self.rows = {
            w: results["workloads"][w] for w in workloads.NAMES if w in results["workloads"]
        }
        measured = {p for row in self.rows.values() for p in row}
        self.peers = [p for p in peers if p in measured]

    def markdown(self):
        return "\n".join(
            [
                *self.head(),
                *self.comparison(),
                *self.grid(f"Median time of a call, ms ({LEGEND})", self.median, "median_ms"),
                *self.grid("Best single sample, ms", lambda r: number(r["best_ms"]), "best_ms"),
                *self.grid("Build and first call, s (cold)", lambda r: f"{r['compile_s']:.2f}"),
                *self.grid("Peak resident memory, MB: whole life / while running", self.memory),
                *self.grid("Relative error of the worst output against float64", self.error),
                *self.missing(),
            ]
        )

    def head(self):
        versions = ", ".join(f"{k} {v}" for k, v in self.versions.items())
        limits = ", ".join(
            f"{k.rsplit('_', 1)[0].replace('_', ' ')} {v:.0f} {unit}"
            for suffix, unit in (("gbs", "GB/s"), ("gflops", "GFLOP/s"))
            for k, v in self.limits.items()
            if k.endswith(suffix)
        )
        text = f"Written by `run.py`; definitions in `workloads/`. float32; last run: {versions}."
        return ["# Results", "", text, "", f"Limits measured: {limits}.", "", NOTES]

    def comparison(self):
        """graphc against the fastest peer of each workload, and against each peer on average."""
        fastest = [
            f"| {w} | {self.median(row['graphc'])} | {peer} | {number(row[peer]['median_ms'])} |"
            f" {speed_up(row, peer):.2f} | {self.reached(w, row['graphc'])} |"
            f" {of_loop(row['graphc'])} | {row['graphc']['run']} |"
            for w, row in self.rows.items()
            if fair(row.get("graphc", {})) and (peer := self.fastest(row))
        ]
        if not fastest:
            return []
        return [
            "## graphc against its peers",
            "",
            "![Time of each peer relative to graphc's, for every workload](results.svg)",
            "",
            "| workload | graphc, ms | fastest peer | its, ms | speed-up | of the floor "
            "| of a plain loop | run |",
            "|---|---|---|---|---|---|---|---|",
            *fastest,
            "",
            "Geometric means of the speed-ups (how many workloads):",
            "",
            "| peer | core | added | all |",
            "|---|---|---|---|",
            *(f"| {peer} | {' | '.join(cells)} |" for peer, cells in self.averages()),
            "",
        ]

    def averages(self):
        """(peer, its geometric means in text) of the fastest peer, then of each one."""
        groups = (workloads.CORE, workloads.ADDED, workloads.NAMES)
        for peer in ("fastest peer", *self.others()):
            ratios = [self.ratios(peer, group) for group in groups]
            if ratios[-1]:
                yield peer, [mean(r) for r in ratios]

    def reached(self, workload, result):
        """How much of graphc's best time the floor is, in percent; limits are best times too."""
        ms = costs.floor_ms(workload, self.limits)
        return "" if ms is None else f"{100 * ms / result['best_ms']:.0f}%"

    def fastest(self, row):
        """The fastest peer of a row, or None."""
        times = {p: row[p]["median_ms"] for p in self.others() if fair(row.get(p, {}))}
        return min(times, key=times.get, default=None)

    def others(self):
        return [p for p in self.peers if not p.startswith("graphc")]

    def relative(self, workload):
        """{peer: its median over graphc's}, where both count."""
        row = self.rows[workload]
        if not fair(row.get("graphc", {})):
            return {}
        return {p: speed_up(row, p) for p in self.others() if fair(row.get(p, {}))}

    def ratios(self, peer, group):
        """The peer's time over graphc's, on the workloads of a group that both measured."""
        rows = {w: row for w, row in self.rows.items() if w in group}
        who = {w: self.fastest(row) if peer == "fastest peer" else peer for w, row in rows.items()}
        return [
            speed_up(row, who[w])
            for w, row in rows.items()
            if fair(row.get(who[w], {})) and fair(row.get("graphc", {}))
        ]

    def grid(self, title, text, key=None):
        """One table of text(result); with `key`, also the floor, and its least value in bold."""
        columns = ["workload", *(["floor"] if key else []), *self.peers]
        lines = [f"## {title}", "", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
        for w, row in self.rows.items():
            least = min((r[key] for r in row.values() if fair(r)), default=None) if key else None
            cells = [w + self.mixed(row), *([self.floor(w)] if key else [])]
            for r in (row.get(p) for p in self.peers):
                if r is None or "median_ms" not in r:
                    cells.append("" if r is None else "n/a")
                else:
                    best = least is not None and r[key] == least
                    cells.append(f"**{text(r)}**" if best else text(r))
            lines.append(f"| {' | '.join(cells)} |")
        return [*lines, ""]

    def mixed(self, row):
        """A mark on a row whose peers were measured in different runs, not in turns."""
        return " (several runs)" * (len({r["run"] for r in row.values()}) > 1)

    def floor(self, workload):
        ms = costs.floor_ms(workload, self.limits)
        return "" if ms is None else number(ms)

    def median(self, r):
        return number(r["median_ms"]) + markers(r)

    def memory(self, r):
        return f"{r['peak_mb']:.0f} / {r['running_mb']:.0f}"

    def error(self, r):
        e = r.get("error_vs_float64")
        return "not checked" if e is None else f"{e:.0e}"

    def missing(self):
        reasons = {}
        for w, row in self.rows.items():
            for p in self.peers:
                if "error" in row.get(p, {}):
                    reasons.setdefault((p, row[p]["error"]), []).append(w)
        lines = [f"- {p}: {', '.join(ws)}: {why}" for (p, why), ws in sorted(reasons.items())]
        return ["## Not measured", "", *lines, ""] if lines else []
