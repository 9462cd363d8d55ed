"""Rules of sums of what is padded with zeros, as gradients of slices are."""

from __future__ import annotations

from collections.abc import Sequence

from graphc.ir.dims import Dim
from graphc.ir.dtypes import NUMBERS
from graphc.ir.node import Node, Tensor
from graphc.ops.arithmetic import add
from graphc.ops.joining import concat
from graphc.ops.padding import place
from graphc.ops.reduction import sum
from graphc.ops.source import placeholder
from graphc.passes.rule import procedure
from graphc.passes.rules.facts import made_by

#: Sums of sums in which a padded term's neighbour is looked for.
DEEP = 8


def _padded(name: str, length: int, start: int) -> Tensor:
    return place(placeholder(name, (length, 2)), (9, 2), (start, 0), (1, 1))


def _doubled(x: Tensor) -> Tensor:
    return x + x


@procedure("sum", exact=False, examples=[lambda: sum(_padded("x", 3, 2), 0)])
def sum_of_padded(node: Node) -> Tensor | None:
    """Zeros add nothing."""
    (y,), axes = node.inputs, node.attrs["axes"]
    if not made_by(y, "place") or y.node.attrs["fill"].array.item() != 0:
        return None
    kept = [k for k in range(y.ndim) if k not in axes]
    starts, steps = (tuple(y.node.attrs[name][k] for k in kept) for name in ("starts", "steps"))
    total = sum(y.node.inputs[0], axes, y.dtype)
    return place(total, node.types[0].shape, starts, steps)


@procedure(
    "add",
    exact=False,
    examples=[
        lambda: _padded("x", 4, 0) + _padded("y", 5, 4),
        lambda: _padded("x", 3, 5) + _padded("y", 3, 2),
        lambda: _padded("x", 3, 6) + _padded("y", 3, 0) + _padded("z", 3, 3),
        lambda: _padded("x", 3, 6) + (placeholder("y", (9, 2)) + _padded("z", 6, 0)),
        lambda: _doubled(_padded("x", 3, 6)) + _padded("y", 6, 0),
    ],
)
def sum_of_padded_neighbours(node: Node) -> Tensor | None:
    """What is padded to lie side by side, as gradients of slices are, is put together."""
    for padded, others in (node.inputs, node.inputs[::-1]):
        found = _added(padded, others) if _is_zero_padded(padded) else None
        if found is not None:
            return found
    return None


def _added(padded: Tensor, total: Tensor, depth: int = DEEP) -> Tensor | None:
    """`total` with `padded` put beside one of its terms, None where none is a neighbour."""
    if _is_zero_padded(total):
        return _together(padded, total)
    if not depth or not made_by(total, "add"):
        return None
    x, y = total.node.inputs
    first = _added(padded, x, depth - 1)
    if first is not None:
        return add(first, y)
    second = _added(padded, y, depth - 1)
    return None if second is None else add(x, second)


def _together(x: Tensor, y: Tensor) -> Tensor | None:
    """The sum of two padded tensors that lie side by side."""
    for first, second in ((x, y), (y, x)):
        axis = _follows(first.node, second.node)
        if axis is not None:
            both = concat([first.node.inputs[0], second.node.inputs[0]], axis)
            return place(both, x.shape, first.node.attrs["starts"], first.node.attrs["steps"])
    return None


def _is_zero_padded(x: Tensor) -> bool:
    if not made_by(x, "place") or x.dtype not in NUMBERS:
        return False
    zero = x.node.attrs["fill"].array.item() == 0
    return zero and all(step == 1 for step in x.node.attrs["steps"])


def _follows(first: Node, second: Node) -> int | None:
    """The one axis along which the second of two padded tensors follows the first."""
    starts: Sequence[Sequence[Dim]] = first.attrs["starts"], second.attrs["starts"]
    shapes = first.inputs[0].shape, second.inputs[0].shape
    pairs = [*zip(*starts, *shapes, strict=True)]
    differ = [k for k, (a, b, m, n) in enumerate(pairs) if a != b or m != n]
    if len(differ) != 1:
        return None
    a, b, length, _ = pairs[differ[0]]
    return differ[0] if b == a + length else None
