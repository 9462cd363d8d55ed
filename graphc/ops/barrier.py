"""A barrier: values that are equal to others and yet never taken for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.ir.dims import Dim
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import Index, Op, Reader, Sample
from graphc.ir.types import TensorType
from graphc.ops.layout import broadcast


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
