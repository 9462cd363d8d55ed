"""Rules of what differentiation leaves of a softmax p = exp(x) / sum(exp(x)), and of p log(p)."""

from __future__ import annotations

from graphc.ir.dtypes import float64
from graphc.ir.node import Node, Tensor
from graphc.ops.arithmetic import reciprocal
from graphc.ops.exponential import exp, log
from graphc.ops.layout import broadcast
from graphc.ops.reduction import sum
from graphc.ops.source import placeholder
from graphc.passes.rule import procedure
from graphc.passes.rules.facts import full, made_by
from graphc.passes.rules.softmax import TERMS, is_repeated_sum, products_of, softmax_of
from graphc.passes.rules.stability import shift, summed_exponent


def _gradient() -> Tensor:
    e, a, b = (placeholder(name, (3, 5), float64) for name in "xab")
    e = exp(e)
    s = broadcast(sum(e, 1), (3, 5), (0,))
    return e * (a / s - broadcast(sum(b / s, 1), (3, 5), (0,)))


@procedure("multiply", exact=False, examples=[_gradient])
def gradient_of_written_softmax(node: Node) -> Tensor | None:
    """exp overflows for large elements; the largest is taken out first, as from the softmax."""
    for e, inner in products_of(node.outputs[0]):
        found = _parts(e, inner)
        if found is not None:
            return _stable(*found)
    return None


def _parts(e: Tensor, inner: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor] | None:
    """(a, b, S, h) of e and a / S - h, where S is the repeated sum of e, h that of b / S."""
    if not made_by(e, "exp") or not made_by(inner, "subtract") or e.dtype.bits == 16:
        return None
    share, h = inner.node.inputs
    if not made_by(share, "divide") or not made_by(h, "broadcast"):
        return None
    a, s = share.node.inputs
    row = h.node.inputs[0]
    if not is_repeated_sum(s, e) or not made_by(row, "sum"):
        return None
    part = row.node.inputs[0]
    if not made_by(part, "divide") or part.node.inputs[1] is not s:
        return None
    unshifted = summed_exponent(s.node.inputs[0]) is not None
    return (a, part.node.inputs[0], s, h) if unshifted else None


def _stable(a: Tensor, b: Tensor, s: Tensor, h: Tensor) -> Tensor:
    sums, row = s.node.inputs[0], h.node.inputs[0]
    x = summed_exponent(sums)
    assert x is not None
    wide, top = shift(x, sums.node.attrs["axes"])
    e = exp(wide - top)
    total = broadcast(sum(e, sums.node.attrs["axes"]), s.shape, s.node.attrs["axes"])
    mean = broadcast(sum(b / total, row.node.attrs["axes"]), h.shape, h.node.attrs["axes"])
    return e * (a / total - mean)


def _share(x: Tensor) -> tuple[Tensor, Tensor]:
    """exp(x) over its sum, and the logarithm of that."""
    s = sum(exp(x), 1)
    spread = broadcast(reciprocal(s), (3, 5), (0,))
    return exp(x) * spread, x - broadcast(log(s), (3, 5), (0,))


def _of_entropy() -> Tensor:
    p, log_p = _share(placeholder("x", (3, 5), float64))
    return -log_p - p / p


def _of_weighted_entropy() -> Tensor:
    p, log_p = _share(placeholder("x", (3, 5), float64))
    g = placeholder("g", (3, 5), float64)
    return g * log_p + p * (g / p)


def _of_mean_entropy() -> Tensor:
    p, log_p = _share(placeholder("x", (3, 5), float64))
    g = placeholder("g", (3, 5), float64)
    return -(g * p / p) - g * log_p


@procedure(
    "add", "subtract", exact=False, examples=[_of_entropy, _of_weighted_entropy, _of_mean_entropy]
)
def probability_over_itself(node: Node) -> Tensor | None:
    """A probability that vanishes cancels; its logarithm beside it keeps every NaN."""
    a, b = node.inputs
    for x, other in ((b, a), (a, b)):
        found = _cancelled(x)
        if found is None or not _has_log(other, *found[:2]):
            continue
        if node.op.name == "add":
            return other + found[2]
        return other - found[2] if x is b else found[2] - other
    return None


def _cancelled(x: Tensor) -> tuple[Tensor, Tensor, Tensor] | None:
    """(e, S, g) of x = g, written as p * (g / p), g * p / p or p / p, with p = e / S."""
    if made_by(x, "negative"):
        positive = _cancelled(x.node.inputs[0])
        return None if positive is None else (*positive[:2], -positive[2])
    if made_by(x, "divide"):
        over, p = x.node.inputs
        g = full(1, x) if over is p else next((g for q, g in products_of(over) if q is p), None)
        found = softmax_of(p) if g is not None else None
        return None if found is None or g is None else (*found, g)
    for p, q in products_of(x):
        if made_by(q, "divide") and q.node.inputs[1] is p:
            found = softmax_of(p)
            if found is not None:
                return (*found, q.node.inputs[0])
    return None


def _has_log(x: Tensor, e: Tensor, s: Tensor) -> bool:
    """Whether log(e / S), as the exponent less the repeated logarithm of the sum, is a part of x
    that makes it NaN.
    """
    parts = [x]
    for y in parts:
        if made_by(y, "subtract") and y.node.inputs[0] is e.node.inputs[0]:
            h = y.node.inputs[1]
            same_axes = made_by(h, "broadcast") and h.node.attrs["axes"] == s.node.attrs["axes"]
            row = h.node.inputs[0]
            if same_axes and made_by(row, "log") and row.node.inputs[0] is s.node.inputs[0]:
                return True
        if made_by(y, "negative", "multiply", "add", "subtract") and len(parts) < TERMS:
            parts += y.node.inputs
    return False
