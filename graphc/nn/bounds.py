"""Bounds on the distance of what was measured from what will be: numbers of samples, and gaps.

A risk is a mean of losses between 0 and 1; a bound holds with probability 1 - delta.
"""

from __future__ import annotations

import math

from graphc.ir.node import Tensor
from graphc.ops.convert import TensorLike, as_tensor
from graphc.ops.powers import sqrt


def hoeffding(samples: int, gap: float) -> float:
    """2 exp(-2 n gap**2): a bound on the probability that the mean of n independent numbers between
    0 and 1 is off by the gap or more (Hoeffding, 1963).
    """
    return 2 * math.exp(-2 * samples * gap * gap)


def finite_class_samples(log_size: float, gap: float, delta: float) -> int:
    """How many samples bring every empirical risk of a class within the gap of the true one, by the
    union bound: n >= (log_size + log(2 / delta)) / (2 gap**2), where log_size is the natural log of
    the number of functions.
    """
    return math.ceil((log_size + math.log(2 / delta)) / (2 * gap * gap))


def finite_class_excess(log_size: float, samples: int, delta: float) -> float:
    """How far above the best risk of a finite class that of the empirically best function is, at
    most: 2 sqrt((log_size + log(4 / delta)) / (2 n)).
    """
    return 2 * math.sqrt((log_size + math.log(4 / delta)) / (2 * samples))


def vc_excess(dimension: float, samples: int, delta: float) -> float:
    """The same for a class of Vapnik-Chervonenkis dimension V: 2 sqrt((2 V - log delta) / n)."""
    return 2 * math.sqrt((2 * dimension - math.log(delta)) / samples)


def conjunction_samples(variables: int, gap: float, delta: float) -> int:
    """How many samples teach a monotone conjunction of d Boolean variables up to a risk `gap`:
    n >= d / gap * log(d / delta) (Valiant, 1984).
    """
    return math.ceil(variables / gap * math.log(variables / delta))


def pac_bayes(risk: TensorLike, divergence: TensorLike, samples: int, delta: float) -> Tensor:
    """A bound on the true mean risk of functions drawn from a law q, whose mean empirical risk is
    `risk` and whose divergence from a law chosen before the data is KL(q | p):
    risk + sqrt((KL + log(2 sqrt(n) / delta)) / (2 n)) (McAllester, 1999; Maurer, 2004).
    """
    log_term = math.log(2 * math.sqrt(samples) / delta)
    return as_tensor(risk) + sqrt((as_tensor(divergence) + log_term) / (2 * samples))
