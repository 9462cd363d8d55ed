"""Order: values that are equal to others and yet never taken for them, or come after others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.ir.dims import Dim
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import Index, Op, Reader, Sample
from graphc.ir.types import TensorType
from graphc.ops.layout import broadcast
from graphc.ops.reduction import sum as total


class Barrier(Op):
    """Its inputs, unchanged: what is computed from the outputs is not shared with what was computed
    from the inputs, and comes after all of them.
    """

    lowering = "read"

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        return inputs

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        return cotangents

    def batch(
        self, node: Node, inputs: Sequence[Tensor], axes: Sequence[int | None], size: Dim
    ) -> Sequence[Tensor]:
        full = [
            x if axis == 0 else broadcast(x, (size, *x.shape), tuple(range(1, x.ndim + 1)))
            for x, axis in zip(inputs, axes, strict=True)
        ]
        return apply(self, *full).outputs

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        return inputs

    def read(self, node: Node, output: int, index: Index, reader: Reader) -> Any:
        return reader.at(node.inputs[output], index)

    def cost(self, node: Node) -> Dim:
        return 0

    def samples(self) -> Sequence[Sample]:
        return (Sample(lambda rng: (rng.standard_normal((3, 5)), rng.standard_normal(4))),)


_BARRIER = Barrier("barrier")


def barrier(tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The tensors behind a barrier."""
    return apply(_BARRIER, *tensors).outputs


class After(Op):
    """Its first input, which is not complete before the others, scalars, are computed."""

    lowering = "read"

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        assert all(not x.shape for x in inputs[1:]), "scalars are waited for"
        return inputs[:1]

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        return (*cotangents, *(None for _ in node.inputs[1:]))

    def batch(
        self, node: Node, inputs: Sequence[Tensor], axes: Sequence[int | None], size: Dim
    ) -> Sequence[Tensor]:
        x, *others = inputs
        if axes[0] is None:
            x = broadcast(x, (size, *x.shape), tuple(range(1, x.ndim + 1)))
        return (after(x, [total(y) for y in others]),)

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        return inputs[0]

    def read(self, node: Node, output: int, index: Index, reader: Reader) -> Any:
        for x in node.inputs[1:]:
            reader.at(x, ())
        return reader.at(node.inputs[0], index)

    def cost(self, node: Node) -> Dim:
        return 0

    def samples(self) -> Sequence[Sample]:
        return (
            Sample(
                lambda rng: (rng.standard_normal((3, 5)), rng.standard_normal(())),
                differentiable=(0,),
            ),
        )


_AFTER = After("after")


def after(x: Tensor, others: Sequence[Tensor]) -> Tensor:
    """x, once the other tensors, scalars, are computed."""
    return apply(_AFTER, x, *others).outputs[0]
