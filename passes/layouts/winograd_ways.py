"""How convolutions of 3 x 3 taps are computed: in tiles of which length, or as they are defined.

Times are those of so many multiply-adds. Of named sizes they are expressions, by which a call takes
the quickest way for its own.
"""

from __future__ import annotations

from graphc.ir.dim_values import evaluate, sizes
from graphc.ir.dims import Dim, maximum, minimum
from graphc.ir.types import Shape
from graphc.ops.convolutions.winograd import Ways, divide_up
from graphc.ops.convolutions.winograd_matrices import POINTS, TAPS, transforms

#: Channels come in multiples of this.
CHANNELS = 16
#: Multiply-adds in the time in which memory gives a weight.
WEIGHT = 12
#: The transforms of a channel of a tile take the time of so many multiply-adds a point.
TRANSFORM = 8
#: Numbers of a transformed tile, so that there is room for some.
NUMBERS = 15360
#: The time of Winograd's way over that of the direct one at most, in tenths.
GAIN = 9
#: The longest tiles, which err some three times as much as the direct sum; those that err
#: little more than it.
LONGEST, EXACT = 4, 2
#: Tiles of one position: the sum as it is defined.
DIRECT = 1
#: What named sizes may be: ways that none of these takes are left out.
LIKELY = tuple(2**k for k in range(3, 13))


def ways_for(
    w: Shape, y: Shape, weight: int = WEIGHT, at_once: int = 1, longest: int = LONGEST
) -> Ways:
    """The ways for kernels and results of these shapes, each with 1 for sizes at which it is the
    quickest, otherwise 0; none where that is the direct sum. `weight` is the time that each number
    of the kernels takes, `at_once` how many summands the direct sum takes in that of one, `longest`
    the positions of a tile along an axis at most.
    """
    outputs, channels = w[:2]
    if not isinstance(outputs, int) or not isinstance(channels, int):
        return ()
    if outputs % CHANNELS or channels % CHANNELS or outputs * channels == 0:
        return ()
    direct = TAPS**2 * channels * outputs * (y[0] * y[2] * y[3] + weight)
    times = {
        m: 10 * at_once * _time(m, channels * outputs, channels + outputs, y, weight)
        for m in POINTS
        if m <= longest and transforms(m).reach ** 2 * max(channels, outputs) <= NUMBERS
    }
    times[DIRECT] = GAIN * direct
    named = sorted({name for d in times.values() for name in sizes(d)})
    best = {_best(times, dict.fromkeys(named, size)) for size in (LIKELY if named else (1,))}
    return _quickest({m: times[m] for m in POINTS if m in best})


def _time(results: int, weights: int, channels: int, y: Shape, weight: int) -> Dim:
    """The time with tiles of so many positions each way."""
    tiles = y[0] * divide_up(y[2], results) * divide_up(y[3], results)
    points = transforms(results).reach ** 2
    return points * (weights * (tiles + weight) + TRANSFORM * tiles * channels)


def _best(times: dict[int, Dim], lengths: dict[str, int]) -> int:
    """The way that takes the least time for these sizes."""
    return min(times, key=lambda m: evaluate(times[m], lengths))


def _quickest(times: dict[int, Dim]) -> Ways:
    """Each way, and for which sizes it takes the least time."""
    taken: dict[int, Dim] = {}
    least: Dim = 0
    for m, time in times.items():
        sooner: Dim = minimum(maximum(least - time, 0), 1) if taken else 1
        taken = {other: d * (1 - sooner) for other, d in taken.items()} | {m: sooner}
        least = minimum(least, time) if len(taken) > 1 else time
    return tuple(taken.items())
