"""Where the largest element of a row is taken out before exp, as softmax and logsumexp do, results
are the same whatever was taken out: no gradient passes there, so nobody asks which element it was.

What becomes of a tensor if d is added to each row's largest element is followed along the graph: it
gains `factor` * d, or is multiplied with exp(`factor` * d). Where nothing of that is left in the
end, the derivative is 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as Collection
from dataclasses import replace
from types import MappingProxyType

from graphc.ir.dim_values import is_unit
from graphc.ir.dims import Dim
from graphc.ir.node import Node, Tensor
from graphc.ir.record import dataclass
from graphc.ops.source import constant_value
from graphc.passes.pattern import literal


@dataclass(frozen=True)
class Change:
    """What becomes of a tensor: by adding, or by multiplying if it is a `product`; of which of its
    axes each is one of the rows' (`rows`, in their order).
    """

    factor: float
    product: bool
    rows: tuple[int, ...]


class _Left(Exception):
    """Something of the shift is left, as far as is known."""


def without_effect(
    ys: Iterable[Tensor], order: Sequence[Node], active: Collection[Tensor]
) -> set[Tensor]:
    """The maxima in `order` that make no difference to `ys`, of those that are `active`."""
    tops = [x for node in order if node.op.name == "max" for x in node.outputs if x in active]
    if not tops:
        return set()
    graph = _Graph(ys, order, active)
    return {top for top in tops if graph.is_same_without(top)}


class _Graph:
    """Who reads what, in which order; `active` is what has a derivative."""

    def __init__(self, ys: Iterable[Tensor], order: Sequence[Node], active: Collection[Tensor]):
        self.wanted, self.active = set(ys), active
        self.place = {node: k for k, node in enumerate(order)}
        self.readers: dict[Tensor, list[Node]] = {}
        for node in order:
            for x in dict.fromkeys(node.inputs):
                self.readers.setdefault(x, []).append(node)

    def is_same_without(self, top: Tensor) -> bool:
        """Whether a change of `top` leaves what is wanted as it is."""
        rows = tuple(k for k, d in enumerate(top.shape) if not is_unit(d))
        changes = {top: Change(1, False, rows)}
        ahead = {self.place[node]: node for node in self.readers.get(top, ())}
        while ahead:
            node = ahead.pop(min(ahead))
            if not self.active.isdisjoint(node.outputs):
                try:
                    change = _changed(node, [changes.get(x) for x in node.inputs])
                except _Left:
                    return False
                if change is not None:
                    (y,) = node.outputs
                    changes[y] = change
                    ahead |= {self.place[reader]: reader for reader in self.readers.get(y, ())}
        return self.wanted.isdisjoint(changes)


def _changed(node: Node, changes: Sequence[Change | None]) -> Change | None:
    """What becomes of a node's output, None if nothing does; raises _Left if that is not known."""
    rule = _RULES.get(node.op.name)
    if rule is None:
        raise _Left
    change = rule(node, *changes)
    return None if change is None or change.factor == 0 else change


Rule = Callable[..., "Change | None"]


def _of_sum(sign: int) -> Rule:
    """Of a + b, or a - b."""

    def rule(node: Node, a: Change | None, b: Change | None) -> Change | None:
        return _joined(a, b, sign, product=False)

    return rule


def _joined(a: Change | None, b: Change | None, sign: int, product: bool) -> Change | None:
    for x in (a, b):
        if x is not None and x.product is not product:
            raise _Left
    if b is None:
        return a
    b = replace(b, factor=sign * b.factor)
    if a is None:
        return b
    if a.rows != b.rows:
        raise _Left
    return replace(a, factor=a.factor + b.factor)


def _of_product(node: Node, a: Change | None, b: Change | None) -> Change | None:
    for change, other in ((a, node.inputs[1]), (b, node.inputs[0])):
        if change is not None and not change.product:
            return replace(change, factor=change.factor * _number(other))
    return _joined(a, b, 1, product=True)


def _of_quotient(node: Node, a: Change | None, b: Change | None) -> Change | None:
    if a is not None and not a.product:
        return replace(a, factor=a.factor / (_number(node.inputs[1]) or math.nan))
    return _joined(a, b, -1, product=True)


def _number(x: Tensor) -> float:
    """The number that x is or repeats."""
    number = literal(x)
    value = None if number is None else constant_value(number)
    if value is None:
        raise _Left
    return float(value)


def _of_power(factor: float, product: bool) -> Rule:
    """Of a function that multiplies the exponent of a product, or a summand."""

    def rule(node: Node, a: Change) -> Change:
        if a.product is not product:
            raise _Left
        return replace(a, factor=factor * a.factor)

    return rule


def _of_exp(node: Node, a: Change) -> Change:
    if a.product:
        raise _Left
    return replace(a, product=True)


def _of_log(node: Node, a: Change) -> Change:
    if not a.product:
        raise _Left
    return replace(a, product=False)


def _of_choice(node: Node, condition: Change | None, a: Change | None, b: Change | None) -> Change:
    """Of where(isfinite(x), x, number): of what is not finite there is no derivative to find."""
    finite, x, other = node.inputs
    guarded = finite.node.op.name == "isfinite" and finite.node.inputs[0] is x
    if not guarded or a is None or b is not None or literal(other) is None:
        raise _Left
    return a


def _of_reduction(node: Node, a: Change) -> Change:
    """Of sums of products, and of extremes of sums, not along the rows' axes."""
    axes = node.attrs["axes"]
    if a.product is not (node.op.name == "sum") or set(axes) & set(a.rows):
        raise _Left
    kept = [k for k in range(node.inputs[0].ndim) if k not in axes]
    return replace(a, rows=tuple(map(kept.index, a.rows)))


def _of_broadcast(node: Node, a: Change) -> Change:
    return replace(a, rows=tuple(node.attrs["axes"][k] for k in a.rows))


def _of_transpose(node: Node, a: Change) -> Change:
    return replace(a, rows=tuple(map(node.attrs["axes"].index, a.rows)))


def _of_reshape(node: Node, a: Change) -> Change:
    """Of one that adds or drops axes of length 1 only."""
    before, after = (_longer(shape) for shape in (node.inputs[0].shape, node.types[0].shape))
    if [d for _, d in before] != [d for _, d in after]:
        raise _Left
    to = {k: axis for (k, _), (axis, _) in zip(before, after, strict=True)}
    if not set(a.rows) <= to.keys():
        raise _Left
    return replace(a, rows=tuple(to[k] for k in a.rows))


def _longer(shape: Sequence[Dim]) -> list[tuple[int, Dim]]:
    return [(k, d) for k, d in enumerate(shape) if not is_unit(d)]


def _of_gather(node: Node, a: Change, *places: Change | None) -> Change:
    """Of elements that are chosen from their own row."""
    if (
        any(places)
        or node.attrs["mode"] == "fill"
        or max(a.rows, default=-1) >= node.attrs["batch"]
    ):
        raise _Left
    return a


_RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "add": _of_sum(1),
        "subtract": _of_sum(-1),
        "negative": _of_power(-1, product=False),
        "multiply": _of_product,
        "divide": _of_quotient,
        "reciprocal": _of_power(-1, product=True),
        "exp": _of_exp,
        "log": _of_log,
        "where": _of_choice,
        "sum": _of_reduction,
        "max": _of_reduction,
        "broadcast": _of_broadcast,
        "transpose": _of_transpose,
        "reshape": _of_reshape,
        "gather": _of_gather,
        "cast": lambda node, a: a,
    }
)
