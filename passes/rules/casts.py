"""Rules of conversions: none is made twice, and truths are told without numbers."""

from __future__ import annotations

from graphc.ir.dtypes import DType, bool_, float32, float64, int32, int64
from graphc.ir.node import Node, Tensor
from graphc.ir.types import TensorType
from graphc.ops.cast import astype
from graphc.ops.comparison import equal, less, not_equal
from graphc.ops.logic import invert
from graphc.ops.source import constant, iota, placeholder
from graphc.passes.rule import Sides, procedure, rule
from graphc.passes.rules.facts import is_lossless, made_by

MASK = TensorType(bool_, (3, 5))


def _narrow() -> Tensor:
    return placeholder("x", (3, 5), float32)


@procedure(
    "cast",
    examples=[
        lambda: astype(astype(_narrow(), float64), float32),
        lambda: astype(astype(_narrow(), float64), "float16"),
        lambda: astype(astype(placeholder("n", (3,), int32), float64), float32),
        lambda: astype(astype(placeholder("n", (3,), "uint8"), "int16"), "bool"),
    ],
)
def cast_of_lossless_cast(node: Node) -> Tensor | None:
    """A detour over a dtype that holds every value of the first."""
    (y,) = node.inputs
    if not made_by(y, "cast") or not is_lossless(y.node.inputs[0].dtype, y.dtype):
        return None
    return astype(y.node.inputs[0], node.types[0].dtype)


@procedure("cast", examples=[lambda: astype(iota((7,)), float32)])
def cast_of_iota(node: Node) -> Tensor | None:
    """Numbers are counted in the dtype in which they are wanted."""
    (x,), dtype = node.inputs, node.types[0].dtype
    if not made_by(x, "iota") or x.dtype is not int64 or dtype not in (int32, float32, float64):
        return None
    return iota(x.shape, x.node.attrs["axis"], dtype)


@rule("not_equal", examples=[{"c": MASK, "dtype": float32}])
def truth_told_from_zero(c: Tensor, dtype: DType) -> Sides:
    """A truth as a number is not 0 if it is true."""
    return not_equal(astype(c, dtype), constant(0, dtype)), c


@rule("equal", examples=[{"c": MASK, "dtype": float32}])
def truth_equal_to_one(c: Tensor, dtype: DType) -> Sides:
    """A truth as a number is 1 if it is true."""
    return equal(astype(c, dtype), constant(1, dtype)), c


@rule("equal", examples=[{"c": MASK, "dtype": float32}])
def truth_equal_to_zero(c: Tensor, dtype: DType) -> Sides:
    """A truth as a number is 0 if it is false."""
    return equal(astype(c, dtype), constant(0, dtype)), invert(c)


@rule("less", examples=[{"c": MASK, "dtype": float32}])
def truth_above_zero(c: Tensor, dtype: DType) -> Sides:
    """A truth as a number is above 0 if it is true."""
    return less(constant(0, dtype), astype(c, dtype)), c


@rule("subtract", examples=[{"c": MASK, "dtype": float32}])
def one_less_truth(c: Tensor, dtype: DType) -> Sides:
    """What is left of 1 is the opposite."""
    return 1 - astype(c, dtype), astype(invert(c), dtype)


@rule("multiply", examples=[{"c": MASK, "d": MASK, "dtype": float32}])
def product_of_truths_as_numbers(c: Tensor, d: Tensor, dtype: DType) -> Sides:
    """Both are 1 if both are true."""
    return astype(c, dtype) * astype(d, dtype), astype(c & d, dtype)
