"""The math library: transcendental functions as expressions of primitives.

`expand` replaces one `math` expression. Everything is straight-line code on vectors of any width:
selects instead of branches, integer moves on the exponent, fused multiply-adds, so that every
target gives the same bits. docs/math_accuracy.md has the measured errors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from graphc.backends.loops.expr import Expr
from graphc.backends.math import (
    error_function,
    exponential,
    gamma,
    hyperbolic,
    inverse_error_function,
    inverse_trigonometric,
    logarithm,
    logistic,
    power,
    root,
    tabled,
    trigonometric,
)
from graphc.backends.math.floats import format_of
from graphc.ir.dtypes import float32

FUNCTIONS: Mapping[str, Callable[..., Expr]] = MappingProxyType(
    {
        "exp": exponential.exp,
        "exp2": exponential.exp2,
        "expm1": exponential.expm1,
        "log": logarithm.log,
        "log2": logarithm.log2,
        "log10": logarithm.log10,
        "log1p": logarithm.log1p,
        "sigmoid": logistic.sigmoid,
        "softplus": logistic.softplus,
        "log_sigmoid": logistic.log_sigmoid,
        "pow": power.pow,
        "cbrt": root.cbrt,
        "rsqrt": root.rsqrt,
        "hypot": root.hypot,
        "sin": trigonometric.sin,
        "cos": trigonometric.cos,
        "tan": trigonometric.tan,
        "asin": inverse_trigonometric.asin,
        "acos": inverse_trigonometric.acos,
        "atan": inverse_trigonometric.atan,
        "atan2": inverse_trigonometric.atan2,
        "sinh": hyperbolic.sinh,
        "cosh": hyperbolic.cosh,
        "asinh": hyperbolic.asinh,
        "acosh": hyperbolic.acosh,
        "atanh": hyperbolic.atanh,
        "erf": error_function.erf,
        "erfc": error_function.erfc,
        "erfinv": inverse_error_function.erfinv,
        "lgamma": gamma.lgamma,
        "digamma": gamma.digamma,
        "tanh": hyperbolic.tanh,
    }
)


TABLED: Mapping[str, Callable[..., Expr]] = MappingProxyType(
    {"exp": tabled.exp, "sigmoid": tabled.sigmoid, "tanh": tabled.tanh}
)
"""Functions of float32 that are cheaper where tables can be looked up."""


def expand(call: Expr, tables: bool = False) -> Expr:
    """The primitives that compute a `math` expression of float32 or float64 operands: with
    `tables`, `lookup` and `scale` are among them.
    """
    assert call.op == "math", f"{call.op} is not a function of the math library"
    assert call.attr in FUNCTIONS, f"the math library has no {call.attr}"
    format_of(call)
    if tables and call.dtype is float32 and call.attr in TABLED:
        return TABLED[call.attr](*call.args)
    return FUNCTIONS[call.attr](*call.args)
