"""Motion of layout through elementwise functions: repetitions, added axes and turned axes go
outwards, so that less is computed, and there they meet and cancel.
"""

from __future__ import annotations

from collections.abc import Callable

import graphc.ops  # noqa: F401  # registers every op
from graphc.ir.dim_values import is_unit
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import Op
from graphc.ir.types import Shape
from graphc.ops.elementwise import Elementwise
from graphc.ops.exponential import exp
from graphc.ops.layout import broadcast, reshape, transpose
from graphc.ops.select import where
from graphc.ops.source import placeholder
from graphc.passes.pattern import literal
from graphc.passes.rule import procedure
from graphc.passes.rules.facts import made_by, without_units
from graphc.passes.rules.layout import reshaped_repeat

ELEMENTWISE = tuple(
    name
    for name, op in Op.registry.items()
    if isinstance(op, Elementwise) and name != "stop_gradient"
)
#: How many functions deep an operand is looked for that a turn or reshape cancels.
DEPTH = 6


def _vector(name: str = "x") -> Tensor:
    return placeholder(name, (3,))


def _repeated(name: str, axis: int) -> Tensor:
    return broadcast(_vector(name), (3, 3, 4), (axis,))


@procedure(
    *ELEMENTWISE,
    examples=[
        lambda: exp(_repeated("x", 1)),
        lambda: _repeated("x", 0) - broadcast(placeholder("y", ()), (3, 3, 4), ()),
        lambda: _repeated("x", 0) * _repeated("y", 1),
        lambda: where(
            broadcast(placeholder("c", (3,), "bool"), (3, 3, 4), (1,)), 2, _repeated("y", 0)
        ),
    ],
)
def function_of_repeated(node: Node) -> Tensor | None:
    """A function of repeated values is repeated after it is computed."""
    kept: set[int] = set()
    shape = node.types[0].shape
    for x in node.inputs:
        if not made_by(x, "broadcast"):
            return None
        kept.update(x.node.attrs["axes"])
    if len(kept) == len(shape):
        return None
    axes = tuple(sorted(kept))
    inner = tuple(shape[a] for a in axes)
    inputs = [
        broadcast(x.node.inputs[0], inner, tuple(axes.index(a) for a in x.node.attrs["axes"]))
        for x in node.inputs
    ]
    return broadcast(apply(node.op, *inputs, **node.attrs).outputs[0], shape, axes)


@procedure(
    *ELEMENTWISE,
    examples=[
        lambda: exp(reshape(_vector(), (3, 1))),
        lambda: reshape(_vector(), (3, 1)) * 2,
        lambda: reshape(_vector(), (1, 3)) + broadcast(placeholder("y", ()), (1, 3), ()),
        lambda: reshape(_vector("x"), (3, 1)) + reshape(_vector("y"), (3, 1)),
    ],
)
def function_of_added_axes(node: Node) -> Tensor | None:
    """Axes of length 1 are added after a function, where what reads them can do without."""
    shape = node.types[0].shape
    if not any(made_by(x, "reshape") for x in node.inputs) or not any(map(is_unit, shape)):
        return None
    small = without_units(shape)
    inputs = [_without_added_axes(x, small) for x in node.inputs]
    found = [x for x in inputs if x is not None]
    if len(found) < len(inputs):
        return None
    return reshape(apply(node.op, *found, **node.attrs).outputs[0], shape)


def _without_added_axes(x: Tensor, small: Shape) -> Tensor | None:
    """x without axes of length 1, where they were added by a reshape or a repetition."""
    if made_by(x, "reshape"):
        (y,) = x.node.inputs
        return reshape(y, small) if without_units(y.shape) == small else None
    return reshaped_repeat(x, small)


@procedure(
    *ELEMENTWISE,
    examples=[
        lambda: exp(transpose(placeholder("x", (3, "rows")))),
        lambda: transpose(placeholder("x", (3, 4))) - transpose(placeholder("y", (3, 4))),
        lambda: transpose(placeholder("x", (3, 4))) * 2,
    ],
)
def function_of_transposed(node: Node) -> Tensor | None:
    """Axes are turned after a function, where sums and products take them in any order."""
    turned = next((x for x in node.inputs if made_by(x, "transpose")), None)
    if turned is None:
        return None
    axes, shape = turned.node.attrs["axes"], turned.node.inputs[0].shape
    inputs: list[Tensor] = []
    for x in node.inputs:
        number = literal(x)
        if number is not None:
            inputs.append(broadcast(number, shape, ()))
        elif made_by(x, "transpose") and x.node.attrs["axes"] == axes:
            inputs.append(x.node.inputs[0])
        else:
            return None
    return transpose(apply(node.op, *inputs, **node.attrs).outputs[0], axes)


@procedure(
    "reshape",
    examples=[
        lambda: reshape(exp(reshape(placeholder("x", (2, 6)), (3, 4))) + 1, (2, 6)),
        lambda: reshape(
            reshape(placeholder("x", (2, 6)), (3, 4)) * reshape(placeholder("y", (2, 6)), (3, 4)),
            (2, 6),
        ),
    ],
)
def reshape_undone_behind_functions(node: Node) -> Tensor | None:
    """Functions of reshaped tensors need no reshape when their result is reshaped back."""
    shape = node.types[0].shape

    def source(x: Tensor) -> Tensor | None:
        if made_by(x, "reshape"):
            (y,) = x.node.inputs
            return y if y.shape == shape else None
        return reshaped_repeat(x, shape)

    return _behind_functions(node.inputs[0], source, "reshape")


@procedure(
    "transpose",
    examples=[
        lambda: transpose(
            exp(transpose(placeholder("x", (2, 3))))
            * broadcast(placeholder("y", (3,)), (3, 2), (0,))
        )
    ],
)
def transpose_undone_behind_functions(node: Node) -> Tensor | None:
    """Functions of turned tensors need no turn when their result is turned back."""
    order = node.attrs["axes"]

    def source(x: Tensor) -> Tensor | None:
        if made_by(x, "transpose"):
            inner = x.node.attrs["axes"]
            back = all(inner[k] == place for place, k in enumerate(order))
            return x.node.inputs[0] if back else None
        return transpose(x, order) if made_by(x, "broadcast") else None

    return _behind_functions(node.inputs[0], source, "transpose")


def _behind_functions(
    x: Tensor, source: Callable[[Tensor], Tensor | None], undone: str
) -> Tensor | None:
    """x computed from what `source` gives for the operands of its functions; None if it gives
    nothing for one of them, or if none is made by the op that is to be undone.
    """
    found: dict[Tensor, Tensor | None] = {}
    useful = False

    def visit(y: Tensor, depth: int) -> Tensor | None:
        nonlocal useful
        if y in found:
            return found[y]
        op = y.node.op
        if not isinstance(op, Elementwise) or made_by(y, "stop_gradient"):
            found[y] = source(y)
            useful |= found[y] is not None and made_by(y, undone)
        else:
            parts = [visit(z, depth - 1) if depth else None for z in y.node.inputs]
            inputs = [z for z in parts if z is not None]
            complete = len(inputs) == len(parts)
            found[y] = apply(op, *inputs, **y.node.attrs).outputs[0] if complete else None
        return found[y]

    result = visit(x, DEPTH) if isinstance(x.node.op, Elementwise) else None
    return result if useful else None
