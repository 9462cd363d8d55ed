"""Rules of gathering by positions that are known, or that a comparison finds."""

from __future__ import annotations

from graphc.ir.dims import Dim, bounds
from graphc.ir.dtypes import int64
from graphc.ir.node import Node, Tensor
from graphc.ops.comparison import equal
from graphc.ops.indexing.gather import filler, gather
from graphc.ops.indexing.slicing import narrow
from graphc.ops.layout import broadcast, reshape, transpose
from graphc.ops.reduction import sum
from graphc.ops.select import where
from graphc.ops.source import constant, iota, placeholder
from graphc.passes.rule import procedure
from graphc.passes.rules.facts import made_by, number_of


def _table() -> Tensor:
    return placeholder("x", (5, 2, 3))


@procedure(
    "gather",
    examples=[
        lambda: gather(_table(), [iota((4,))], [0]),
        lambda: gather(_table(), [iota((3,))], [2]),
        lambda: gather(
            placeholder("x", ("rows", 2)), [iota(placeholder("x", ("rows",)).shape)], [0]
        ),
    ],
)
def gather_of_first(node: Node) -> Tensor | None:
    """The first elements in their order are a slice."""
    x, *indices = node.inputs
    (t, *more), (axis, *_) = indices, node.attrs["axes"]
    if more or node.attrs["batch"] or not made_by(t, "iota") or t.ndim != 1:
        return None
    count, length = t.shape[0], x.shape[axis]
    if not _at_most(count, length):
        return None
    return _front(narrow(x, axis, 0, count), axis)


def _at_most(a: Dim, b: Dim) -> bool:
    low, _ = bounds(b - a)
    return low is not None and low >= 0


def _front(x: Tensor, axis: int) -> Tensor:
    """x with an axis first, as gather leaves it."""
    return transpose(x, (axis, *(k for k in range(x.ndim) if k != axis)))


@procedure(
    "gather",
    examples=[
        lambda: gather(_table(), [broadcast(iota((3,)), (3, 4), (0,))], [0]),
        lambda: gather(
            _table(), [broadcast(placeholder("t", (4,), int64), (2, 4), (1,))], [1], mode="wrap"
        ),
    ],
)
def gather_by_repeated(node: Node) -> Tensor | None:
    """What is gathered by equal positions is gathered once."""
    x, *indices = node.inputs
    if node.attrs["batch"] or any(not made_by(t, "broadcast") for t in indices):
        return None
    kept = sorted({a for t in indices for a in t.node.attrs["axes"]})
    shape = indices[0].shape
    if len(kept) == len(shape):
        return None
    small = tuple(shape[a] for a in kept)
    positions = [
        broadcast(t.node.inputs[0], small, tuple(map(kept.index, t.node.attrs["axes"])))
        for t in indices
    ]
    attrs = node.attrs
    found = gather(x, positions, attrs["axes"], 0, attrs["mode"], attrs["fill"])
    rest = range(len(shape), node.outputs[0].ndim)
    return broadcast(found, node.types[0].shape, (*kept, *rest))


@procedure(
    "gather",
    examples=[
        lambda: gather(_table(), [constant(1, int64)], [1], mode="clip"),
        lambda: gather(_table(), [constant(3, int64)], [0]),
    ],
)
def gather_of_known(node: Node) -> Tensor | None:
    """An element at a known position is a slice."""
    x, *indices = node.inputs
    if len(indices) != 1 or node.attrs["batch"] or indices[0].ndim:
        return None
    position, (axis,) = number_of(indices[0]), node.attrs["axes"]
    length = x.shape[axis]
    if position is None or not isinstance(length, int) or not 0 <= position < length:
        return None
    return reshape(narrow(x, axis, int(position), 1), node.types[0].shape)


def _picked() -> Tensor:
    x, t = placeholder("x", (4, 3)), placeholder("t", (4,), int64)
    mask = equal(broadcast(t, (4, 3), (0,)), broadcast(iota((3,)), (4, 3), (1,)))
    return sum(where(mask, x, 0), 1)


@procedure("sum", exact=False, examples=[_picked])
def sum_of_one_picked(node: Node) -> Tensor | None:
    """One element of a row that lies in memory is read, instead of all that are not picked."""
    (y,), axes = node.inputs, node.attrs["axes"]
    if not made_by(y, "where") or len(axes) != 1 or number_of(y.node.inputs[2]) != 0:
        return None
    mask, x, _ = y.node.inputs
    if x.node.op.lowering != "source" or axes[0] != x.ndim - 1:
        return None
    t = marked_position(mask, axes[0])
    if t is None:
        return None
    batch = x.ndim - 1
    found = gather(x, [reshape(t, (*t.shape, 1))], [batch], batch, "fill", filler(0, x.dtype))
    return reshape(found, node.types[0].shape)


def marked_position(mask: Tensor, axis: int) -> Tensor | None:
    """The t of a mask that says where along an axis the position is t."""
    if not made_by(mask, "equal"):
        return None
    for t, line in (mask.node.inputs, mask.node.inputs[::-1]):
        if not (made_by(t, "broadcast") and made_by(line, "broadcast")):
            continue
        others = tuple(k for k in range(mask.ndim) if k != axis)
        counts = made_by(line.node.inputs[0], "iota") and line.node.attrs["axes"] == (axis,)
        if counts and t.node.attrs["axes"] == others:
            return t.node.inputs[0]
    return None
