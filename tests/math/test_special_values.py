"""NaN, infinities, zeros and their signs, denormals, and results that must be exact."""

from typing import Any

import mpmath
import numpy as np
import pytest
from scipy import optimize

from graphc.ir.dtypes import DType, float16, float32, float64
from tests.math.bounds import FLOAT32
from tests.math.harness import BINARY, compiled, expansion, ulps32
from tests.math.references import EXACT, IN_FLOAT64

UNARY = sorted(set(FLOAT32) - set(BINARY))
INF, NAN = float("inf"), float("nan")
DTYPES = pytest.mark.parametrize("dtype", [float32, float64], ids=str)


def specials(dtype: DType) -> Any:
    info = np.finfo(dtype.numpy)
    sizes = [0.0, info.smallest_subnormal, info.tiny, 0.5, 1, 1.5, 2, 3, 4, 2.0**24, info.max, INF]
    return np.array([s * v for v in sizes for s in (1, -1)] + [NAN], dtype.numpy)


def same_kind(result: Any, expected: Any) -> Any:
    """Both NaN, or the same sign and both zero, both infinite or both neither."""
    nan = np.isnan(result) & np.isnan(expected)
    kinds = (np.signbit, np.isinf, lambda v: v == 0)
    return nan | (~np.isnan(result) & np.all([k(result) == k(expected) for k in kinds], axis=0))


@DTYPES
@pytest.mark.parametrize("name", UNARY)
def test_special_arguments_give_what_numpy_gives(name: str, dtype: DType) -> None:
    x = specials(dtype)
    if name in ("lgamma", "digamma"):
        size = np.abs(x)  # SciPy gives up below; their poles are tested below
        x = x[(size < 2.0**20) & ((size == 0) | (size >= np.finfo(dtype.numpy).tiny))]
    result = compiled(name, dtype)(x)
    with np.errstate(all="ignore"):
        expected = IN_FLOAT64[name](x.astype(np.float64)).astype(dtype.numpy)
    wrong = ~same_kind(result, expected)
    assert not wrong.any(), list(zip(x[wrong], result[wrong], expected[wrong], strict=True))


@DTYPES
@pytest.mark.parametrize("name", BINARY)
def test_special_pairs_give_what_numpy_gives(name: str, dtype: DType) -> None:
    x, y = (a.ravel().copy() for a in np.meshgrid(specials(dtype), specials(dtype)))
    result = compiled(name, dtype)(x, y)
    with np.errstate(all="ignore"):
        expected = IN_FLOAT64[name](x.astype(np.float64), y.astype(np.float64)).astype(dtype.numpy)
    wrong = ~same_kind(result, expected)
    assert not wrong.any(), list(
        zip(x[wrong], y[wrong], result[wrong], expected[wrong], strict=True)
    )


@DTYPES
def test_lgamma_is_infinite_at_its_poles_and_infinities(dtype: DType) -> None:
    x = np.array([0.0, -0.0, -1, -2, -1e30, -INF, INF], dtype.numpy)
    assert (compiled("lgamma", dtype)(x) == INF).all()


@DTYPES
def test_digamma_has_no_value_at_its_poles(dtype: DType) -> None:
    x = np.array([-1.0, -2, -1e30, -INF], dtype.numpy)
    assert np.isnan(compiled("digamma", dtype)(x)).all()


@DTYPES
@pytest.mark.parametrize("name", ["lgamma", "digamma"])
def test_error_below_zero_is_a_few_ulps_of_the_terms(name: str, dtype: DType) -> None:
    x = below_zero(dtype)
    for a, b in zip(x, compiled(name, dtype)(x), strict=True):
        exact, mirrored = (mpmath.re(EXACT[name](mpmath.mpf(v))) for v in (float(a), -float(a)))
        error = abs(mpmath.mpf(float(b)) - exact) / max(abs(exact), abs(mirrored), 1)
        assert error < 6 * np.finfo(dtype.numpy).eps, f"{name}({a!r})"


def below_zero(dtype: DType) -> Any:
    """Negative numbers that are no integers, many of them beside one."""
    rng = np.random.default_rng(3)
    poles, gaps = rng.integers(1, 30, 300), 2 ** rng.uniform(-50, -8, 300)
    beside = poles * (1 + gaps * rng.choice([-1, 1], 300))
    x = -np.concatenate([rng.uniform(0, 15, 300), rng.uniform(15, 1e5, 100), beside])
    x = x.astype(dtype.numpy)
    return x[x != np.rint(x)]


@pytest.mark.parametrize("name", ["lgamma", "digamma"])
def test_float32_is_right_beside_the_crossings_below_zero(name: str) -> None:
    x = beside_crossings(name, count=12)
    with mpmath.workprec(220):
        exact = [float(mpmath.re(EXACT[name](mpmath.mpf(float(a))))) for a in x]
    error = ulps32(compiled(name, float32)(x), np.array(exact))
    assert error.max() <= FLOAT32[name], f"{name}({x[np.argmax(error)]!r})"


def beside_crossings(name: str, count: int) -> Any:
    """The float32 next to where the function crosses zero between negative integers."""
    grid = -np.arange(0.005, count, 0.01)
    signs = np.signbit(IN_FLOAT64[name](grid))
    found = []
    for k in np.flatnonzero(signs[1:] != signs[:-1]):
        ends = grid[k], grid[k + 1]
        if np.floor(ends[0]) == np.floor(ends[1]):
            found.append(optimize.brentq(IN_FLOAT64[name], *ends))
    bits = np.float32(found).view(np.int32)
    return (bits[:, None] + np.arange(-4, 5, dtype=np.int32)).ravel().view(np.float32)


@DTYPES
def test_powers_of_two_are_exact(dtype: DType) -> None:
    info = np.finfo(dtype.numpy)
    k = np.arange(info.minexp - info.nmant, info.maxexp).astype(dtype.numpy)
    powers = np.exp2(k.astype(np.float64)).astype(dtype.numpy)
    assert (compiled("exp2", dtype)(k) == powers).all()
    assert (compiled("log2", dtype)(powers) == k).all()
    assert (compiled("pow", dtype)(np.full_like(k, 2), k) == powers).all()


@DTYPES
@pytest.mark.parametrize("name", ["tanh", "erf", "sigmoid", "sin", "cos"])
def test_bounded_functions_stay_in_their_bounds(name: str, dtype: DType) -> None:
    x = np.linspace(-20, 20, 100_001).astype(dtype.numpy)
    low = 0 if name == "sigmoid" else -1
    y = compiled(name, dtype)(x)
    assert y.min() >= low and y.max() <= 1


@DTYPES
@pytest.mark.parametrize("name", ["sigmoid", "softplus", "exp", "erfc"])
def test_small_results_fade_through_the_denormals(name: str, dtype: DType) -> None:
    info = np.finfo(dtype.numpy)
    end = np.log(info.tiny) - 4
    if name == "erfc":
        end = 9.7 if dtype is float32 else 26.8
    x = np.linspace(0.97 * end, end, 100).astype(dtype.numpy)
    y = compiled(name, dtype)(x)
    assert (y > 0).all() and (y < info.tiny).any()
    for a, b in zip(x, y, strict=True):
        exact = EXACT[name](mpmath.mpf(float(a)))
        unit = max(float(info.smallest_subnormal), float(exact) * float(info.eps))
        assert abs(mpmath.mpf(float(b)) - exact) <= 2.5 * unit, f"{name}({a!r})"


def test_half_precision_is_refused() -> None:
    with pytest.raises(AssertionError, match="works on float32 and float64, not f16"):
        expansion("exp", float16)
