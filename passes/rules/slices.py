"""Rules of slices, concatenations and padding: parts of parts, and parts put together again."""

from __future__ import annotations

from graphc.ir.dims import Dim, bounds
from graphc.ir.node import Node, Tensor
from graphc.ops.indexing.slicing import narrow, strided
from graphc.ops.joining import concat
from graphc.ops.layout import broadcast
from graphc.ops.padding import place
from graphc.ops.source import constant, placeholder
from graphc.passes.rule import procedure
from graphc.passes.rules.facts import made_by


def _line(name: str = "x", length: int = 9) -> Tensor:
    return placeholder(name, (length, 2))


def _at_most(a: Dim, b: Dim) -> bool:
    """Whether a <= b is certain."""
    low, _ = bounds(b - a)
    return low is not None and low >= 0


def _is_slice(x: Tensor) -> bool:
    return made_by(x, "slice") and not x.node.attrs["checked"]


@procedure(
    "slice",
    examples=[
        lambda: narrow(narrow(_line(), 0, 1, 4, 2), 0, 3, 2, -1),
        lambda: narrow(narrow(_line(), 0, 1, 4), 1, 1, 1),
    ],
)
def slice_of_slice(node: Node) -> Tensor | None:
    """A part of a part is a part."""
    (y,) = node.inputs
    if not _is_slice(y) or node.attrs["checked"]:
        return None
    inner, outer = y.node.attrs, node.attrs
    parts = zip(inner["starts"], inner["steps"], outer["starts"], strict=True)
    starts = tuple(a + step * b for a, step, b in parts)
    steps = tuple(a * b for a, b in zip(inner["steps"], outer["steps"], strict=True))
    return strided(y.node.inputs[0], starts, outer["sizes"], steps)


@procedure(
    "slice",
    examples=[
        lambda: narrow(broadcast(_line(), (5, 9, 2), (1, 2)), 0, 1, 3),
        lambda: narrow(broadcast(_line(), (9, 4, 2), (0, 2)), 0, 8, 4, -2),
    ],
)
def slice_of_repeated(node: Node) -> Tensor | None:
    """Fewer repetitions, of a part."""
    (y,) = node.inputs
    if not made_by(y, "broadcast") or node.attrs["checked"]:
        return None
    (x,), kept = y.node.inputs, y.node.attrs["axes"]
    starts, sizes, steps = (
        tuple(node.attrs[name][a] for a in kept) for name in ("starts", "sizes", "steps")
    )
    return broadcast(strided(x, starts, sizes, steps), node.types[0].shape, kept)


def _three() -> list[Tensor]:
    return [_line("a", 2), _line("b", 3), _line("c", 4)]


@procedure(
    "slice",
    examples=[
        lambda: narrow(concat(_three()), 0, 2, 3),
        lambda: narrow(concat(_three()), 0, 6, 2, 2),
        lambda: narrow(concat(_three()), 1, 1, 1),
    ],
)
def slice_of_concat(node: Node) -> Tensor | None:
    """A part of one operand, or a part of each."""
    (y,), a = node.inputs, node.attrs
    if not made_by(y, "concat") or a["checked"]:
        return None
    axis = y.node.attrs["axis"]
    start, count, step = a["starts"][axis], a["sizes"][axis], a["steps"][axis]
    if start == 0 and step == 1 and count == y.shape[axis]:
        parts = [_along_others(x, node, axis, 0, x.shape[axis], 1) for x in y.node.inputs]
        return concat(parts, axis)
    ends = start, start + step * (count - 1)
    begin: Dim = 0
    for x in y.node.inputs:
        end = begin + x.shape[axis]
        if all(_at_most(begin, e) and _at_most(e + 1, end) for e in ends):
            return _along_others(x, node, axis, start - begin, count, step)
        begin = end
    return None


def _along_others(x: Tensor, node: Node, axis: int, start: Dim, count: Dim, step: int) -> Tensor:
    """The slice that a node takes, but for one axis."""
    starts, sizes, steps = (list(node.attrs[name]) for name in ("starts", "sizes", "steps"))
    starts[axis], sizes[axis], steps[axis] = start, count, step
    return strided(x, tuple(starts), tuple(sizes), tuple(steps))


def _placed(start: int = 2) -> Tensor:
    return place(_line("x", 3), (9, 2), (start, 0), (1, 1), 5)


@procedure(
    "slice",
    examples=[
        lambda: narrow(_placed(), 0, 2, 3),
        lambda: narrow(_placed(), 0, 3, 2),
        lambda: narrow(_placed(), 0, 5, 4),
        lambda: narrow(_placed(), 0, 0, 2),
    ],
)
def slice_of_padded(node: Node) -> Tensor | None:
    """A part of what was padded, or of the padding."""
    (y,) = node.inputs
    steps = (*node.attrs["steps"], *(y.node.attrs["steps"] if made_by(y, "place") else ()))
    if not made_by(y, "place") or node.attrs["checked"] or any(s != 1 for s in steps):
        return None
    (x,) = y.node.inputs
    starts, sizes = node.attrs["starts"], node.attrs["sizes"]
    begins = y.node.attrs["starts"]
    parts = list(zip(starts, sizes, begins, x.shape, strict=True))
    if any(_at_most(s + n, b) or _at_most(b + d, s) for s, n, b, d in parts):
        return broadcast(constant(y.node.attrs["fill"].array), sizes, ())
    if all(_at_most(b, s) and _at_most(s + n, b + d) for s, n, b, d in parts):
        moved = tuple(s - b for s, _, b, _ in parts)
        return strided(x, moved, sizes, node.attrs["steps"])
    return None


@procedure(
    "place",
    examples=[lambda: place(_placed(), (20, 3), (18, 1), (-2, 1), 5)],
)
def padding_of_padded(node: Node) -> Tensor | None:
    """Padding around padding of the same number."""
    (y,), outer = node.inputs, node.attrs
    if not made_by(y, "place") or y.node.attrs["fill"] != outer["fill"]:
        return None
    inner = y.node.attrs
    parts = zip(outer["starts"], outer["steps"], inner["starts"], strict=True)
    starts = tuple(a + step * b for a, step, b in parts)
    steps = tuple(a * b for a, b in zip(outer["steps"], inner["steps"], strict=True))
    return place(y.node.inputs[0], outer["shape"], starts, steps, outer["fill"].array.item())


@procedure("concat", examples=[lambda: concat([concat(_three()), _line("d", 1)])])
def concat_of_concat(node: Node) -> Tensor | None:
    """All operands at once."""
    axis = node.attrs["axis"]
    parts: list[Tensor] = []
    for x in node.inputs:
        nested = made_by(x, "concat") and x.node.attrs["axis"] == axis
        parts += x.node.inputs if nested else (x,)
    return concat(parts, axis) if len(parts) > len(node.inputs) else None


@procedure("concat", examples=[lambda: concat([_line("a", 2), _line("b", 0)])])
def concat_with_nothing(node: Node) -> Tensor | None:
    """Operands without elements are left out."""
    axis = node.attrs["axis"]
    parts = [x for x in node.inputs if x.shape[axis] != 0]
    return concat(parts, axis) if 0 < len(parts) < len(node.inputs) else None


def _halves() -> Tensor:
    x = _line()
    return concat([narrow(x, 0, 0, 4), narrow(x, 0, 4, 5)])


def _neighbours() -> Tensor:
    x = _line()
    return concat([_line("y", 1), narrow(x, 0, 1, 2), narrow(x, 0, 3, 5)])


@procedure("concat", examples=[_halves, _neighbours])
def concat_of_neighbours(node: Node) -> Tensor | None:
    """Neighbouring parts put together again are one part, or the whole."""
    axis = node.attrs["axis"]
    parts: list[Tensor] = [node.inputs[0]]
    for x in node.inputs[1:]:
        joined = _joined(parts[-1], x, axis)
        if joined is None:
            parts.append(x)
        else:
            parts[-1] = joined
    return concat(parts, axis) if len(parts) < len(node.inputs) else None


def _joined(a: Tensor, b: Tensor, axis: int) -> Tensor | None:
    """One slice in place of two that follow each other along an axis."""
    if not (_is_slice(a) and _is_slice(b)) or a.node.inputs[0] is not b.node.inputs[0]:
        return None
    first, second = a.node.attrs, b.node.attrs
    step = first["steps"][axis]
    if first["steps"] != second["steps"]:
        return None
    expected = list(first["starts"])
    expected[axis] = expected[axis] + step * first["sizes"][axis]
    if tuple(expected) != second["starts"]:
        return None
    sizes = list(first["sizes"])
    sizes[axis] = sizes[axis] + second["sizes"][axis]
    return strided(a.node.inputs[0], first["starts"], tuple(sizes), first["steps"])
