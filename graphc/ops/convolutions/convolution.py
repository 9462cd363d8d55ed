"""Convolutions over any number of spatial axes, channels first.

Images x (N, C, *sizes), kernels w (O, C / groups, *taps) and results y (N, O, *positions) are bound
by one sum of products of an element of each, over samples, channels, positions and taps. Summing
x * w gives y; its gradients are the two other ops, which sum w * y and x * y; and the gradients of
each of the three are the other two.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from graphc.ir.dim_values import product
from graphc.ir.dims import Dim
from graphc.ir.dtypes import NUMBERS, as_dtype, float16, float32, float64, int8, int32
from graphc.ir.errors import DTypeError
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import Op, Sample
from graphc.ir.types import Shape, TensorType
from graphc.ops.convolutions.axes import (
    LETTERS,
    Line,
    channels,
    joined,
    letter_sizes,
    parted,
)
from graphc.ops.convolutions.phases import has_phases, image_of
from graphc.ops.convolutions.product import composed
from graphc.ops.convolutions.reference import missing_tensor
from graphc.ops.sampling import draw


class Convolution(Op):
    """The sum that gives `role`: "y" (the convolution), "x" or "w" (its adjoints), from the other
    two, in the order x, w, y.

    `lines` holds a `Line` for each spatial axis, `extent` the result's spatial lengths. 16-bit
    floats are summed in float32; integers wrap.
    """

    lowering = "composite"

    def __init__(self, name: str, role: str):
        super().__init__(name)
        self.role = role
        self.takes = [r for r in "xwy" if r != role]

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        a, b = inputs
        if a.dtype is not b.dtype or a.dtype not in NUMBERS:
            raise DTypeError(f"two operands of one numeric dtype needed, not {a} and {b}")
        sizes = letter_sizes(self.takes, inputs, attrs["groups"])
        return (TensorType(a.dtype, (*channels(sizes, self.role), *attrs["extent"])),)

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        (g,) = cotangents
        assert g is not None
        known = {**dict(zip(self.takes, node.inputs, strict=True)), self.role: g}
        return [
            sum_of(role, known, node.attrs["lines"], x.shape[2:], node.attrs["groups"])
            for role, x in zip(self.takes, node.inputs, strict=True)
        ]

    def batch(
        self, node: Node, inputs: Sequence[Tensor], axes: Sequence[int | None], size: Dim
    ) -> Sequence[Tensor]:
        """The batch joins what the batched input alone shares with the result (samples, or channels
        on one side); if both inputs have it, it joins the groups.
        """
        groups = node.attrs["groups"]
        sizes = letter_sizes(self.takes, [x.type for x in node.inputs], groups)
        have = [r for r, axis in zip(self.takes, axes, strict=True) if axis is not None]
        letter = "g"
        if len(have) == 1:
            (letter,) = {*LETTERS[self.role]} & {*LETTERS[have[0]]} - {"g"}
        known = {
            r: joined(x, sizes, r, letter, size) if r in have else x
            for r, x in zip(self.takes, inputs, strict=True)
        }
        more = groups * size if letter == "g" else groups
        result = sum_of(self.role, known, node.attrs["lines"], node.attrs["extent"], more)
        return (parted(result, sizes, self.role, letter, size),)

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        known = dict(zip(self.takes, inputs, strict=True))
        types = [TensorType(as_dtype(x.dtype), x.shape) for x in inputs]
        sizes = letter_sizes(self.takes, types, attrs["groups"])
        shape: Any = (*channels(sizes, self.role), *attrs["extent"])
        return missing_tensor(self.role, known, attrs["lines"], shape, attrs["groups"])

    def compose(self, node: Node) -> Sequence[Tensor]:
        """The same as a product of one operand with windows of the other."""
        if self.role == "x" and has_phases(node, node.inputs[0]):
            w, y = node.inputs
            return (image_of(w, y, node, partial(_composed_image, node.attrs["groups"])),)
        return (composed(self.role, self.takes, node),)

    def cost(self, node: Node) -> Dim:
        known = dict(zip([*self.takes, self.role], [*node.inputs, *node.outputs], strict=True))
        return 2 * known["w"].size * known["y"].shape[0] * product(known["y"].shape[2:])

    def samples(self) -> Sequence[Sample]:
        plain = ((2, 3, 5), (4, 3, 2), (2, 4, 4), (Line(),), 1)
        full = (
            (2, 4, 5, 6), (6, 2, 3, 2), (2, 6, 3, 5), (Line(2, 1, 1), Line(1, 2, 0)), 2,
        )  # fmt: skip
        spread = ((1, 2, 3), (2, 1, 2), (1, 2, 7), (Line(1, 1, 1, 2),), 2)
        solid = ((1, 2, 3, 4, 3), (3, 2, 2, 2, 2), (1, 3, 2, 3, 2), (Line(),) * 3, 1)
        empty = ((0, 2, 3), (3, 2, 3), (0, 3, 1), (Line(),), 1)
        return tuple(
            _sample(self, d, *case)
            for case in (plain, full, spread, solid, empty)
            for d in (
                (float64, float32, float16, int8, int32) if case is plain else (float64, float32)
            )
        )


def _sample(
    op: Convolution, dtype: Any, x: Shape, w: Shape, y: Shape, lines: tuple[Line, ...], groups: int
) -> Sample:
    shapes = {"x": x, "w": w, "y": y}
    attrs = {"lines": lines, "extent": shapes[op.role][2:], "groups": groups}
    ours: Any = [shapes[r] for r in op.takes]
    return Sample(lambda rng: [draw(rng, dtype, s) for s in ours], attrs, note=str(dtype))


_OPS = {
    "y": Convolution("convolution", "y"),
    "x": Convolution("convolution_image", "x"),
    "w": Convolution("convolution_kernel", "w"),
}


def _composed_image(
    groups: Dim, w: Tensor, y: Tensor, lines: tuple[Line, ...], extent: Shape
) -> Tensor:
    image = sum_of("x", {"w": w, "y": y}, lines, extent, groups)
    return composed("x", _OPS["x"].takes, image.node)


def sum_of(
    role: str, known: dict[str, Tensor], lines: tuple[Line, ...], extent: Shape, groups: Dim
) -> Tensor:
    """The role's tensor, given the others, with these spatial lengths."""
    op = _OPS[role]
    inputs = [known[r] for r in op.takes]
    return apply(op, *inputs, lines=lines, extent=tuple(extent), groups=groups).outputs[0]
