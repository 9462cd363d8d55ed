"""Rules of sums of exponentials: exp overflows for large elements, so the largest is taken out."""

from __future__ import annotations

from graphc.ir.dtypes import float32
from graphc.ir.node import Node, Tensor
from graphc.ops.arithmetic import reciprocal
from graphc.ops.cast import astype
from graphc.ops.classify import isfinite
from graphc.ops.exponential import exp, log
from graphc.ops.layout import broadcast, reshape
from graphc.ops.reduction import largest, sum
from graphc.ops.select import where
from graphc.ops.source import placeholder
from graphc.passes.pattern import summed_exponent
from graphc.passes.rule import procedure
from graphc.passes.rules.facts import made_by


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
    wide, top = _shift(x, axes)
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
    wide, top = _shift(x, sums.node.attrs["axes"])
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


def _shift(x: Tensor, axes: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """x, 16-bit floats widened, and its largest elements along axes, 0 where not finite."""
    wide = astype(x, float32) if x.dtype.bits == 16 else x
    top = largest(wide, axes, keepdims=True)
    return wide, where(isfinite(top), top, 0)
