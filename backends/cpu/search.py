"""Looks for better schedules: candidates for all kernels at once, and keeps what is surely quicker.

Measuring is left to a function, so that the search can be held against costs that are known.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from graphc.backends.lower.choices import Choice, Choices

WHOLE = ""
"""Stands for the whole program among the names of kernels."""

Sample = Mapping[str, float]
"""Seconds that a call spent in each kernel, by name, and in all (`WHOLE`)."""

Measure = Callable[[Sequence[Choices], float], Sequence[Sequence[Sample]]]
"""Samples of some programs, called in turn for so many seconds; those at the end may be missing
where there is no time to compile them.
"""

Variants = Callable[[str, Choice], Sequence[Choice]]
"""Other choices for a kernel, near a given one."""

#: How often the best choices so far are varied.
ROUNDS = 3
#: Part of the time of all kernels below which one is left alone.
SHARE = 0.01
#: The gain, as a part of the time, that is worth a choice.
LEAST_GAIN = 0.03
#: Standard errors of the median by which a gain must be beyond it, and pairs of samples at least.
ERRORS = 3.0
FEWEST = 7


@dataclass(frozen=True)
class Found:
    """A choice that is quicker: seconds of a call without and with it."""

    choice: Choice
    before: float
    after: float


def search(
    names: Sequence[str], variants: Variants, measure: Measure, seconds: float
) -> dict[str, Found]:
    """Choices for some of the kernels, each with a gain that was measured twice."""
    part = seconds / (ROUNDS + 2)
    (alone,) = measure([{}], part / 2)
    times = {name: median([s.get(name, 0.0) for s in alone]) for name in names}
    names = [name for name in names if times[name] > SHARE * sum(times.values())]
    best: dict[str, Choice] = {}
    for _ in range(ROUNDS):
        nearby = {name: variants(name, best.get(name, {})) for name in names}
        better = _round(best, nearby, measure, part)
        best.update(better)
        names = list(better)
        if not better:
            break
    return _proved(best, measure, part)


def _round(
    best: Choices, nearby: Mapping[str, Sequence[Choice]], measure: Measure, seconds: float
) -> dict[str, Choice]:
    """The quickest of nearby choices, for kernels that have one which is quicker."""
    count = max(map(len, nearby.values()), default=0)
    trials: list[Choices] = [best]
    for k in range(count):
        trials.append({**best, **{n: found[k] for n, found in nearby.items() if k < len(found)}})
    if count == 0:
        return {}
    first, *others = measure(trials, seconds)
    better: dict[str, Choice] = {}
    for name, found in nearby.items():
        before = [sample.get(name, 0.0) for sample in first]
        least = math.inf
        for choice, samples in zip(found, others, strict=False):
            after = [sample.get(name, 0.0) for sample in samples]
            if is_gain(before, after) and median(after) < least:
                better[name], least = choice, median(after)
    return better


def _proved(best: Choices, measure: Measure, seconds: float) -> dict[str, Found]:
    """What is quicker when it is measured again, all choices together, if the whole is too."""
    if not best:
        return {}
    samples = measure([{}, best], seconds)
    whole = [median([s.get(WHOLE, 0.0) for s in these]) for these in samples]
    if len(samples) < 2 or whole[1] > whole[0]:
        return {}
    found: dict[str, Found] = {}
    for name, choice in best.items():
        before, after = ([s.get(name, 0.0) for s in these] for these in samples)
        if is_gain(before, after):
            found[name] = Found(choice, median(before), median(after))
    return found


def is_gain(before: Sequence[float], after: Sequence[float]) -> bool:
    """Whether samples taken in turn show a gain that is worth it and beyond their noise."""
    ratios = sorted(b / a for a, b in zip(before, after, strict=True) if a > 0)
    n = len(ratios)
    if n < FEWEST:
        return False
    spread = ratios[(3 * n) // 4] - ratios[n // 4]
    middle = median(ratios)
    return middle < 1 - LEAST_GAIN and middle + ERRORS * spread / math.sqrt(n) < 1


def median(values: Sequence[float]) -> float:
    """The middle value; 0 of none."""
    ordered = sorted(values)
    n = len(ordered)
    return (ordered[(n - 1) // 2] + ordered[n // 2]) / 2 if n else 0.0
