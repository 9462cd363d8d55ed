"""The error function and its kin, and the derivatives of the gamma function's logarithm."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from graphc.ir.dtypes import FLOATS, DType, float64
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import Sample
from graphc.ops.convert import TensorLike, common
from graphc.ops.elementwise import Elementwise, uniform
from graphc.ops.exponential import exp, function
from graphc.ops.powers import square


def _scipy(name: str) -> Callable[..., Any]:
    """SciPy's function of that name, in float64; loaded when first asked for."""

    def reference(*xs: Any) -> Any:
        from scipy import special

        return getattr(special, name)(*(x.astype(np.float64) for x in xs))

    return reference


erf = function(
    "erf",
    _scipy("erf"),
    lambda node, g: (g * exp(-square(node.inputs[0])) * (2 / math.sqrt(math.pi)),),
    uniform(-3, 3),
    "The error function: 2/sqrt(π) times the integral of exp(-t²) from 0 to x",
)
erfc = function(
    "erfc",
    _scipy("erfc"),
    lambda node, g: (g * exp(-square(node.inputs[0])) * (-2 / math.sqrt(math.pi)),),
    uniform(-3, 3),
    "1 - erf(x), exact for large x too",
)
erfinv = function(
    "erfinv",
    lambda x: np.where(x == 0, x, _scipy("erfinv")(x)),  # which loses the sign of -0.0
    lambda node, g: (g * exp(square(node.outputs[0])) * (math.sqrt(math.pi) / 2),),
    uniform(-0.9, 0.9),
    "The number whose error function is x; ±inf at ±1, NaN beyond",
    flops=40,
)
lgamma = function(
    "lgamma",
    lambda x: np.where(x == -np.inf, np.inf, _scipy("gammaln")(x)),  # which gives -inf there
    lambda node, g: (g * digamma(node.inputs[0]),),
    uniform(0.3, 9),
    "The logarithm of the absolute value of the gamma function",
    flops=60,
)
digamma: Elementwise = function(
    "digamma",
    _scipy("digamma"),
    lambda node, g: (g * polygamma(1, node.inputs[0]),),
    uniform(0.3, 9),
    "The derivative of lgamma",
    flops=60,
)

# B(2j) / (2j)! for j = 1, 2, ...: the coefficients of the Euler-Maclaurin formula.
_BERNOULLI = tuple(
    b / math.factorial(2 * j)
    for j, b in enumerate((1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6), start=1)
)
_TERMS = 12  # summed one by one before the formula takes over


def _power(x: Any, exponent: int) -> Any:
    result = x
    for _ in range(exponent - 1):
        result = result * x
    return result


def _zeta(b: Any, s: int, x: Any) -> Any:
    """Hurwitz's zeta, the sum of (x + k)^-s over k >= 0, for x >= 0.5, by Euler-Maclaurin."""
    one = b.const(1, x.dtype)
    total = one / _power(x, s)
    for k in range(1, _TERMS):
        total = total + one / _power(x + k, s)
    inverse = one / (x + _TERMS)
    tail = _power(inverse, s)
    total = total + tail * (x + _TERMS) / (s - 1) + tail * 0.5
    factor = float(s)
    for j, c in enumerate(_BERNOULLI, start=1):
        tail = tail * inverse
        total = total + tail * (c * factor)
        tail = tail * inverse
        factor *= (s + 2 * j - 1) * (s + 2 * j)
    return total


def _cotangent_derivative(order: int) -> list[float]:
    """Coefficients of the polynomial P with d^n/dx^n cot(x) = P(cot(x)), lowest first."""
    polynomial = np.polynomial.Polynomial([0.0, 1.0])
    for _ in range(order):
        polynomial = polynomial.deriv() * np.polynomial.Polynomial([-1.0, 0.0, -1.0])
    return [float(c) for c in polynomial.coef]


def _emit_polygamma(b: Any, x: Any, order: int) -> Any:
    """From zeta where x >= 0.5, by reflection about 0.5 elsewhere; all in float64."""
    dtype, x = x.dtype, b.cast(x, float64)
    left = x < 0.5
    sign = -1.0 if order % 2 == 0 else 1.0
    right = _zeta(b, order + 1, b.select(left, 1 - x, x)) * (sign * math.factorial(order))
    angle = (x - b.rint(x)) * math.pi
    cot = b.math("cos", angle) / b.math("sin", angle)
    coefficients = _cotangent_derivative(order)
    value = b.const(coefficients[-1], float64)
    for c in reversed(coefficients[:-1]):
        value = value * cot + c
    reflected = right * (-sign) - value * math.pi ** (order + 1)
    return b.cast(b.select(left, reflected, right), dtype)


def _polygamma_grad(node: Node, g: Tensor) -> Sequence[Tensor | None]:
    return (g * polygamma(node.attrs["order"] + 1, node.inputs[0]),)


class Polygamma(Elementwise):
    """The derivative of digamma of the attribute `order`, from 1."""

    def samples(self) -> Sequence[Sample]:
        return tuple(
            Sample(partial(_draw, d), {"order": order}, note=f"{order} {d}")
            for d in self.takes
            for order in (1, 2)
        )


def _draw(dtype: DType, rng: Any) -> tuple[np.ndarray, ...]:
    return (uniform(0.3, 9)[0](rng, dtype, (3, 5)),)


_POLYGAMMA = Polygamma(
    "polygamma",
    reference=lambda x, order: _scipy_polygamma(order, x),
    emit=_emit_polygamma,
    grad=_polygamma_grad,
    takes=FLOATS,
    floating=True,
    flops=100,
)


def _scipy_polygamma(order: int, x: Any) -> Any:
    from scipy import special

    return special.polygamma(order, x.astype(np.float64))


def polygamma(order: int, x: TensorLike) -> Tensor:
    """The derivative of digamma of that order; order 0 is digamma itself."""
    if order == 0:
        return digamma(x)
    return apply(_POLYGAMMA, *common("polygamma", (x,), floating=True), order=order).outputs[0]
