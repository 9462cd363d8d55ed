"""Sums, differences, products, quotients, magnitude and sign, the larger and smaller of two."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphc.ir.dtypes import FLOATS, NUMBERS, bool_, float64
from graphc.ir.node import Node, Tensor
from graphc.ops.comparison import greater_equal, less_equal
from graphc.ops.elementwise import Elementwise, elementwise, uniform
from graphc.ops.logic import invert
from graphc.ops.masking import masked

Emit = Callable[..., Any]
_one = uniform(-4, 4)
_two = uniform(-4, 4, 2)


def _or_bits(number: Emit, bits: Callable[[Any, Any], Any]) -> Emit:
    """One emitter for numbers, another for bools."""
    return lambda b, x, y: bits(x, y) if x.dtype is bool_ else number(b, x, y)


add = elementwise(
    "add",
    reference=np.add,
    emit=_or_bits(lambda b, x, y: x + y, lambda x, y: x | y),
    grad=lambda node, g: (g, g),
    sample=_two,
    commutative=True,
    doc="x + y; of bools, or",
)
subtract = elementwise(
    "subtract",
    reference=np.subtract,
    emit=lambda b, x, y: x - y,
    grad=lambda node, g: (g, -g),
    takes=NUMBERS,
    sample=_two,
    doc="x - y",
)
multiply = elementwise(
    "multiply",
    reference=np.multiply,
    emit=_or_bits(lambda b, x, y: x * y, lambda x, y: x & y),
    grad=lambda node, g: (g * node.inputs[1], g * node.inputs[0]),
    sample=_two,
    commutative=True,
    doc="x * y; of bools, and",
)
less_square = elementwise(
    "less_square",
    reference=lambda a, x: np.subtract(a, np.square(x.astype(np.longdouble))),
    emit=lambda b, a, x: b.fma(-x, x, a),
    grad=lambda node, g: (g, -2 * g * node.inputs[1]),
    takes=FLOATS,
    floating=True,
    sample=_two,
    flops=2,
    doc="a - x*x, rounded once: what slopes are of functions that saturate",
)
divide = elementwise(
    "divide",
    reference=np.divide,
    emit=lambda b, x, y: x / y,
    grad=lambda node, g: (g / node.inputs[1], -g * node.outputs[0] / node.inputs[1]),
    takes=FLOATS,
    floating=float64,
    sample=(*_one, *uniform(0.5, 4)),
    doc="x / y of floats; integers are converted to float64 first",
)
reciprocal = elementwise(
    "reciprocal",
    reference=lambda x: 1 / x,
    emit=lambda b, x: b.const(1, x.dtype) / x,
    grad=lambda node, g: (-g * node.outputs[0] * node.outputs[0],),
    takes=FLOATS,
    floating=float64,
    sample=uniform(0.5, 4),
    doc="1 / x of floats; integers are converted to float64 first",
)
negative = elementwise(
    "negative",
    reference=np.negative,
    emit=lambda b, x: -x,
    grad=lambda node, g: (-g,),
    takes=NUMBERS,
    sample=_one,
    doc="-x; unsigned integers wrap around",
)


def positive(x: Any) -> Tensor:
    """+x: x itself, as a tensor."""
    from graphc.ops.convert import as_tensor

    return as_tensor(x)


def _emit_absolute(b: Any, x: Any) -> Any:
    if x.dtype.is_float:
        return b.absolute(x)
    return b.select(x < 0, -x, x) if x.dtype.kind == "i" else x


def _emit_sign(b: Any, x: Any) -> Any:
    positive_or_zero = b.select(x > 0, b.const(1, x.dtype), 0)
    if x.dtype.kind == "u":
        return positive_or_zero
    result = b.select(x < 0, -1, positive_or_zero)
    return b.select(b.not_equal(x, x), x, result) if x.dtype.is_float else result


absolute = elementwise(
    "absolute",
    reference=np.absolute,
    emit=_emit_absolute,
    grad=lambda node, g: (g * sign(node.inputs[0]),),
    sample=_one,
    doc="|x|; the gradient at 0 is 0",
)
sign: Elementwise = elementwise(
    "sign",
    reference=np.sign,
    emit=_emit_sign,
    grad=lambda node, g: (None,),
    takes=NUMBERS,
    sample=_one,
    doc="-1, 0 or 1 as x is below, at or above 0; NaN stays",
)


def _to_winner(wins: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Any]:
    """The gradient of the operand that was taken; at a tie, the first."""

    def grad(node: Node, g: Tensor) -> Sequence[Tensor | None]:
        first = wins(*node.inputs)
        return masked(first, g), masked(invert(first), g)

    return grad


def _emit_skipping_nan(choose: str) -> Emit:
    def emit(b: Any, x: Any, y: Any) -> Any:
        best = getattr(b, choose)(x, y)
        if not x.dtype.is_float:
            return best
        return b.select(b.not_equal(x, x), y, b.select(b.not_equal(y, y), x, best))

    return emit


def _first_or_other_nan(compare: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    return lambda x, y: compare(x, y) | (y != y)


maximum = elementwise(
    "maximum",
    reference=np.maximum,
    emit=_or_bits(lambda b, x, y: b.maximum(x, y), lambda x, y: x | y),
    grad=_to_winner(greater_equal),
    sample=_two,
    doc="The larger of x and y, NaN if one is; of 0.0 and -0.0 either, as in NumPy; at a tie the "
    "gradient goes to x",
)
minimum = elementwise(
    "minimum",
    reference=np.minimum,
    emit=_or_bits(lambda b, x, y: b.minimum(x, y), lambda x, y: x & y),
    grad=_to_winner(less_equal),
    sample=_two,
    doc="The smaller of x and y, NaN if one is; of 0.0 and -0.0 either, as in NumPy; at a tie the "
    "gradient goes to x",
)
fmax = elementwise(
    "fmax",
    reference=np.fmax,
    emit=_emit_skipping_nan("maximum"),
    grad=_to_winner(_first_or_other_nan(greater_equal)),
    takes=NUMBERS,
    sample=_two,
    doc="The larger of x and y, the number if one is NaN; at a tie the gradient goes to x",
)
fmin = elementwise(
    "fmin",
    reference=np.fmin,
    emit=_emit_skipping_nan("minimum"),
    grad=_to_winner(_first_or_other_nan(less_equal)),
    takes=NUMBERS,
    sample=_two,
    doc="The smaller of x and y, the number if one is NaN; at a tie the gradient goes to x",
)
