"""The operators of a tensor: each is the function of that meaning, under NumPy's rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphc.ops import arithmetic, comparison, division, logic, powers
from graphc.ops.convert import TensorLike

if TYPE_CHECKING:
    from graphc.ir.node import Tensor


class TensorOperators:
    """The operators that `Tensor` understands, on either side of numbers, arrays and tensors."""

    __slots__ = ()
    __hash__ = object.__hash__

    def __add__(self: Any, other: TensorLike) -> Tensor:
        return arithmetic.add(self, other)

    def __radd__(self: Any, other: TensorLike) -> Tensor:
        return arithmetic.add(other, self)

    def __sub__(self: Any, other: TensorLike) -> Tensor:
        return arithmetic.subtract(self, other)

    def __rsub__(self: Any, other: TensorLike) -> Tensor:
        return arithmetic.subtract(other, self)

    def __mul__(self: Any, other: TensorLike) -> Tensor:
        return arithmetic.multiply(self, other)

    def __rmul__(self: Any, other: TensorLike) -> Tensor:
        return arithmetic.multiply(other, self)

    def __truediv__(self: Any, other: TensorLike) -> Tensor:
        return arithmetic.divide(self, other)

    def __rtruediv__(self: Any, other: TensorLike) -> Tensor:
        return arithmetic.divide(other, self)

    def __floordiv__(self: Any, other: TensorLike) -> Tensor:
        return division.floor_divide(self, other)

    def __rfloordiv__(self: Any, other: TensorLike) -> Tensor:
        return division.floor_divide(other, self)

    def __mod__(self: Any, other: TensorLike) -> Tensor:
        return division.remainder(self, other)

    def __rmod__(self: Any, other: TensorLike) -> Tensor:
        return division.remainder(other, self)

    def __divmod__(self: Any, other: TensorLike) -> tuple[Tensor, Tensor]:
        return self // other, self % other

    def __rdivmod__(self: Any, other: TensorLike) -> tuple[Tensor, Tensor]:
        return other // self, other % self

    def __pow__(self: Any, other: TensorLike) -> Tensor:
        return powers.power(self, other)

    def __rpow__(self: Any, other: TensorLike) -> Tensor:
        return powers.power(other, self)

    def __matmul__(self: Any, other: TensorLike) -> Tensor:
        from graphc.ops.linear.contraction import matmul

        return matmul(self, other)

    def __rmatmul__(self: Any, other: TensorLike) -> Tensor:
        from graphc.ops.linear.contraction import matmul

        return matmul(other, self)

    def __and__(self: Any, other: TensorLike) -> Tensor:
        return logic.bitwise_and(self, other)

    def __rand__(self: Any, other: TensorLike) -> Tensor:
        return logic.bitwise_and(other, self)

    def __or__(self: Any, other: TensorLike) -> Tensor:
        return logic.bitwise_or(self, other)

    def __ror__(self: Any, other: TensorLike) -> Tensor:
        return logic.bitwise_or(other, self)

    def __xor__(self: Any, other: TensorLike) -> Tensor:
        return logic.bitwise_xor(self, other)

    def __rxor__(self: Any, other: TensorLike) -> Tensor:
        return logic.bitwise_xor(other, self)

    def __lshift__(self: Any, other: TensorLike) -> Tensor:
        return logic.left_shift(self, other)

    def __rlshift__(self: Any, other: TensorLike) -> Tensor:
        return logic.left_shift(other, self)

    def __rshift__(self: Any, other: TensorLike) -> Tensor:
        return logic.right_shift(self, other)

    def __rrshift__(self: Any, other: TensorLike) -> Tensor:
        return logic.right_shift(other, self)

    def __lt__(self: Any, other: TensorLike) -> Tensor:
        return comparison.less(self, other)

    def __le__(self: Any, other: TensorLike) -> Tensor:
        return comparison.less_equal(self, other)

    def __gt__(self: Any, other: TensorLike) -> Tensor:
        return comparison.greater(self, other)

    def __ge__(self: Any, other: TensorLike) -> Tensor:
        return comparison.greater_equal(self, other)

    def __eq__(self: Any, other: TensorLike) -> Tensor:  # type: ignore[override]  # as in NumPy
        return comparison.equal(self, other)

    def __ne__(self: Any, other: TensorLike) -> Tensor:  # type: ignore[override]  # as in NumPy
        return comparison.not_equal(self, other)

    def __neg__(self: Any) -> Tensor:
        return arithmetic.negative(self)

    def __pos__(self: Any) -> Tensor:
        return arithmetic.positive(self)

    def __abs__(self: Any) -> Tensor:
        return arithmetic.absolute(self)

    def __invert__(self: Any) -> Tensor:
        return logic.invert(self)
