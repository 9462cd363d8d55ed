"""Reductions along leading axes take in lines as they lie, and give what the reference gives."""

import functools

import numpy as np
import pytest

import graphc as gc
from graphc.backends.loops.stmt import For, walk
from graphc.backends.lower.kernel import Call, Schedule
from graphc.backends.lower.nests import columns
from graphc.backends.reference import evaluate
from graphc.ir.node import Tensor
from tests.lower.scheduled import Run, function, program_of
from tests.support.guarded import before_nothing

SCHEDULES = (Schedule(), Schedule(vector_bits=128, grain=64, most_chunks=3))
DTYPES = ["float32", "float64", "float16", "int32", "int64"]
SHAPES = ((300, 17), (7, 4100), (1, 5), (129, 1), (0, 6), (5, 0), (64, 3, 21), (1031, 2))


def reductions(x: Tensor) -> list[Tensor]:
    found = [gc.sum(x, axis=0), gc.min(x, axis=0)] if x.shape[0] != 0 else [gc.sum(x, axis=0)]
    if x.dtype.is_float:
        found.append(gc.sum(x * x, axis=0))
    if x.shape[0] != 0:
        found += [gc.max(x, axis=0), gc.argmax(x, axis=0), gc.argmin(gc.round(x), axis=0)]
    return found


@functools.cache
def compiled(sizes: tuple[int | str, ...], dtype: str, schedule: Schedule) -> Run:
    """One compilation serves all shapes that have these names."""
    x = gc.placeholder("x", sizes, dtype)
    return function([x], reductions(x), schedule)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_values_are_the_references(shape: tuple[int, ...], dtype: str) -> None:
    """With named sizes by both schedules; of known ones, by one for each shape and dtype."""
    turn = (SHAPES.index(shape) + DTYPES.index(dtype)) % 2
    value = np.random.default_rng(shape).uniform(-3, 3, shape).astype(dtype)
    if dtype.startswith("float"):
        value[np.random.default_rng(1).random(shape) < 0.01] = np.nan
        value[:, :1] = -np.inf
    rtol = {"float16": 4e-3, "float64": 1e-12}.get(dtype, 2e-5)
    names = tuple("abc"[: len(shape)])
    for sizes, schedules in ((shape, [SCHEDULES[turn]]), (names, SCHEDULES)):
        if sizes != shape and shape[0] == 0:
            continue  # the reference has no largest of nothing
        x = gc.placeholder("x", sizes, dtype)
        outputs = reductions(x)
        wanted = evaluate(outputs, {x: value})
        for schedule in schedules:
            for got, want in zip(compiled(sizes, dtype, schedule)(value), wanted, strict=True):
                a, b = np.asarray(got, np.float64), np.asarray(want, np.float64)
                np.testing.assert_allclose(a, b, rtol, 10 * rtol)


def test_parts_follow_the_number_of_lines_and_tiles_their_length() -> None:
    for sizes, parts, tiles in (
        ((4096, 4096), 64, 1),
        ((10, 10**6), 1, 245),
        ((300, 9000), 5, 3),
        ((10**6, 8), 64, 1),
    ):
        x = gc.placeholder("x", sizes)
        run = gc.compile([x], [gc.argmax(x, axis=0)])
        assert run.program is not None
        call = run.program.calls[0]
        assert call.kernel.name == "columns_argmax"  # type: ignore[union-attr]
        assert call.chunks == parts * tiles  # type: ignore[union-attr]


def test_a_column_beside_rows_gives_places_too() -> None:
    value = np.random.default_rng(2).normal(size=(333, 70)).astype(np.float32)
    x = gc.placeholder("x", ("n", 70))
    shares = gc.softmax(x, axis=1)
    outputs = [shares, gc.argmax(shares, axis=0), gc.sum(shares, axis=0)]
    got, want = function([x], outputs, Schedule())(value), evaluate(outputs, {x: value})
    np.testing.assert_allclose(got[2], want[2], 1e-5)
    np.testing.assert_array_equal(got[1], np.argmax(got[0], axis=0))


def test_short_lines_are_no_columns_without_vectors() -> None:
    assert columns.TILE % 16 == 0
    x = gc.placeholder("x", (40, 8))
    value = np.arange(320, dtype=np.float32).reshape(40, 8)
    (got,) = function([x], [gc.argmax(x, axis=0)], Schedule(vector_bits=0))(value)
    np.testing.assert_array_equal(got, np.full(8, 39))


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64"])
def test_rows_that_are_looked_up_are_asked_for_where_there_are_some(dtype: str) -> None:
    """Lines before they are read: behind the last number lies nothing that may be read."""
    table = gc.placeholder("table", ("n", "m"), "float64")
    numbers = gc.placeholder("k", ("l",), dtype)
    rows = gc.take(table, numbers, axis=0)
    total, lines = gc.sum(rows, axis=0), gc.sum(gc.stack([rows, -rows]), axis=1)[0]
    run = gc.compile([table, numbers], [total, lines])
    assert run.dump("loops").count("prefetch") > 0
    value = np.random.default_rng(0).normal(size=(5, 6))
    for count in (1, 2, 8, 9, 17):
        k = before_nothing(np.arange(count).astype(dtype) % 5)
        for found in run(value, k):
            np.testing.assert_allclose(found, value[k].sum(0), 1e-12)


@pytest.mark.parametrize("rows", [1, 5, 32, 63])
def test_few_long_lines_are_shared_out_by_tiles(rows: int) -> None:
    x = gc.placeholder("x", (rows, 5000))
    (call,) = program_of([x], [gc.sum(x, axis=0)], Schedule()).calls
    assert isinstance(call, Call)
    grain = Schedule().grain
    assert isinstance(call.chunks, int) and call.chunks >= min(columns.SHARES, 5000 * rows // grain)
    assert call.chunks <= max(2, 1 + 5000 * rows // grain)
    value = np.random.default_rng(rows).normal(size=(rows, 5000)).astype(np.float32)
    (got,) = function([x], [gc.sum(x, axis=0)], Schedule())(value)
    np.testing.assert_allclose(got, value.astype(np.float64).sum(0), 1e-5, 1e-5)


@pytest.mark.parametrize("width", [20, 200, 1000])
@pytest.mark.parametrize("combine", ["sum", "max", "argmax"])
def test_parts_of_columns_are_combined_by_several_vectors_at_once(width: int, combine: str) -> None:
    x = gc.placeholder("x", ("n", width))
    y = getattr(gc, combine)(x, axis=0)
    value = np.random.default_rng(width).normal(size=(3000, width)).astype(np.float32)
    schedule = Schedule(grain=1000)
    combined = program_of([x], [y], schedule).calls[-1]
    assert isinstance(combined, Call)
    lanes = {s.width for s in walk(combined.kernel.body) if isinstance(s, For)}
    assert (max(lanes) > 16) == (width > 20 and combine != "argmax")
    (got,) = function([x], [y], schedule)(value)
    np.testing.assert_allclose(got, evaluate([y], {x: value})[0], 1e-5, 1e-3)
