"""The math library: transcendental functions as expressions of primitives.

`expand` replaces one `math` expression. Everything is straight-line code on vectors of any width:
selects instead of branches, integer moves on the exponent, fused multiply-adds, so that every
target gives the same bits. docs/math_accuracy.md has the measured errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType

from graphc.backends.loops.expr import Expr
from graphc.backends.math.floats import format_of
from graphc.ir.dtypes import float32

FUNCTIONS: Mapping[str, str] = MappingProxyType(
    {
        "exp": "exponential",
        "exp2": "exponential",
        "expm1": "exponential",
        "summand_exp": "exponential",
        "log": "logarithm",
        "log2": "logarithm",
        "log10": "logarithm",
        "log1p": "logarithm",
        "sigmoid": "logistic",
        "softplus": "logistic",
        "log_sigmoid": "logistic",
        "pow": "power",
        "cbrt": "root",
        "rsqrt": "root",
        "hypot": "root",
        "sin": "trigonometric",
        "cos": "trigonometric",
        "tan": "trigonometric",
        "asin": "inverse_trigonometric",
        "acos": "inverse_trigonometric",
        "atan": "inverse_trigonometric",
        "atan2": "inverse_trigonometric",
        "sinh": "hyperbolic",
        "cosh": "hyperbolic",
        "asinh": "hyperbolic",
        "acosh": "hyperbolic",
        "atanh": "hyperbolic",
        "erf": "error_function",
        "erfc": "error_function",
        "erfinv": "inverse_error_function",
        "lgamma": "gamma",
        "digamma": "gamma",
        "tanh": "hyperbolic",
    }
)
"""Every function, with the module that has it under its name: few programs need more than one."""
TABLED = ("exp", "sigmoid", "summand_exp", "tanh")
"""Functions of float32 that are cheaper where tables can be looked up."""


def expand(call: Expr, tables: bool = False) -> Expr:
    """The primitives that compute a `math` expression of float32 or float64 operands: with
    `tables`, `lookup` and `scale` are among them.
    """
    assert call.op == "math", f"{call.op} is not a function of the math library"
    assert call.attr in FUNCTIONS, f"the math library has no {call.attr}"
    format_of(call)
    looks_up = tables and call.dtype is float32 and call.attr in TABLED
    home = "tabled" if looks_up else FUNCTIONS[call.attr]
    function = getattr(import_module(f"{__name__}.{home}"), call.attr)
    expanded: Expr = function(*call.args)
    return expanded
