"""Reductions along leading axes of short lines, several of which are taken in as one."""

import functools
from collections.abc import Sequence

import numpy as np
import pytest

import graphc as gc
from graphc.backends.lower.kernel import Schedule
from graphc.backends.lower.nests import short_lines
from graphc.backends.reference import evaluate
from graphc.ir.node import Tensor
from tests.lower.scheduled import Run, function

#: As it comes, and with chunks and tiles that end within lines.
SCHEDULES = (Schedule(), Schedule(vector_bits=128, grain=64, most_chunks=3, line_tile=32))
DTYPES = ["float32", "float64", "float16", "int32", "int64"]
SHAPES = ((4096, 1), (6001, 2), (5000, 3), (700, 16), (333, 31), (40, 127), (50, 128), (9, 1000))


def reductions(x: Tensor, y: Tensor) -> list[Tensor]:
    found = [gc.sum(x, axis=0), gc.max(x, axis=0), gc.sum(x - y, axis=0), gc.all(x > y, axis=0)]
    return [*found, gc.sum((x - gc.mean(x, axis=0)) ** 2, axis=0)] if x.dtype.is_float else found


@functools.cache
def compiled(sizes: tuple[int | str, ...], dtype: str, schedule: Schedule) -> Run:
    x, y = gc.placeholder("x", sizes, dtype), gc.placeholder("y", sizes[1:], dtype)
    return function([x, y], reductions(x, y), schedule)


def agree(
    sizes: tuple[int | str, ...], shape: tuple[int, int], dtype: str, schedules: Sequence[Schedule]
) -> None:
    rng = np.random.default_rng(shape)
    a, b = (rng.uniform(-3, 3, s).astype(dtype) for s in (shape, shape[1:]))
    if dtype.startswith("float"):
        a[shape[0] // 2, -1] = np.nan
    x, y = gc.placeholder("x", shape, dtype), gc.placeholder("y", shape[1:], dtype)
    wanted = evaluate(reductions(x, y), {x: a, y: b})
    rtol = {"float16": 4e-3, "float64": 1e-12}.get(dtype, 2e-6)
    for schedule in schedules:
        for got, want in zip(compiled(sizes, dtype, schedule)(a, b), wanted, strict=True):
            np.testing.assert_allclose(got, want, rtol, 1e3 * rtol)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_values_are_the_references(shape: tuple[int, int], dtype: str) -> None:
    """With named sizes by both schedules; of known ones, by one for each shape and dtype."""
    agree(("n", "k"), shape, dtype, SCHEDULES)
    turn = (SHAPES.index(shape) + DTYPES.index(dtype)) % 2
    agree(shape, shape, dtype, [SCHEDULES[turn]])


@pytest.mark.parametrize("rows", [0, 1, 84, 85, 86, 5461, 5462, 20000])
def test_rows_may_be_any_number(rows: int) -> None:
    x = gc.placeholder("x", ("n", 3))
    value = np.random.default_rng(rows).normal(size=(rows, 3)).astype(np.float32)
    (got,) = function([x], [gc.sum(x, axis=0)], Schedule())(value)
    np.testing.assert_allclose(got, value.astype(np.float64).sum(0), 1e-6, 1e-5)


@pytest.mark.parametrize("k", [2, 3, 16, 100])
def test_long_lines_are_as_many_rows_as_fit(k: int) -> None:
    x = gc.placeholder("x", (10**6, k))
    text = gc.compile([x], gc.sum(x, axis=0)).dump("loops")
    assert f".. {short_lines.LONG // k * k} vector" in text


@pytest.mark.parametrize("sizes", [(5000, 3), ("n", "k")])
def test_rows_that_differ_otherwise_are_no_long_line(sizes: tuple[int | str, int | str]) -> None:
    x, w = gc.placeholder("x", sizes), gc.placeholder("w", (sizes[0], 1))
    places, table = gc.placeholder("p", (sizes[0],), "int32"), gc.placeholder("t", (7, sizes[1]))
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(5000, 3)).astype(np.float32), rng.normal(size=(5000, 1))
    p, t = rng.integers(0, 7, 5000).astype(np.int32), rng.normal(size=(7, 3)).astype(np.float32)
    column = gc.astype(gc.arange(x.shape[0]), "float32").reshape((x.shape[0], 1))
    outputs = [
        gc.sum(x * w, axis=0),
        gc.sum(gc.take(table, places, axis=0), axis=0),
        gc.sum(x * column, axis=0),
        gc.sum(x[::-1] * x, axis=0),
        gc.argmax(x, axis=0),
    ]
    got = function([x, w, places, table], outputs, Schedule())(a, b.astype(np.float32), p, t)
    n = np.arange(5000)[:, None]
    wanted = [(a * b).sum(0), t[p].sum(0), (a * n).sum(0), (a[::-1] * a).sum(0), a.argmax(0)]
    for found, want in zip(got, wanted, strict=True):
        np.testing.assert_allclose(found, want, 2e-5, 1e-2)
