"""The type of a value: an element type and a shape."""

from __future__ import annotations

from collections.abc import Iterable

from graphc.ir.dim_values import product
from graphc.ir.dims import Dim, DimExpr
from graphc.ir.dtypes import DType
from graphc.ir.record import dataclass

Shape = tuple[Dim, ...]


@dataclass(frozen=True, slots=True)
class TensorType:
    """dtype and shape; prints as f32[batch, 784]."""

    dtype: DType
    shape: Shape

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> Dim:
        """The number of elements."""
        return product(self.shape)

    @property
    def bytes(self) -> Dim:
        """The bytes of all elements."""
        return self.size * self.dtype.bytes


def is_static(shape: Iterable[Dim]) -> bool:
    """Whether every dimension is an integer."""
    return not any(isinstance(d, DimExpr) for d in shape)
