"""Every primitive, compiled by Numba from its Python text, against its value by NumPy's scalars."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from graphc.backends.cuda.scalars import evaluate
from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import For, LoopKernel, Param, Store
from graphc.backends.loops.tidy import Renaming
from graphc.backends.math import FUNCTIONS, expand
from graphc.backends.numba.compiling import signature_of
from graphc.backends.numba.executable import elements_of
from graphc.backends.numba.meaning import MEANINGS
from graphc.backends.numba.module import module_text
from graphc.ir.dtypes import (
    ALL,
    FLOATS,
    INTEGERS,
    NUMBERS,
    SIGNED,
    UNSIGNED,
    DType,
    bool_,
    float16,
    float32,
    float64,
    int64,
    uint16,
    uint32,
    uint64,
)

WIDE = (float32, float64)
INDEX = e.var("i")


def edges(dtype: DType) -> np.ndarray:
    """Values where definitions part: extremes, both zeros, NaN, ties; and ordinary ones."""
    if dtype is bool_:
        return np.array([False, True, True, False])
    if dtype.is_float:
        ordinary = [0.0, -0.0, 1, -1, 0.5, -0.5, 1.5, 2.5, -2.5, 3.7, -1e4, 6e4]
        return np.array([*ordinary, np.inf, -np.inf, np.nan], dtype.numpy)
    info = np.iinfo(dtype.numpy)
    values = [0, 1, 2, 3, 7, 100, info.max, info.max - 1, info.min, info.min + 1]
    return np.array(values, dtype.numpy)


def pairs(dtype: DType) -> tuple[np.ndarray, ...]:
    a = edges(dtype)
    return np.repeat(a, len(a)), np.tile(a, len(a))


def by_kernel(
    results: Sequence[Expr], columns: Sequence[np.ndarray], dtypes: Sequence[DType]
) -> list[np.ndarray]:
    """The values of expressions of x0, x1, ... by one kernel of Numba's."""
    new = Renaming({f"x{k}": e.load(f"a{k}", INDEX, d) for k, d in enumerate(dtypes)})
    buffers = [Param(f"a{k}", d) for k, d in enumerate(dtypes)]
    buffers += [Param(f"o{k}", x.dtype, True) for k, x in enumerate(results)]
    stores = tuple(Store(f"o{k}", INDEX, new(x)) for k, x in enumerate(results))
    loop = For("i", e.const(0, int64), e.var("n"), stores)
    loops = LoopKernel("primitive", tuple(buffers), ("n",), e.const(1, int64), (loop,))
    names: dict[str, Any] = {}
    exec(module_text([loops]), names)
    function = next(f for name, f in names.items() if name.startswith("primitive_"))
    function.compile(signature_of(loops))
    out = [np.zeros(len(columns[0]), x.dtype.numpy) for x in results]
    arrays = [elements_of(a, p.dtype) for a, p in zip([*columns, *out], buffers, strict=True)]
    function(np.zeros(2, np.int64), *arrays, len(columns[0]))
    return out


def agree(results: Sequence[Expr], columns: Sequence[np.ndarray], dtypes: Sequence[DType]) -> None:
    rows = [{f"x{k}": v for k, v in enumerate(row)} for row in zip(*columns, strict=True)]
    for x, got in zip(results, by_kernel(results, columns, dtypes), strict=True):
        meant = expand(x) if x.op == "math" else x  # once, not in every row
        want = np.array([evaluate(meant, row) for row in rows], x.dtype.numpy)
        exact = np.float64 if x.dtype.is_float else x.dtype.numpy
        np.testing.assert_array_equal(got.astype(exact), want.astype(exact), f"{x} -> {x.dtype}")
        if x.dtype.is_float:
            real = ~np.isnan(want)
            np.testing.assert_array_equal(np.signbit(got[real]), np.signbit(want[real]), str(x))


def unary(dtype: DType) -> Expr:
    return e.var("x0", dtype)


def binary(dtype: DType) -> tuple[Expr, Expr]:
    return e.var("x0", dtype), e.var("x1", dtype)


@pytest.mark.parametrize("dtype", NUMBERS, ids=str)
def test_arithmetic(dtype: DType) -> None:
    x, y = binary(dtype)
    two = [x + y, x - y, x * y, e.minimum(x, y), e.maximum(x, y)]
    agree([*two, -x, e.absolute(x)], pairs(dtype), (dtype, dtype))


@pytest.mark.parametrize("dtype", ALL, ids=str)
def test_comparison_and_selection(dtype: DType) -> None:
    x, y = binary(dtype)
    orders = [x < y, x <= y, x > y, x >= y, e.equal(x, y), e.not_equal(x, y)]
    agree([*orders, e.select(x < y, x, y)], pairs(dtype), (dtype, dtype))


@pytest.mark.parametrize("dtype", [bool_, *INTEGERS], ids=str)
def test_bits(dtype: DType) -> None:
    x, y = binary(dtype)
    agree([x & y, x | y, x ^ y, ~x], pairs(dtype), (dtype, dtype))


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_shifts(dtype: DType) -> None:
    x, y = binary(dtype)
    values = edges(dtype)
    counts = np.arange(dtype.bits, dtype=dtype.numpy)
    columns = np.repeat(values, len(counts)), np.tile(counts, len(values))
    agree([x << y, x >> y, x >> 1], columns, (dtype, dtype))


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_division_of_integers_truncates(dtype: DType) -> None:
    x, y = binary(dtype)
    a, b = pairs(dtype)
    overflows = (a == np.iinfo(dtype.numpy).min) & (b.astype(float) == -1)
    a, b = (column[(b != 0) & ~overflows] for column in (a, b))
    if dtype in SIGNED:
        a, b = np.concatenate([a, -(a // 2)]), np.concatenate([b, b])
    agree([x / y, e.rem(x, y)], (a, b), (dtype, dtype))


@pytest.mark.parametrize("dtype", [uint32, uint64], ids=str)
def test_the_upper_half_of_a_product(dtype: DType) -> None:
    agree([e.mulhi(*binary(dtype))], pairs(dtype), (dtype, dtype))


@pytest.mark.parametrize("dtype", WIDE, ids=str)
def test_rounding_and_roots(dtype: DType) -> None:
    x, y = binary(dtype)
    one = [make(x) for make in (e.floor, e.ceil, e.trunc, e.rint, e.sqrt)]
    agree([*one, x / y], pairs(dtype), (dtype, dtype))


@pytest.mark.parametrize("dtype", WIDE, ids=str)
def test_fma_rounds_once(dtype: DType) -> None:
    x, y = binary(dtype)
    tiny = np.finfo(dtype.numpy).eps
    a = np.array([1 + tiny, 1 - tiny, 3.0, np.inf, 1e30], dtype.numpy)
    b = np.array([1 + tiny, 1 + tiny, 1 / 3, 0.0, 1e30], dtype.numpy)
    fused = e.fma(x, y, e.const(-1.0, dtype))
    agree([fused], (a, b), (dtype, dtype))
    assert by_kernel([fused], (a, b), (dtype, dtype))[0][1] == -(tiny**2)


@pytest.mark.parametrize("have", ALL, ids=str)
def test_casts(have: DType) -> None:
    values = edges(have)
    agree([e.cast(unary(have), d) for d in ALL if is_total(have, d)], (values,), (have,))
    if have.is_float:
        small = values[np.isfinite(values) & (np.abs(values.astype(float)) < 128)]
        agree([e.cast(unary(have), d) for d in SIGNED], (small,), (have,))
        agree([e.cast(unary(have), d) for d in UNSIGNED], (np.abs(small),), (have,))


def is_total(have: DType, want: DType) -> bool:
    return not (have.is_float and want.is_integer)


BITCASTS = [(float32, uint32), (uint64, float64), (float16, uint16)]


@pytest.mark.parametrize(("have", "want"), BITCASTS)
def test_bits_as_another_type(have: DType, want: DType) -> None:
    agree([e.bitcast(unary(have), want)], (edges(have),), (have,))


@pytest.mark.parametrize("dtype", WIDE, ids=str)
@pytest.mark.parametrize("arity", [1, 2])
def test_functions_have_the_bits_of_the_math_library(arity: int, dtype: DType) -> None:
    names = [name for name in FUNCTIONS if MEANINGS[name][1] == arity]
    args = binary(dtype)[:arity]
    columns = pairs(dtype) if arity == 2 else (edges(dtype),)
    agree([e.math(n, *args) for n in names], columns, (dtype,) * arity)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_constants_are_exact(dtype: DType) -> None:
    values = (0.1, -0.0, np.inf, -np.inf, np.nan, float(np.finfo(np.float32).tiny) / 2)
    x = unary(dtype)
    constants = [e.const(float(dtype.numpy.type(v)), dtype) for v in values]
    agree([e.select(e.equal(x, x), c, x) for c in constants], (edges(dtype),), (dtype,))
