"""Rules that keep digits: the usual formula overflows, or rounds a small value away."""

from __future__ import annotations

from graphc.ir.dtypes import FLOATS
from graphc.ir.node import Tensor
from graphc.ops.exponential import exp, expm1, log, log1p, sigmoid, softplus
from graphc.ops.reduction import sum
from graphc.ops.statistics import logsumexp
from graphc.passes.rule import Sides, rule


@rule(dtypes=FLOATS, exact=False, domain=(-0.9, 3))
def log_of_one_plus(x: Tensor) -> Sides:
    """log(1 + x) rounds a small x away; log1p keeps it."""
    return log(x + 1), log1p(x)


@rule(dtypes=FLOATS, exact=False)
def exp_minus_one(x: Tensor) -> Sides:
    """exp(x) - 1 cancels for a small x; expm1 does not."""
    return exp(x) - 1, expm1(x)


@rule(dtypes=FLOATS, exact=False)
def log_of_one_plus_exp(x: Tensor) -> Sides:
    """log(1 + exp(x)) overflows for a large x; softplus does not."""
    return log1p(exp(x)), softplus(x)


@rule(dtypes=FLOATS, exact=False)
def log_of_sigmoid(x: Tensor) -> Sides:
    """The sigmoid of a very negative x vanishes; its logarithm is about x."""
    return log(sigmoid(x)), -softplus(-x)


def _is_not_shifted(x: Tensor) -> bool:
    return x.node.op.name != "subtract"


@rule(dtypes=FLOATS, exact=False, when=_is_not_shifted, examples=[{"axes": (1,)}])
def log_of_sum_of_exp(x: Tensor, axes: tuple[int, ...]) -> Sides:
    """exp overflows for large elements; logsumexp takes out the largest first."""
    return log(sum(exp(x), axes)), logsumexp(x, axes)
