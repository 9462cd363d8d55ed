"""Transpositions move towards the results: values are computed in the order in which they are made
best, such as images with their channels last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from graphc.ir.node import Node, Tensor, apply
from graphc.ir.walk import rebuild
from graphc.ops.convolutions.windows import Windows
from graphc.ops.elementwise import Elementwise
from graphc.ops.layout import broadcast, transpose
from graphc.ops.reducing import Reduction

Order = tuple[int, ...]


def sink_transpositions(results: Sequence[Tensor]) -> list[Tensor]:
    """The same values, where elementwise ops, sums and windows of transposed values are transposed
    themselves; what is in order already is not copied.
    """
    return rebuild(results, _sunk)


def _sunk(node: Node, inputs: tuple[Tensor, ...]) -> Sequence[Tensor] | None:
    if all(_order(x) is None for x in inputs) or len(node.outputs) != 1:
        return inputs if node.op.name == "copy" else None
    rule = _rule(node, inputs)
    return None if rule is None else (rule(node, inputs),)


Rule = Callable[[Node, tuple[Tensor, ...]], Tensor]


def _rule(node: Node, inputs: tuple[Tensor, ...]) -> Rule | None:
    op = node.op
    if isinstance(op, Elementwise) and op.name != "copy":
        return _elementwise if _leading(inputs) is not None else None
    if isinstance(op, Reduction) and not op.combine.startswith("arg"):
        return _reduction
    if isinstance(op, Windows):
        return _windows
    if op.name == "copy":
        return _same_lines if _keeps_lines(inputs) else None
    return _RULES.get(op.name)


def _order(x: Tensor) -> Order | None:
    """The order of axes in which a transposition puts its input's; None for anything else."""
    return x.node.attrs["axes"] if x.node.op.name == "transpose" else None


def inverse(order: Order) -> Order:
    """The order that undoes another one."""
    return tuple(order.index(k) for k in range(len(order)))


def _transpose(node: Node, inputs: tuple[Tensor, ...]) -> Tensor:
    inner = _order(inputs[0])
    assert inner is not None
    return transpose(inputs[0].node.inputs[0], [inner[k] for k in node.attrs["axes"]])


def _leading(inputs: tuple[Tensor, ...]) -> Order | None:
    """The order that a function of these takes on; what is repeated follows the others."""
    wide = [x for x in inputs if not _is_repeated(x)] or inputs
    orders = [_order(x) for x in wide]
    return next((o for o in orders if o is not None), None)


def _is_repeated(x: Tensor) -> bool:
    """Whether x is a broadcast, maybe a transposed one."""
    y = x if _order(x) is None else x.node.inputs[0]
    return y.node.op.name == "broadcast"


def _elementwise(node: Node, inputs: tuple[Tensor, ...]) -> Tensor:
    order = _leading(inputs)
    assert order is not None
    back = inverse(order)
    parts = [_reordered(x, back) for x in inputs]
    return transpose(apply(node.op, *parts, **node.attrs).outputs[0], order)


def _keeps_lines(inputs: tuple[Tensor, ...]) -> bool:
    """Whether neighbours along the last axis of a transposition are neighbours in memory."""
    order = _order(inputs[0])
    return order is not None and order[-1] == len(order) - 1


def _same_lines(node: Node, inputs: tuple[Tensor, ...]) -> Tensor:
    """What is copied for its lines stays where it is."""
    return inputs[0]


def _place(node: Node, inputs: tuple[Tensor, ...]) -> Tensor:
    order = _order(inputs[0])
    assert order is not None
    y, back = inputs[0].node.inputs[0], inverse(order)
    attrs = {k: tuple(node.attrs[k][j] for j in back) for k in ("shape", "starts", "steps")}
    return transpose(apply(node.op, y, **{**node.attrs, **attrs}).outputs[0], order)


def _reordered(x: Tensor, order: Order) -> Tensor:
    """transpose(x, order), of what x is made of where that is simpler."""
    inner = _order(x)
    if inner is not None:
        return transpose(x.node.inputs[0], [inner[k] for k in order])
    if x.node.op.name != "broadcast":
        return transpose(x, order)
    (y,), axes = x.node.inputs, x.node.attrs["axes"]
    places = [order.index(a) for a in axes]
    rank = tuple(sorted(range(y.ndim), key=lambda k: places[k]))
    shape = tuple(x.shape[k] for k in order)
    return broadcast(transpose(y, rank), shape, tuple(places[k] for k in rank))


def _reduction(node: Node, inputs: tuple[Tensor, ...]) -> Tensor:
    (x,) = inputs
    order = _order(x)
    assert order is not None
    axes = tuple(sorted(order[a] for a in node.attrs["axes"]))
    result = apply(node.op, x.node.inputs[0], **{**node.attrs, "axes": axes}).outputs[0]
    kept = [k for k in range(x.ndim) if k not in axes]
    wanted = [order[k] for k in range(x.ndim) if k not in node.attrs["axes"]]
    return transpose(result, [kept.index(k) for k in wanted])


def _windows(node: Node, inputs: tuple[Tensor, ...]) -> Tensor:
    (x,) = inputs
    order = _order(x)
    assert order is not None
    count = len(node.attrs["taps"])
    ndim = node.types[0].ndim - count
    if order[ndim:] != tuple(range(ndim, x.ndim)):
        return apply(node.op, x, **node.attrs).outputs[0]
    axes = tuple(order[a] for a in node.attrs["axes"])
    result = apply(node.op, x.node.inputs[0], **{**node.attrs, "axes": axes}).outputs[0]
    return transpose(result, (*order[:ndim], *range(ndim, ndim + count)))


def _broadcast(node: Node, inputs: tuple[Tensor, ...]) -> Tensor:
    """Repeated axes come last, the others keep the order that they have in memory."""
    (x,), shape, axes = inputs, node.attrs["shape"], node.attrs["axes"]
    order = _order(x)
    assert order is not None
    y = x.node.inputs[0]
    back = inverse(order)
    placed = [axes[back[k]] for k in range(y.ndim)]
    others = [k for k in range(len(shape)) if k not in axes]
    found = _merged(placed, others)
    wide = broadcast(y, tuple(shape[k] for k in found), tuple(found.index(k) for k in placed))
    return transpose(wide, inverse(tuple(found)))


def _merged(placed: list[int], others: list[int]) -> list[int]:
    """The axes of a broadcast: those of its input in their order, others where they were before."""
    found = list(placed)
    for k in others:
        after = next((j for j, p in enumerate(found) if p > k and k + 1 == p), len(found))
        found.insert(after, k)
    return found


def _product(node: Node, inputs: tuple[Tensor, ...]) -> Tensor:
    """Axes of operands are named where they lie; the result's free axes follow their order."""
    from graphc.ops.linear.contraction import dot_general, free_axes

    parts: list[Tensor] = []
    pairs = {kind: list(node.attrs[kind]) for kind in ("batch", "contract")}
    free: list[tuple[int, ...]] = []
    for side, x in enumerate(inputs):
        order = _order(x) or tuple(range(x.ndim))
        free.append(tuple(order[k] for k in _free(node, side)))
        for kind in pairs:
            pairs[kind][side] = tuple(order[k] for k in node.attrs[kind][side])
        parts.append(x if _order(x) is None else x.node.inputs[0])
    batch, contract = ((p[0], p[1]) for p in pairs.values())
    result = dot_general(parts[0], parts[1], batch, contract)
    n = len(batch[0])
    found = [free_axes(p.ndim, batch[s], contract[s]) for s, p in enumerate(parts)]
    places = [n + found[0].index(k) for k in free[0]]
    places += [n + len(found[0]) + found[1].index(k) for k in free[1]]
    return transpose(result, (*range(n), *places))


def _free(node: Node, side: int) -> tuple[int, ...]:
    used = (node.attrs["batch"][side], node.attrs["contract"][side])
    return tuple(k for k in range(node.inputs[side].ndim) if not any(k in axes for axes in used))


_RULES: dict[str, Rule] = {
    "transpose": _transpose,
    "place": _place,
    "broadcast": _broadcast,
    "dot_general": _product,
}
