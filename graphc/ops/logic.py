"""Bits of integers and truth values: and, or, exclusive or, not, shifts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.ir.dtypes import INTEGERS, bool_
from graphc.ir.node import Tensor
from graphc.ops.cast import astype
from graphc.ops.convert import TensorLike
from graphc.ops.elementwise import elementwise, uniform

BITS = (bool_, *INTEGERS)
_two = uniform(-100, 100, 2)

bitwise_and = elementwise(
    "bitwise_and",
    reference=np.bitwise_and,
    emit=lambda b, x, y: x & y,
    takes=BITS,
    sample=_two,
    commutative=True,
    doc="x & y",
)
bitwise_or = elementwise(
    "bitwise_or",
    reference=np.bitwise_or,
    emit=lambda b, x, y: x | y,
    takes=BITS,
    sample=_two,
    commutative=True,
    doc="x | y",
)
bitwise_xor = elementwise(
    "bitwise_xor",
    reference=np.bitwise_xor,
    emit=lambda b, x, y: x ^ y,
    takes=BITS,
    sample=_two,
    commutative=True,
    doc="x ^ y",
)
invert = elementwise(
    "invert",
    reference=np.invert,
    emit=lambda b, x: ~x,
    takes=BITS,
    sample=uniform(-100, 100),
    doc="~x: every bit flipped; of a bool, not",
)


def _is_too_far(x: Any, count: Any) -> Any:
    """Whether a shift by `count` moves every bit out; a negative count does, as in NumPy."""
    far = count >= x.dtype.bits
    return far | (count < 0) if x.dtype.kind == "i" else far


def _emit_left(b: Any, x: Any, count: Any) -> Any:
    far = _is_too_far(x, count)
    return b.select(far, 0, x << b.select(far, 0, count))


def _emit_right(b: Any, x: Any, count: Any) -> Any:
    last = x.dtype.bits - 1
    if x.dtype.kind == "i":  # the sign fills in, so the longest shift is by all bits but one
        return x >> b.select(_is_too_far(x, count), last, count)
    far = _is_too_far(x, count)
    return b.select(far, 0, x >> b.select(far, 0, count))


left_shift = elementwise(
    "left_shift",
    reference=np.left_shift,
    emit=_emit_left,
    takes=INTEGERS,
    sample=(*uniform(-100, 100), *uniform(0, 70)),
    doc="x << y; 0 when y is negative or not below the number of bits",
)
right_shift = elementwise(
    "right_shift",
    reference=np.right_shift,
    emit=_emit_right,
    takes=INTEGERS,
    sample=(*uniform(-100, 100), *uniform(0, 70)),
    doc="x >> y, the sign filling in; 0 or -1 when y is negative or not below the number of bits",
)


def _of_truths(function: Callable[..., Tensor], name: str, doc: str) -> Callable[..., Tensor]:
    def logical(*operands: TensorLike) -> Tensor:
        return function(*(astype(x, bool_) for x in operands))

    logical.__name__, logical.__doc__ = name, doc
    logical.__wrapped__ = function  # type: ignore[attr-defined]  # whose operands it takes
    return logical


logical_and = _of_truths(bitwise_and, "logical_and", "Whether x and y are both true (not zero)")
logical_or = _of_truths(bitwise_or, "logical_or", "Whether x or y is true (not zero)")
logical_xor = _of_truths(bitwise_xor, "logical_xor", "Whether one of x and y is true (not zero)")
logical_not = _of_truths(invert, "logical_not", "Whether x is false (zero)")
