"""Batching rules of loops and branches: a loop over batches instead of a batch of loops."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from graphc.ir.dims import Dim
from graphc.ir.node import Node, Tensor
from graphc.ir.subgraph import Subgraph
from graphc.ir.walk import substitute
from graphc.ops.axes import moveaxis
from graphc.ops.layout import broadcast, broadcast_to, reshape
from graphc.ops.loops.control import SCAN, SWITCH, scan_node, switch_node, while_node
from graphc.ops.reduction import any as any_of
from graphc.ops.select import where
from graphc.ops.source import placeholder

Batch = Callable[[Sequence[Tensor], Mapping[Tensor, Tensor], Dim], list[tuple[Tensor, bool]]]


def batch_control(
    node: Node, inputs: Sequence[Tensor], axes: Sequence[int | None], size: Dim, batch: Batch
) -> list[Tensor]:
    """Outputs with a leading axis of length `size`, for inputs of which those with an axis have it
    in front.
    """
    mapped = [axis == 0 for axis in axes]
    if node.op is SCAN:
        return _scan(node, inputs, mapped, size, batch)
    if node.op is SWITCH:
        return _switch(node, inputs, mapped, size, batch)
    return _while(node, inputs, mapped, size, batch)


def _symbols(body: Subgraph, mapped: Sequence[bool], size: Dim) -> list[Tensor]:
    """Symbols for the inputs of a batched body."""
    return [
        placeholder("batched", (size, *x.shape), x.dtype) if m else x
        for x, m in zip(body.inputs, mapped, strict=True)
    ]


def _batched(
    body: Subgraph, mapped: Sequence[bool], size: Dim, batch: Batch
) -> tuple[list[Tensor], list[tuple[Tensor, bool]]]:
    symbols = _symbols(body, mapped, size)
    pairs = zip(body.inputs, symbols, mapped, strict=True)
    return symbols, batch(body.outputs, {x: s for x, s, m in pairs if m}, size)


def _spread(x: Tensor, mapped: bool, size: Dim) -> Tensor:
    """x with the batch axis, repeated where it had none."""
    return x if mapped else broadcast(x, (size, *x.shape), tuple(range(1, x.ndim + 1)))


def _settled(body: Subgraph, mapped: list[bool], count: int, size: Dim, batch: Batch) -> list[bool]:
    """`mapped` grown until a carry that comes out batched goes in batched."""
    while True:
        _, outputs = _batched(body, mapped, size, batch)
        new = [m or (k < count and outputs[k][1]) for k, m in enumerate(mapped)]
        if new == mapped:
            return mapped
        mapped = new


def _scan(
    node: Node, inputs: Sequence[Tensor], given: list[bool], size: Dim, batch: Batch
) -> list[Tensor]:
    attrs = node.attrs
    body, count, stacks = attrs["body"], attrs["carries"], attrs["stacks"]
    mapped = _settled(body, list(given), count, size, batch)
    operands = [
        moveaxis(x, 0, 1)
        if m and count <= k < count + stacks
        else (_spread(x, g, size) if m else x)
        for k, (x, m, g) in enumerate(zip(inputs, mapped, given, strict=True))
    ]
    symbols, outputs = _batched(body, mapped, size, batch)
    results = [_spread(y, m, size) if m or k >= count else y for k, (y, m) in enumerate(outputs)]
    results = [
        _spread(y, outputs[k][1], size) if k < count and mapped[k] else results[k]
        for k, (y, _) in enumerate(outputs)
    ]
    inner = Subgraph(tuple(symbols), tuple(results))
    parts = operands[:count], operands[count : count + stacks], operands[count + stacks :]
    made = scan_node(inner, *parts, attrs["length"], attrs["reverse"])
    carries = [_spread(y, m, size) for y, m in zip(made[:count], mapped, strict=False)]
    return [*carries, *(moveaxis(y, 1, 0) for y in made[count:])]


def _switch(
    node: Node, inputs: Sequence[Tensor], mapped: list[bool], size: Dim, batch: Batch
) -> list[Tensor]:
    branches = node.attrs["branches"]
    index, *operands = inputs
    done = [_batched(b, mapped[1:], size, batch) for b in branches]
    full = [[_spread(y, m, size) for y, m in outputs] for _, outputs in done]
    bodies = [
        Subgraph(tuple(symbols), tuple(ys)) for (symbols, _), ys in zip(done, full, strict=True)
    ]
    if not mapped[0]:
        return list(switch_node(index, bodies, operands))
    values = [
        substitute(
            ys, {s: x for s, x, m in zip(symbols, operands, mapped[1:], strict=True) if s is not x}
        )
        for (symbols, _), ys in zip(done, full, strict=True)
    ]
    result = values[-1]
    for k in range(len(values) - 2, -1, -1):
        result = [_chosen(index <= k, a, b) for a, b in zip(values[k], result, strict=True)]
    return result


def _chosen(flags: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    """yes where the flag of the element is set."""
    column = reshape(flags, (flags.shape[0], *(1 for _ in yes.shape[1:])))
    return where(broadcast_to(column, yes.shape), yes, no)


def _while(
    node: Node, inputs: Sequence[Tensor], given: list[bool], size: Dim, batch: Batch
) -> list[Tensor]:
    body, condition, count = node.attrs["body"], node.attrs["condition"], node.attrs["carries"]
    mapped = _settled(body, list(given), count, size, batch)
    mapped = [m or (k < count and any(mapped)) for k, m in enumerate(mapped)]
    operands = [
        _spread(x, g, size) if m else x for x, m, g in zip(inputs, mapped, given, strict=True)
    ]
    symbols, ((test, tested),) = _batched(condition, mapped, size, batch)
    flags = _spread(test, tested, size)
    conditions = Subgraph(tuple(symbols), (any_of(flags),))
    pairs = zip(body.inputs, symbols, mapped, strict=True)
    outputs = batch(body.outputs, {x: s for x, s, m in pairs if m}, size)
    news = [
        _chosen(flags, _spread(y, m, size), s) for (y, m), s in zip(outputs, symbols, strict=False)
    ]
    return list(
        while_node(
            conditions, Subgraph(tuple(symbols), tuple(news)), operands[:count], operands[count:]
        )
    )
