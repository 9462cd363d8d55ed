"""argmin and argmax name the first place of the extreme, NaN before all, for all lengths."""

import numpy as np
import pytest

import graphc as gc

SHAPES = ((1, 1), (5, 3), (33, 16), (7, 17), (3, 64), (4, 65), (2, 257), (16, 1000))
DTYPES = ("float32", "float64", "float16", "int8", "uint8", "int32", "int64", "uint64", "bool")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("fixed", [True, False], ids=["fixed", "symbolic"])
def test_places_agree_with_numpy(dtype: str, fixed: bool) -> None:
    for shape in SHAPES if fixed else SHAPES[:1]:
        x = gc.placeholder("x", shape if fixed else ("n", "m"), dtype)
        found = [f(x, axis=axis) for f in (gc.argmin, gc.argmax) for axis in (0, 1)]
        run = gc.compile([x], found)
        for size in [shape] if fixed else SHAPES:
            value = awkward(size, dtype)
            wanted = [f(value, axis=axis) for f in (np.argmin, np.argmax) for axis in (0, 1)]
            for a, b in zip(run(value), wanted, strict=True):
                np.testing.assert_array_equal(a, b, err_msg=str(size))


def awkward(size: tuple[int, int], dtype: str) -> np.ndarray:
    """Few different values, and of floats zeros of both signs, infinities and NaN in some rows."""
    rng = np.random.default_rng(sum(size))
    value = rng.integers(0, 4, size).astype(dtype)
    if dtype.startswith("float"):
        value[rng.random(size) < 0.2] = -0.0
        value[::3, -1] = np.inf
        value[1::3] = -np.inf
        value[rng.random(size) < 1 / size[1] / 3] = np.nan
    return value


@pytest.mark.parametrize("dtype", ["float32", "int8", "uint8"])
@pytest.mark.parametrize("shape", [(3,), (300_000,), (40_000, 6), (2, 70_000)])
def test_where_all_are_the_least_the_first_place_is_named(
    dtype: str, shape: tuple[int, ...]
) -> None:
    """In one chunk or in many, whose results are compared."""
    limits = (-np.inf, np.inf) if dtype == "float32" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    for sizes in (shape, ("n", "m")[: len(shape)]):
        x = gc.placeholder("x", sizes, dtype)
        axes = range(len(shape))
        run = gc.compile([x], [f(x, axis=a) for a in axes for f in (gc.argmin, gc.argmax)])
        for limit in limits:
            value = np.full(shape, limit, dtype)
            for changed in (value[..., -1:], value[-1:]):
                wanted = [f(value, axis=a) for a in axes for f in (np.argmin, np.argmax)]
                for a, b in zip(run(value), wanted, strict=True):
                    np.testing.assert_array_equal(a, b)
                changed[...] = 1
