"""Rules of what differentiation leaves of softmax and logsumexp as users write them.

Below, e = exp(...), s = sum(e) along some axes, and S is s repeated along them.
"""

from __future__ import annotations

from graphc.ir.dtypes import bool_, float64
from graphc.ir.node import Node, Tensor
from graphc.ops.arithmetic import reciprocal
from graphc.ops.cast import astype
from graphc.ops.exponential import exp
from graphc.ops.layout import broadcast
from graphc.ops.linear.contraction import Axes
from graphc.ops.reduction import sum
from graphc.ops.source import placeholder
from graphc.passes.rule import procedure
from graphc.passes.rules.facts import made_by, number_of

#: Terms of a sum that are searched for one of them.
TERMS = 8


def _rows(name: str) -> Tensor:
    return placeholder(name, (3, 5), float64)


def _spread(row: Tensor) -> Tensor:
    return broadcast(row, (3, 5), (0,))


def _mask() -> Tensor:
    return astype(placeholder("mask", (3, 5), bool_), float64)


def _softmax_gradient(e: Tensor, g: Tensor) -> Tensor:
    s = _spread(sum(e, 1))
    return e * (g / s - _spread(sum(e / s * g / s, 1)))


def _shifted_softmax() -> Tensor:
    grad = _softmax_gradient(exp(_rows("x")), _rows("g"))
    return grad + _spread(-sum(grad, 1)) * _mask()


def _shifted_logsumexp() -> Tensor:
    e, g = exp(_rows("x")), placeholder("g", (3,), float64)
    grad = e * _spread(g / sum(e, 1))
    return grad + _spread(g - sum(grad, 1)) * _mask()


def _shifted_logsumexp_alone() -> Tensor:
    e = exp(_rows("x"))
    grad = e * _spread(reciprocal(sum(e, 1)))
    return _rows("y") + grad + _spread(1 - sum(grad, 1)) * _mask()


@procedure(
    "add",
    exact=False,
    examples=[_shifted_softmax, _shifted_logsumexp, _shifted_logsumexp_alone],
)
def gradient_through_shift(node: Node) -> Tensor | None:
    """What is subtracted from every element of a row before exp changes nothing, so the gradient
    that reaches it (the largest element, usually) is 0, but for roundings.
    """
    for grad, shift in (node.inputs, node.inputs[::-1]):
        row = _masked_row(shift)
        if row is not None and any(_cancels(row, term) for term in _terms(grad)):
            return grad
    return None


def _masked_row(x: Tensor) -> Tensor | None:
    """The r of a product of repeated r with a truth."""
    if not made_by(x, "multiply"):
        return None
    for repeated, mask in (x.node.inputs, x.node.inputs[::-1]):
        is_truth = made_by(mask, "cast") and mask.node.inputs[0].dtype is bool_
        if is_truth and made_by(repeated, "broadcast"):
            return repeated.node.inputs[0]
    return None


def _terms(x: Tensor) -> list[Tensor]:
    """x, and what it is the sum of."""
    found = [x]
    for y in found:
        if made_by(y, "add") and len(found) < TERMS:
            found += y.node.inputs
    return found


def _cancels(row: Tensor, grad: Tensor) -> bool:
    """Whether a row is 0 because of what `grad` is."""
    if made_by(row, "negative"):
        total = row.node.inputs[0]
        return _is_sum_of(total, grad) and _adds_up_to_zero(grad, total.node.attrs["axes"])
    if made_by(row, "subtract"):
        whole, total = row.node.inputs
        return _is_sum_of(total, grad) and _shares_out(grad, whole, total.node.attrs["axes"])
    return False


def _is_sum_of(s: Tensor, x: Tensor) -> bool:
    return made_by(s, "sum") and s.node.inputs[0] is x


def _adds_up_to_zero(x: Tensor, axes: Axes) -> bool:
    """Whether x = e * (g / S - (sum of e / S * g / S, repeated)), all of it along these axes."""
    for e, inner in _products(x):
        if not made_by(e, "exp") or not made_by(inner, "subtract"):
            continue
        share, mean = inner.node.inputs
        if not made_by(share, "divide") or not _is_spread(mean, axes):
            continue
        g, s = share.node.inputs
        total = mean.node.inputs[0]
        if _is_repeated_sum(s, e, axes) and made_by(total, "sum"):
            weighted = total.node.inputs[0]
            return total.node.attrs["axes"] == axes and _is_mean_term(weighted, g, e, s)
    return False


def _is_mean_term(x: Tensor, g: Tensor, e: Tensor, s: Tensor) -> bool:
    """Whether x = e / S * g / S."""
    if not made_by(x, "divide") or x.node.inputs[1] is not s:
        return False
    return any(a is g and _is_quotient(b, e, s) for a, b in _products(x.node.inputs[0]))


def _shares_out(x: Tensor, whole: Tensor, axes: Axes) -> bool:
    """Whether x = e * (whole / s, repeated), which adds up to the whole along these axes."""
    for e, repeated in _products(x):
        if not made_by(e, "exp") or not _is_spread(repeated, axes):
            continue
        share = repeated.node.inputs[0]
        if not made_by(share, "reciprocal", "divide"):
            continue
        s = share.node.inputs[-1]
        same = (
            number_of(whole) == 1 if made_by(share, "reciprocal") else share.node.inputs[0] is whole
        )
        return same and _is_sum_of(s, e) and s.node.attrs["axes"] == axes
    return False


def _is_spread(x: Tensor, axes: Axes) -> bool:
    """Whether x is repeated along just these axes."""
    return made_by(x, "broadcast") and sorted((*x.node.attrs["axes"], *axes)) == list(range(x.ndim))


def _products(x: Tensor) -> list[tuple[Tensor, Tensor]]:
    """The factors of x, in either order; none if it is no product."""
    if not made_by(x, "multiply"):
        return []
    a, b = x.node.inputs
    return [(a, b), (b, a)]


def _is_repeated_sum(s: Tensor, e: Tensor, axes: Axes | None = None) -> bool:
    """Whether s = S for this e: repeated along the very axes (these, if given) that were added
    up.
    """
    if not made_by(s, "broadcast") or not _is_sum_of(s.node.inputs[0], e):
        return False
    reduced: Axes = s.node.inputs[0].node.attrs["axes"]
    return axes in (None, reduced) and _is_spread(s, reduced)


def _is_quotient(x: Tensor, e: Tensor, s: Tensor) -> bool:
    return made_by(x, "divide") and x.node.inputs[0] is e and x.node.inputs[1] is s
