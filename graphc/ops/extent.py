"""The length of an axis as a number of the graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.dims import Dim
from graphc.ir.dtypes import as_dtype
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import Index, Op, Reader
from graphc.ir.types import TensorType
from graphc.ops.source import constant


class Extent(Op):
    """A dimension expression as a scalar of `dtype`."""

    lowering = "read"

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        return (TensorType(attrs["dtype"], ()),)

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        return ()

    def batch(
        self, node: Node, inputs: Sequence[Tensor], axes: Sequence[int | None], size: Dim
    ) -> Sequence[Tensor]:
        raise AssertionError("an extent has no inputs to batch")

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        return np.asarray(attrs["extent"]).astype(attrs["dtype"].numpy)

    def read(self, node: Node, output: int, index: Index, reader: Reader) -> Any:
        return reader.value(node.attrs["extent"], node.types[0].dtype)

    def cost(self, node: Node) -> Dim:
        return 0


_EXTENT = Extent("extent")


def extent(d: Dim, dtype: Any = "int64") -> Tensor:
    """A dimension (of a shape, or a product of several) as a scalar tensor, exact if it fits
    `dtype`.
    """
    kind = as_dtype(dtype)
    if isinstance(d, int):
        return constant(d, kind)
    return apply(_EXTENT, extent=d, dtype=kind).outputs[0]
