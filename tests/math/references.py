"""What the math functions are held against: NumPy and SciPy in float64, mpmath beyond."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import mpmath
import numpy as np
import scipy.special as special


def _sigmoid(x: Any) -> Any:
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, np.where(np.isnan(x), x, 1.0)) / (1 + e)


def _softplus(x: Any) -> Any:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def _lgamma(x: Any) -> Any:
    return np.where(x == -np.inf, np.inf, special.gammaln(x))


IN_FLOAT64: Mapping[str, Callable[..., Any]] = {
    "exp": np.exp,
    "exp2": np.exp2,
    "expm1": np.expm1,
    "log": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "log1p": np.log1p,
    "pow": np.power,
    "sigmoid": _sigmoid,
    "softplus": _softplus,
    "log_sigmoid": lambda x: -_softplus(-x),
    "cbrt": np.cbrt,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "hypot": np.hypot,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "atan2": np.arctan2,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "erf": special.erf,
    "erfc": special.erfc,
    "erfinv": lambda x: np.copysign(special.erfinv(x), x),
    "lgamma": _lgamma,
    "digamma": special.digamma,
}


def _exact_softplus(x: Any) -> Any:
    return x if x > 10_000 else mpmath.log1p(mpmath.exp(x))


def _exact_cbrt(x: Any) -> Any:
    return mpmath.sign(x) * mpmath.cbrt(abs(x))


def _exact_erfinv(x: Any) -> Any:
    """Newton's method from SciPy's value, on the side where the argument is not rounded away."""
    size, root = abs(x), mpmath.sqrt(mpmath.pi) / 2
    near = size < 0.5
    start = special.erfinv(float(size)) if near else special.erfcinv(float(1 - size))
    y = mpmath.mpf(float(start))
    for _ in range(4):
        error = size - mpmath.erf(y) if near else mpmath.erfc(y) - (1 - size)
        step = error * root * mpmath.exp(y * y)
        y += step / (1 - y * step)
    return mpmath.sign(x) * y


def _real(f: Callable[..., Any]) -> Callable[..., Any]:
    """The function with NaN where its value is not real."""

    def real(*x: Any) -> Any:
        value = f(*x)
        return mpmath.nan if isinstance(value, mpmath.mpc) and value.imag else mpmath.re(value)

    return real


EXACT: Mapping[str, Callable[..., Any]] = {
    "exp": mpmath.exp,
    "exp2": lambda x: mpmath.power(2, x),
    "expm1": mpmath.expm1,
    "log": _real(mpmath.log),
    "log2": _real(lambda x: mpmath.log(x) / mpmath.log(2)),
    "log10": _real(lambda x: mpmath.log(x) / mpmath.log(10)),
    "log1p": _real(mpmath.log1p),
    "pow": _real(mpmath.power),
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "softplus": _exact_softplus,
    "log_sigmoid": lambda x: -_exact_softplus(-x),
    "cbrt": _exact_cbrt,
    "rsqrt": _real(lambda x: 1 / mpmath.sqrt(x)),
    "hypot": mpmath.hypot,
    "sin": mpmath.sin,
    "cos": mpmath.cos,
    "tan": mpmath.tan,
    "asin": _real(mpmath.asin),
    "acos": _real(mpmath.acos),
    "atan": mpmath.atan,
    "atan2": mpmath.atan2,
    "sinh": mpmath.sinh,
    "cosh": mpmath.cosh,
    "tanh": mpmath.tanh,
    "asinh": mpmath.asinh,
    "acosh": _real(mpmath.acosh),
    "atanh": _real(mpmath.atanh),
    "erf": mpmath.erf,
    "erfc": mpmath.erfc,
    "erfinv": _exact_erfinv,
    "lgamma": mpmath.loggamma,
    "digamma": mpmath.digamma,
}

# where float64 arguments are drawn from: by a uniform and, above 0, by a log-uniform law
RANGES: Mapping[str, tuple[tuple[float, float], ...]] = {
    "exp": ((-745, 709.7), (-1, 1)),
    "exp2": ((-1074, 1023.9), (-1, 1)),
    "expm1": ((-40, 709.7), (-1, 1), (1e-300, 1)),
    "log": ((0.5, 2), (5e-324, 1.7e308)),
    "log2": ((0.5, 2), (5e-324, 1.7e308)),
    "log10": ((0.5, 2), (5e-324, 1.7e308)),
    "log1p": ((-1, 1), (1e-300, 1.7e308)),
    "sigmoid": ((-745, 40), (-2, 2)),
    "softplus": ((-745, 40), (-2, 2)),
    "log_sigmoid": ((-40, 745), (-2, 2)),
    "cbrt": ((-8, 8), (5e-324, 1.7e308)),
    "rsqrt": ((0.25, 4), (5e-324, 1.7e308)),
    "sin": ((-4, 4), (1e-300, 1e9), (1e9, 1.7e308)),
    "cos": ((-4, 4), (1e-300, 1e9), (1e9, 1.7e308)),
    "tan": ((-4, 4), (1e-300, 1e9), (1e9, 1.7e308)),
    "asin": ((-1, 1), (1e-300, 1)),
    "acos": ((-1, 1), (1e-300, 1)),
    "atan": ((-4, 4), (1e-300, 1.7e308)),
    "sinh": ((-2, 2), (1e-300, 710)),
    "cosh": ((-2, 2), (1e-300, 710)),
    "tanh": ((-20, 20), (-1, 1), (1e-300, 1)),
    "asinh": ((-4, 4), (1e-300, 1.7e308)),
    "acosh": ((1, 2), (1, 1.7e308)),
    "atanh": ((-1, 1), (1e-300, 1)),
    "erf": ((-6, 6), (-1, 1), (1e-300, 1)),
    "erfc": ((-6, 26.5), (-1, 1)),
    "erfinv": ((-1, 1), (1e-300, 1)),
    "lgamma": ((1e-300, 12), (0.5, 12), (1, 1e300)),
    "digamma": ((1e-300, 12), (0.5, 12), (1, 1e300)),
}


def arguments(name: str, count: int, seed: int) -> Any:
    """`count` float64 arguments for each law of each of the function's ranges."""
    rng = np.random.default_rng(seed)
    drawn = []
    for low, high in RANGES[name]:
        drawn.append(rng.uniform(low, high, count))
        if low > 0:
            drawn.append(2 ** rng.uniform(np.log2(low), np.log2(high), count))
    return np.concatenate(drawn)
