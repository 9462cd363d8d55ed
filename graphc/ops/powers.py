"""Powers and roots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.dtypes import ALL, FLOATS, NUMBERS, bool_
from graphc.ir.errors import DTypeError
from graphc.ir.node import Node, Tensor
from graphc.ops.arithmetic import reciprocal
from graphc.ops.convert import TensorLike, as_tensor, is_weak
from graphc.ops.elementwise import Elementwise, elementwise, uniform
from graphc.ops.exponential import log
from graphc.ops.select import where

square = elementwise(
    "square",
    reference=np.square,
    emit=lambda b, x: x & x if x.dtype is bool_ else x * x,
    grad=lambda node, g: (2 * g * node.inputs[0],),
    takes=ALL,
    sample=uniform(-4, 4),
    doc="x * x",
)
sqrt = elementwise(
    "sqrt",
    reference=np.sqrt,
    emit=lambda b, x: b.sqrt(x),
    grad=lambda node, g: (0.5 * g / node.outputs[0],),
    takes=FLOATS,
    floating=True,
    sample=uniform(0.2, 4),
    flops=4,
    doc="The square root, correctly rounded; NaN below 0; the gradient at 0 is infinite",
)
rsqrt = elementwise(
    "rsqrt",
    reference=lambda x: 1 / np.sqrt(x),
    emit=lambda b, x: b.math("rsqrt", x),
    grad=lambda node, g: (-0.5 * g * node.outputs[0] / node.inputs[0],),
    takes=FLOATS,
    floating=True,
    sample=uniform(0.2, 4),
    flops=8,
    doc="1 / sqrt(x)",
)
cbrt = elementwise(
    "cbrt",
    reference=np.cbrt,
    emit=lambda b, x: b.math("cbrt", x),
    grad=lambda node, g: (g / (3 * square(node.outputs[0])),),
    takes=FLOATS,
    floating=True,
    sample=uniform(0.2, 4),
    flops=20,
    doc="The real cube root; the gradient at 0 is infinite",
)


def _hypot_grad(node: Node, g: Tensor) -> Sequence[Tensor | None]:
    x, y = node.inputs
    length = where(node.outputs[0] == 0, 1, node.outputs[0])
    return g * (x / length), g * (y / length)


hypot = elementwise(
    "hypot",
    reference=np.hypot,
    emit=lambda b, x, y: b.math("hypot", x, y),
    grad=_hypot_grad,
    takes=FLOATS,
    floating=True,
    sample=uniform(-4, 4, 2),
    flops=10,
    doc="sqrt(x*x + y*y) without overflow on the way; the gradient at the origin is 0",
)


def _emit_power(b: Any, x: Any, y: Any) -> Any:
    return b.math("pow", x, y) if x.dtype.is_float else _integer_power(b, x, y)


def _integer_power(b: Any, x: Any, y: Any) -> Any:
    """By squaring, once for each bit that an exponent can have."""
    result, factor = b.const(1, x.dtype), x
    for bit in range(y.dtype.bits - (y.dtype.kind == "i")):
        taken = b.not_equal((y >> bit) & 1, 0)
        result = b.select(taken, result * factor, result)
        factor = factor * factor
    if y.dtype.kind == "u":
        return result
    ones = b.select(b.equal(y & 1, 0), b.const(1, x.dtype), x)  # 1 or -1 to any power
    inverse = b.select(b.equal(x, 1) | b.equal(x, -1), ones, 0)
    return b.select(y < 0, inverse, result)


def _reference_power(x: Any, y: Any) -> Any:
    if x.dtype.kind == "f":
        return np.power(x, y)
    inverse = (
        np.where(x == 1, 1, np.where(x == -1, 1 - 2 * (y & 1), 0)) if x.dtype.kind == "i" else 0
    )
    return np.where(y < 0, inverse, np.power(x, np.maximum(y, 0)))


def _power_grad(node: Node, g: Tensor) -> Sequence[Tensor | None]:
    """y x^(y-1), which is 0 where y is; and z log x, which is 0 where x is."""
    x, y = node.inputs
    to_x = g * where(y == 0, 0, y * _POWER(x, where(y == 0, 1, y - 1)))
    to_y = g * where(x == 0, 0, node.outputs[0] * log(where(x == 0, 1, x)))
    return to_x, to_y


_POWER: Elementwise = elementwise(
    "power",
    reference=_reference_power,
    emit=_emit_power,
    grad=_power_grad,
    takes=NUMBERS,
    sample=(*uniform(0.2, 3), *uniform(0, 4)),
    flops=40,
    doc="x to the power y; of integers, a negative y gives the inverse truncated: 0 but for x = ±1",
)


def power(x: TensorLike, y: TensorLike) -> Tensor:
    """x ** y. A Python number as exponent becomes products or a root where that rounds as well.

    Integers to a negative Python number raise DTypeError, as in NumPy.
    """
    if not is_weak(y) or is_weak(x):
        return _POWER(x, y)
    base = as_tensor(x)
    if base.dtype.is_float:
        return _float_power(base, float(y))  # type: ignore[arg-type]  # a number: it is weak
    if not isinstance(y, int) or base.dtype is bool_:
        return _POWER(base, y)
    if y < 0:
        raise DTypeError(
            f"integers cannot be raised to the negative power {y}: make them floats\n"
            f"  a: {base.describe()}"
        )
    return _whole_power(base, int(y))


def _float_power(x: Tensor, exponent: float) -> Tensor:
    if exponent == 0.5:
        return sqrt(x)
    if exponent == -1:
        return reciprocal(x)
    if exponent in (0, 1, 2, 3):
        return _whole_power(x, int(exponent))
    return _POWER(x, exponent)


def _whole_power(x: Tensor, exponent: int) -> Tensor:
    """Products of x by squaring; x ** 0 is 1 whatever x is."""
    if exponent == 0:
        from graphc.ops.layout import broadcast_to
        from graphc.ops.source import constant

        return broadcast_to(constant(1, x.dtype), x.shape)
    result: Tensor | None = None
    while exponent:
        if exponent & 1:
            result = x if result is None else result * x
        exponent >>= 1
        x = square(x) if exponent else x
    assert result is not None
    return result
