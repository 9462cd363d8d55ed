"""Circular and hyperbolic functions and their inverses; angles are in radians."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.node import Node, Tensor
from graphc.ops.arithmetic import less_square
from graphc.ops.elementwise import Elementwise, uniform
from graphc.ops.exponential import function
from graphc.ops.powers import rsqrt, square
from graphc.ops.select import where

sin = function(
    "sin",
    np.sin,
    lambda node, g: (g * cos(node.inputs[0]),),
    uniform(-7, 7),
    "The sine",
)
cos: Elementwise = function(
    "cos",
    np.cos,
    lambda node, g: (-g * sin(node.inputs[0]),),
    uniform(-7, 7),
    "The cosine",
)
tan = function(
    "tan",
    np.tan,
    lambda node, g: (g * (1 + square(node.outputs[0])),),
    uniform(-1.2, 1.2),
    "The tangent",
    flops=30,
)
arcsin = function(
    "arcsin",
    np.arcsin,
    lambda node, g: (g * rsqrt(less_square(1, node.inputs[0])),),
    uniform(-0.8, 0.8),
    "The angle in [-π/2, π/2] whose sine is x; NaN outside [-1, 1]",
    calls="asin",
)
arccos = function(
    "arccos",
    np.arccos,
    lambda node, g: (-g * rsqrt(less_square(1, node.inputs[0])),),
    uniform(-0.8, 0.8),
    "The angle in [0, π] whose cosine is x; NaN outside [-1, 1]",
    calls="acos",
)
arctan = function(
    "arctan",
    np.arctan,
    lambda node, g: (g / (1 + square(node.inputs[0])),),
    uniform(-4, 4),
    "The angle in [-π/2, π/2] whose tangent is x",
    calls="atan",
)


def _arctan2_grad(node: Node, g: Tensor) -> Sequence[Tensor | None]:
    y, x = node.inputs
    length2 = square(x) + square(y)
    scaled = g / where(length2 == 0, 1, length2)
    return scaled * x, -scaled * y


arctan2 = function(
    "arctan2",
    np.arctan2,
    _arctan2_grad,
    uniform(-4, 4, 2),
    "The angle of the point with height y and width x: arctan2(y, x); its gradient at 0 is 0",
    calls="atan2",
    flops=30,
)
sinh = function(
    "sinh",
    np.sinh,
    lambda node, g: (g * cosh(node.inputs[0]),),
    uniform(-3, 3),
    "The hyperbolic sine",
)
cosh: Elementwise = function(
    "cosh",
    np.cosh,
    lambda node, g: (g * sinh(node.inputs[0]),),
    uniform(-3, 3),
    "The hyperbolic cosine",
)
tanh = function(
    "tanh",
    np.tanh,
    lambda node, g: (g * less_square(1, node.outputs[0]),),
    uniform(-3, 3),
    "The hyperbolic tangent",
)
arcsinh = function(
    "arcsinh",
    np.arcsinh,
    lambda node, g: (g * rsqrt(square(node.inputs[0]) + 1),),
    uniform(-4, 4),
    "The number whose hyperbolic sine is x",
    calls="asinh",
)
arccosh = function(
    "arccosh",
    np.arccosh,
    lambda node, g: (g * rsqrt((node.inputs[0] - 1) * (node.inputs[0] + 1)),),
    uniform(1.5, 5),
    "The positive number whose hyperbolic cosine is x; NaN below 1",
    calls="acosh",
)
arctanh = function(
    "arctanh",
    np.arctanh,
    lambda node, g: (g / less_square(1, node.inputs[0]),),
    uniform(-0.8, 0.8),
    "The number whose hyperbolic tangent is x; NaN outside [-1, 1]",
    calls="atanh",
)


def deg2rad(x: Any) -> Tensor:
    """Degrees as radians."""
    from graphc.ops.arithmetic import multiply

    return multiply(x, math.pi / 180)


def rad2deg(x: Any) -> Tensor:
    """Radians as degrees."""
    from graphc.ops.arithmetic import multiply

    return multiply(x, 180 / math.pi)
