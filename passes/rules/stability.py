"""Rules that keep digits: the usual formula overflows, or rounds a small value away."""

from __future__ import annotations

from graphc.ir.dtypes import FLOATS
from graphc.ir.node import Tensor
from graphc.ops.arithmetic import absolute, reciprocal
from graphc.ops.exponential import (
    exp,
    expm1,
    log,
    log1p,
    logaddexp,
    sigmoid,
    softplus,
)
from graphc.ops.powers import rsqrt, sqrt, square
from graphc.passes.rule import Sides, rule


@rule("log", dtypes=FLOATS, exact=False, domain=(-0.9, 3))
def log_of_one_plus(x: Tensor) -> Sides:
    """log(1 + x) rounds a small x away; log1p keeps it."""
    return log(x + 1), log1p(x)


@rule("log", dtypes=FLOATS, exact=False, domain=(-3, 0.9))
def log_of_one_minus(x: Tensor) -> Sides:
    """log(1 - x) rounds a small x away; log1p keeps it."""
    return log(1 - x), log1p(-x)


@rule("subtract", dtypes=FLOATS, exact=False)
def exp_minus_one(x: Tensor) -> Sides:
    """exp(x) - 1 cancels for a small x; expm1 does not."""
    return exp(x) - 1, expm1(x)


@rule("subtract", dtypes=FLOATS, exact=False)
def one_minus_exp(x: Tensor) -> Sides:
    """1 - exp(x) cancels for a small x; expm1 does not."""
    return 1 - exp(x), -expm1(x)


@rule("log", dtypes=FLOATS, exact=False)
def log_of_exp(x: Tensor) -> Sides:
    """exp overflows for a large x."""
    return log(exp(x)), x


@rule("log1p", dtypes=FLOATS, exact=False)
def log1p_of_expm1(x: Tensor) -> Sides:
    """expm1 overflows for a large x."""
    return log1p(expm1(x)), x


@rule("log1p", dtypes=FLOATS, exact=False)
def log_of_one_plus_exp(x: Tensor) -> Sides:
    """log(1 + exp(x)) overflows for a large x; softplus does not."""
    return log1p(exp(x)), softplus(x)


@rule("log", dtypes=FLOATS, exact=False)
def log_of_sigmoid(x: Tensor) -> Sides:
    """The sigmoid of a very negative x vanishes; its logarithm is about x."""
    return log(sigmoid(x)), -softplus(-x)


@rule("log1p", dtypes=FLOATS, exact=False)
def log_of_one_minus_sigmoid(x: Tensor) -> Sides:
    """The sigmoid of a large x is 1, of which nothing is left."""
    return log1p(-sigmoid(x)), -softplus(x)


@rule("exp", dtypes=FLOATS, exact=False)
def exp_of_log_sigmoid(x: Tensor) -> Sides:
    """Two functions are one."""
    return exp(-softplus(x)), sigmoid(-x)


@rule("subtract", dtypes=FLOATS, exact=False)
def softplus_less_operand(x: Tensor) -> Sides:
    """softplus(x) - x cancels for a large x; softplus(-x) does not."""
    return softplus(x) - x, softplus(-x)


@rule("reciprocal", dtypes=FLOATS, exact=False)
def one_over_one_plus_exp(x: Tensor) -> Sides:
    """The usual formula of the sigmoid."""
    return reciprocal(exp(x) + 1), sigmoid(-x)


@rule("divide", dtypes=FLOATS, exact=False)
def exp_over_one_plus_exp(x: Tensor) -> Sides:
    """exp overflows for a large x, whose sigmoid is 1."""
    return exp(x) / (exp(x) + 1), sigmoid(x)


@rule("log", dtypes=FLOATS, exact=False)
def log_of_sum_of_two_exps(x: Tensor, y: Tensor) -> Sides:
    """exp overflows for large operands; logaddexp takes out the larger first."""
    return log(exp(x) + exp(y)), logaddexp(x, y)


@rule("log", dtypes=FLOATS, exact=False, domain=(0.2, 3))
def log_of_product_with_exp(x: Tensor, y: Tensor) -> Sides:
    """The product over- or underflows where its logarithm does not: log(softmax) is such a one."""
    return log(exp(x) * y), x + log(y)


@rule("log", dtypes=FLOATS, exact=False, domain=(0.2, 3))
def log_of_exp_over(x: Tensor, y: Tensor) -> Sides:
    """The quotient over- or underflows where its logarithm does not: log(softmax) is such a one."""
    return log(exp(x) / y), x - log(y)


@rule("log", dtypes=FLOATS, exact=False, domain=(0.2, 3))
def log_of_reciprocal(x: Tensor) -> Sides:
    """A sign is cheaper than a division, and rounds nothing."""
    return log(reciprocal(x)), -log(x)


@rule("log", dtypes=FLOATS, exact=False, domain=(0.2, 3))
def log_of_root(x: Tensor) -> Sides:
    """Half of a logarithm is cheaper than a root."""
    return log(sqrt(x)), log(x) * 0.5


@rule("log", dtypes=FLOATS, exact=False, domain=(0.2, 3))
def log_of_inverse_root(x: Tensor) -> Sides:
    """Half of a logarithm is cheaper than a root."""
    return log(rsqrt(x)), log(x) * -0.5


@rule("log", dtypes=FLOATS, exact=False, domain=(0.2, 3))
def log_of_square(x: Tensor) -> Sides:
    """A square over- or underflows where its logarithm does not."""
    return log(square(x)), log(absolute(x)) * 2


@rule("sqrt", dtypes=FLOATS, exact=False, domain=(0.2, 3))
def root_of_square(x: Tensor) -> Sides:
    """A square over- or underflows where its root does not."""
    return sqrt(square(x)), absolute(x)
