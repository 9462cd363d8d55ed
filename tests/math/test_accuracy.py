"""Every function's error stays within its bound, over the whole range of its arguments."""

import time

import mpmath
import numpy as np
import pytest

from graphc.backends.math import TABLED
from graphc.ir.dtypes import float32, float64
from tests.math.bounds import FLOAT32, FLOAT64, TABLED_FLOAT32
from tests.math.harness import BINARY, compiled, ulps32, ulps64
from tests.math.references import EXACT, IN_FLOAT64, arguments

UNARY = sorted(set(FLOAT32) - set(BINARY))


def worst_float32(name: str, start: int, stride: int, tables: bool = True) -> tuple[float, float]:
    """The greatest error over every stride-th float32, and where it is."""
    bits = np.arange(start, 1 << 32, stride, dtype=np.uint64).astype(np.uint32)
    x = bits.view(np.float32)
    with np.errstate(all="ignore"):
        y = compiled(name, float32, tables=tables)(x)
        errors = ulps32(y, IN_FLOAT64[name](x.astype(np.float64)))
    at = int(np.argmax(errors))
    return float(errors[at]), float(x[at])


@pytest.mark.parametrize("name", UNARY)
def test_float32_error_is_within_its_bound(name: str) -> None:
    error, at = worst_float32(name, start=11, stride=65521)
    assert error <= (FLOAT32 | TABLED_FLOAT32)[name], f"{name}({at!r}) is off by {error} ulp"


@pytest.mark.parametrize("name", sorted(set(TABLED) & set(FLOAT32)))
def test_float32_error_without_tables_is_within_its_bound(name: str) -> None:
    error, at = worst_float32(name, start=13, stride=65519, tables=False)
    assert error <= FLOAT32[name], f"{name}({at!r}) is off by {error} ulp"


@pytest.mark.parametrize(
    ("name", "usual"), [("exp", 0.3), ("sigmoid", 0.42), ("tanh", 0.292), ("summand_exp", 0.4)]
)
def test_float32_errors_of_usual_arguments_are_small(name: str, usual: float) -> None:
    """The root of their mean square, of arguments from -4 to 4 (to 0 of what is summed up)."""
    high = 0 if name == "summand_exp" else 4
    x = np.linspace(-4, high, 200_000).astype(np.float32)
    exact = IN_FLOAT64[name.removeprefix("summand_")](x.astype(np.float64))
    errors = ulps32(compiled(name, float32)(x), exact)
    assert np.sqrt(np.mean(errors**2)) <= usual


@pytest.mark.parametrize(
    ("name", "low", "high"), [("sigmoid", -105, -86), ("tanh", -9.5, -0.25), ("tanh", 0.25, 9.5)]
)
def test_float32_results_never_decrease(name: str, low: float, high: float) -> None:
    """From one float to the next; of sigmoid where results become denormal."""
    first, last = sorted(np.array([low, high], np.float32).view(np.uint32).tolist())
    x = np.sort(np.arange(first, last, dtype=np.uint32).view(np.float32))
    assert (np.diff(compiled(name, float32)(x)) >= 0).all()


@pytest.mark.fuzz
@pytest.mark.parametrize("name", UNARY)
def test_float32_error_is_within_its_bound_anywhere(name: str, fuzz_seconds: float) -> None:
    rng, end = np.random.default_rng(), time.monotonic() + fuzz_seconds
    while time.monotonic() < end:
        error, at = worst_float32(name, int(rng.integers(4099)), 4099)
        assert error <= (FLOAT32 | TABLED_FLOAT32)[name], f"{name}({at!r}) is off by {error} ulp"


@pytest.mark.parametrize("name", UNARY)
def test_float64_error_is_within_its_bound(name: str) -> None:
    x = arguments(name, 150, seed=5)
    y = compiled(name, float64)(x)
    with mpmath.workprec(2400 if name in ("sin", "cos", "tan") else 220):
        errors = [ulps64(b, EXACT[name](mpmath.mpf(a))) for a, b in zip(x, y, strict=True)]
    at = int(np.argmax(errors))
    assert errors[at] <= FLOAT64[name], f"{name}({x[at]!r}) is off by {errors[at]} ulp"


def pairs(name: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Two arguments of which the result is neither lost nor infinite, some of them near 1."""
    rng = np.random.default_rng(7)
    if name != "pow":
        size = 2 ** rng.uniform(-100, 100, count)
        return size * rng.normal(size=count), size * rng.normal(size=count)
    x = np.where(
        rng.random(count) < 0.5, 2 ** rng.uniform(-100, 100, count), rng.uniform(0.9, 1.1, count)
    )
    return x, rng.uniform(-120, 120, count) / np.log2(x.astype(np.float32))


@pytest.mark.parametrize("name", BINARY)
def test_float32_error_of_two_arguments_is_within_its_bound(name: str) -> None:
    x, y = (a.astype(np.float32) for a in pairs(name, 100_000))
    exact = IN_FLOAT64[name](x.astype(np.float64), y.astype(np.float64))
    errors = ulps32(compiled(name, float32)(x, y), exact)
    at = int(np.argmax(errors))
    assert errors[at] <= FLOAT32[name], f"{name}({x[at]!r}, {y[at]!r}) is off by {errors[at]} ulp"


@pytest.mark.parametrize("name", BINARY)
def test_float64_error_of_two_arguments_is_within_its_bound(name: str) -> None:
    x, y = pairs(name, 600)
    z = compiled(name, float64)(x, y)
    with mpmath.workprec(220):
        exact = [EXACT[name](mpmath.mpf(a), mpmath.mpf(b)) for a, b in zip(x, y, strict=True)]
    errors = [ulps64(c, e) for c, e in zip(z, exact, strict=True)]
    at = int(np.argmax(errors))
    assert errors[at] <= FLOAT64[name], f"{name}({x[at]!r}, {y[at]!r}) is off by {errors[at]} ulp"
