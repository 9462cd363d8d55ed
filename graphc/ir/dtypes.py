"""Element types and NumPy's promotion rules, with weak Python scalars."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from graphc.ir.errors import DTypeError
from graphc.ir.record import dataclass


@dataclass(frozen=True, eq=False)
class DType:
    """An element type: one object each. It equals what else means the same, as NumPy's dtypes do:
    `x.dtype == "float32"`, `x.dtype == np.float32`.

    `kind` is "b" (bool), "i" (signed), "u" (unsigned) or "f" (floating point).
    """

    name: str
    short: str
    kind: str
    bits: int
    numpy: np.dtype[Any]

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        if self is other or other is None or isinstance(other, DType):
            return self is other
        try:
            return self is as_dtype(other)
        except DTypeError:
            return False

    def __repr__(self) -> str:
        return f"graphc.{self.name}"

    def __str__(self) -> str:
        return self.short

    def __reduce__(self) -> tuple[Any, ...]:
        return as_dtype, (self.name,)

    @property
    def bytes(self) -> int:
        """Size of one stored element in bytes (a bool takes one)."""
        return self.numpy.itemsize

    @property
    def is_float(self) -> bool:
        return self.kind == "f"

    @property
    def is_integer(self) -> bool:
        return self.kind in "iu"


def _dtype(name: str, short: str, kind: str, bits: int, numpy: Any = None) -> DType:
    return DType(name, short, kind, bits, np.dtype(numpy or name))


bool_ = _dtype("bool", "bool", "b", 1)
int8, int16, int32, int64 = (_dtype(f"int{n}", f"i{n}", "i", n) for n in (8, 16, 32, 64))
uint8, uint16, uint32, uint64 = (_dtype(f"uint{n}", f"u{n}", "u", n) for n in (8, 16, 32, 64))
float16, float32, float64 = (_dtype(f"float{n}", f"f{n}", "f", n) for n in (16, 32, 64))
bfloat16 = _dtype("bfloat16", "bf16", "f", 16, ml_dtypes.bfloat16)

ALL = (
    bool_, int8, int16, int32, int64, uint8, uint16, uint32, uint64,
    float16, bfloat16, float32, float64,
)  # fmt: skip
FLOATS = tuple(d for d in ALL if d.kind == "f")
SIGNED = tuple(d for d in ALL if d.kind == "i")
UNSIGNED = tuple(d for d in ALL if d.kind == "u")
INTEGERS = SIGNED + UNSIGNED
NUMBERS = INTEGERS + FLOATS

_BY_NAME = {d.name: d for d in ALL} | {d.short: d for d in ALL}
_BY_NUMPY = {d.numpy: d for d in ALL}


def as_dtype(what: Any) -> DType:
    """The DType that a DType, NumPy dtype, scalar type or name like "float32" or "f32" means."""
    if isinstance(what, DType):
        return what
    if isinstance(what, str) and what in _BY_NAME:
        return _BY_NAME[what]
    try:
        return _BY_NUMPY[np.dtype(what)]
    except (TypeError, KeyError):
        known = ", ".join(d.name for d in ALL)
        raise DTypeError(f"{what!r} is not an element type of graphc\n  known: {known}") from None


def promote(*operands: DType | bool | int | float) -> DType:
    """The common dtype of dtypes and Python scalars, by NumPy's rules.

    A Python scalar is weak: it takes the others' dtype unless its kind is higher (NEP 50); alone, a
    bool gives bool, an int int64 and a float float32 is not assumed: it gives float64. bfloat16
    with float16 gives float32.
    """
    strong = [d for d in operands if isinstance(d, DType)]
    weak = [s for s in operands if not isinstance(s, DType)]
    if not strong:
        return as_dtype(np.result_type(*(np.asarray(s).dtype for s in weak)))
    result = strong[0]
    for other in strong[1:]:
        result = _promote_pair(result, other)
    for scalar in weak:
        result = _weak(result, scalar)
    return result


def _promote_pair(a: DType, b: DType) -> DType:
    if a is b:
        return a
    if bfloat16 not in (a, b):
        return as_dtype(np.promote_types(a.numpy, b.numpy))
    other = b if a is bfloat16 else a
    if other.kind == "b" or (other.is_integer and other.bits == 8):
        return bfloat16
    if other is float64 or (other.is_integer and other.bits >= 32):
        return float64
    return float32


def _weak(strong: DType, scalar: bool | int | float) -> DType:
    if isinstance(scalar, bool):
        return strong
    if isinstance(scalar, int):
        return int64 if strong.kind == "b" else strong
    return strong if strong.is_float else float64
