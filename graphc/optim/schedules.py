"""Learning rates as functions of the number of steps taken."""

from __future__ import annotations

import math
from collections.abc import Callable

from graphc.ir.node import Tensor
from graphc.ops.arithmetic import minimum
from graphc.ops.division import remainder
from graphc.ops.exponential import exp
from graphc.ops.rounding import floor
from graphc.ops.select import where
from graphc.ops.trigonometric import cos

Schedule = Callable[[Tensor], Tensor]


def exponential_decay(lr: float, rate: float, every: float) -> Schedule:
    """lr, multiplied by `rate` smoothly over each `every` steps."""
    return lambda step: exp(step * (math.log(rate) / every)) * lr


def cosine(lr: float, steps: float, warmup: float = 0, least: float = 0.0) -> Schedule:
    """Up from 0 to lr over `warmup` steps, then down a half cosine to `least` at `steps`, where it
    stays.
    """

    def schedule(step: Tensor) -> Tensor:
        done = minimum((step - warmup) * (1 / (steps - warmup)), 1.0)
        falling = (cos(done * math.pi) + 1) * ((lr - least) / 2) + least
        return where(step < warmup, (step + 1) * (lr / warmup), falling) if warmup else falling

    return schedule


def piecewise(lr: float, changes: dict[int, float]) -> Schedule:
    """lr, and from each step in `changes` on the rate given there."""

    def schedule(step: Tensor) -> Tensor:
        rate = step * 0 + lr
        for start, value in sorted(changes.items()):
            rate = where(step < start, rate, value)
        return rate

    return schedule


def linear(lr: float, last: float, steps: float) -> Schedule:
    """From lr straight to `last` at `steps`, where it stays."""
    return lambda step: minimum(step / steps, 1.0) * (last - lr) + lr


def inverse_time(scale: float, offset: float = 1.0) -> Schedule:
    """scale / (steps taken + offset): its sum is infinite, that of its squares finite."""
    return lambda step: scale / (step + offset)


def step_decay(lr: float, factor: float, every: int) -> Schedule:
    """lr, multiplied by `factor` at once after each `every` steps."""
    return lambda step: exp(floor(step / every) * math.log(factor)) * lr


def warm_restarts(lr: float, period: float) -> Schedule:
    """A half cosine from lr to 0 over each `period` steps, then lr again (Loshchilov and Hutter,
    2017). The last step of a cycle is taken at the cosine of (period - 1) / period.
    """
    return lambda step: (cos(remainder(step, period) * (math.pi / period)) + 1) * (lr / 2)
