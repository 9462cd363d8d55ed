"""Rules that keep digits: the usual formula overflows, or rounds a small value away."""

from __future__ import annotations

from graphc.ir.dtypes import FLOATS, float32
from graphc.ir.node import Node, Tensor
from graphc.ops.arithmetic import absolute, reciprocal
from graphc.ops.cast import astype
from graphc.ops.classify import isfinite
from graphc.ops.exponential import (
    exp,
    expm1,
    log,
    log1p,
    logaddexp,
    sigmoid,
    softplus,
)
from graphc.ops.layout import broadcast, reshape
from graphc.ops.powers import rsqrt, sqrt, square
from graphc.ops.reduction import largest, sum
from graphc.ops.select import where
from graphc.ops.source import placeholder
from graphc.passes.rule import Sides, procedure, rule
from graphc.passes.rules.facts import made_by


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


def _rows() -> Tensor:
    return placeholder("x", (3, 5))


@procedure(
    "log", exact=False, examples=[lambda: log(sum(exp(_rows()), 1)), lambda: log(sum(exp(_rows())))]
)
def log_of_sum_of_exp(node: Node) -> Tensor | None:
    """exp overflows for large elements; the largest is taken out first."""
    (s,) = node.inputs
    x = summed_exponent(s)
    if x is None:
        return None
    axes = s.node.attrs["axes"]
    wide, top = shift(x, axes)
    sums = sum(exp(wide - top), axes, keepdims=True)
    return astype(reshape(log(sums) + top, s.shape), x.dtype)


def _exps() -> tuple[Tensor, Tensor]:
    x = _rows()
    return exp(x), sum(exp(x), 1)


def _quotient() -> Tensor:
    powers, sums = _exps()
    return powers / broadcast(sums, (3, 5), (0,))


def _product() -> Tensor:
    powers, sums = _exps()
    return powers * broadcast(placeholder("g", (3,)) / sums, (3, 5), (0,))


def _product_with_reciprocal() -> Tensor:
    powers, sums = _exps()
    return powers * broadcast(reciprocal(sums), (3, 5), (0,))


@procedure(
    "divide", "multiply", exact=False, examples=[_quotient, _product, _product_with_reciprocal]
)
def exp_over_its_sum(node: Node) -> Tensor | None:
    """exp overflows for large elements; a softmax takes out the largest first, and so does the
    gradient of log(sum(exp(x))).
    """
    a, b = node.inputs
    found = _over_sum(node, a, b)
    return _over_sum(node, b, a) if found is None and node.op.commutative else found


def _over_sum(node: Node, powers: Tensor, spread: Tensor) -> Tensor | None:
    if not made_by(powers, "exp") or not made_by(spread, "broadcast"):
        return None
    (inner,), kept = spread.node.inputs, spread.node.attrs["axes"]
    divided = node.op.name == "multiply"
    if divided and not made_by(inner, "divide", "reciprocal"):
        return None
    sums = inner.node.inputs[-1] if divided else inner
    x = summed_exponent(sums)
    if (
        x is None
        or sums.node.inputs[0] is not powers
        or _other(kept, x.ndim) != sums.node.attrs["axes"]
    ):
        return None
    wide, top = shift(x, sums.node.attrs["axes"])
    stable = exp(wide - top)
    total = sum(stable, sums.node.attrs["axes"])
    if not divided:
        return astype(stable / broadcast(total, x.shape, kept), x.dtype)
    factor = reciprocal(total)
    if made_by(inner, "divide"):
        factor = astype(inner.node.inputs[0], total.dtype) / total
    return astype(stable * broadcast(factor, x.shape, kept), x.dtype)


def _other(axes: tuple[int, ...], ndim: int) -> tuple[int, ...]:
    return tuple(k for k in range(ndim) if k not in axes)


def summed_exponent(s: Tensor) -> Tensor | None:
    """The x of sum(exp(x)), unless its largest element was taken out already, or it has none."""
    if not made_by(s, "sum") or not made_by(s.node.inputs[0], "exp"):
        return None
    (x,) = s.node.inputs[0].node.inputs
    empty = 0 in [x.shape[axis] for axis in s.node.attrs["axes"]]
    return None if empty or _is_shifted(x) else x


def _is_shifted(x: Tensor) -> bool:
    """Whether x is a tensor less its largest elements."""
    if not made_by(x, "subtract"):
        return False
    y = x.node.inputs[1]
    while made_by(y, "broadcast", "reshape", "where", "cast"):
        y = y.node.inputs[1 if made_by(y, "where") else 0]
    return made_by(y, "max")


def shift(x: Tensor, axes: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """x, 16-bit floats widened, and its largest elements along axes, 0 where not finite."""
    wide = astype(x, float32) if x.dtype.bits == 16 else x
    top = largest(wide, axes, keepdims=True)
    return wide, where(isfinite(top), top, 0)
