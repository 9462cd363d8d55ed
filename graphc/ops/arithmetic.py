"""Sums, differences, products, quotients, and the larger and smaller of two."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.ir.dtypes import FLOATS, NUMBERS, bool_
from graphc.ops.elementwise import elementwise, uniform

_any = uniform(-4, 4)
_two = uniform(-4, 4, 2)


def _or_bits(number: Callable[..., Any], bits: Callable[..., Any]) -> Callable[..., Any]:
    """One emitter for numbers, another for bools."""
    return lambda b, x, y: bits(x, y) if x.dtype is bool_ else number(b, x, y)


add = elementwise(
    "add",
    reference=np.add,
    emit=_or_bits(lambda b, x, y: x + y, lambda x, y: x | y),
    grad=lambda node, g: (g, g),
    sample=_two,
    doc="x + y; for bools, or",
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
    doc="x * y; for bools, and",
)
divide = elementwise(
    "divide",
    reference=np.divide,
    emit=lambda b, x, y: x / y,
    grad=lambda node, g: (g / node.inputs[1], -g * node.outputs[0] / node.inputs[1]),
    takes=FLOATS,
    floating=True,
    sample=(*_any, *uniform(0.5, 4)),
    doc="x / y, of floats; integers are converted first",
)
negative = elementwise(
    "negative",
    reference=np.negative,
    emit=lambda b, x: -x,
    grad=lambda node, g: (-g,),
    takes=NUMBERS,
    sample=_any,
    doc="-x; unsigned integers wrap around",
)
