"""Updates that scatter into a variable: what they meet is written where it lies, checked before."""

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.ir.errors import IndexRangeError
from tests.passes.test_block_writes import TARGETS, kernels

ROWS, WIDTH, COUNT = 1000, 8, 5
START = np.arange(ROWS * WIDTH, dtype=np.float32).reshape(ROWS, WIDTH)
PLACES = np.array([3, -1, 3, 999, 500])
VALUES = np.random.default_rng(0).uniform(-9, 9, (COUNT, WIDTH)).astype(np.float32) * 1000

Given = tuple[gc.Tensor, gc.Tensor]


def given(count: int | str = COUNT) -> Given:
    return gc.placeholder("i", (count,), gc.int64), gc.placeholder("v", (count, WIDTH))


def is_in_place(run: Any) -> bool:
    """Whether there is no kernel that copies, nor room for another table."""
    names = kernels(run)
    room = run.memory.at(n=COUNT).arena
    return not any("copy" in name for name in names) and room < START.nbytes // 2


@pytest.mark.parametrize("combine", ["set", "add", "multiply", "max", "min"])
@pytest.mark.parametrize("count", [COUNT, "n"])
def test_rows_of_a_variable_are_written_without_a_copy(combine: str, count: int | str) -> None:
    table = gc.variable(START.copy())
    i, v = given(count)
    run = gc.compile(
        [i, v], (), {table: getattr(table.at[i], {"mul": "multiply"}.get(combine, combine))(v)}
    )
    assert is_in_place(run)
    run(PLACES, VALUES)
    wanted = START.copy()
    for k, row in zip(PLACES, VALUES, strict=True):
        old = wanted[k].copy()
        ways = {"add": np.add, "multiply": np.multiply, "max": np.maximum, "min": np.minimum}
        wanted[k] = row if combine == "set" else ways[combine](old, row)
    np.testing.assert_array_equal(table.value, wanted)


@pytest.mark.parametrize("target", TARGETS)
def test_one_scatter_after_another_is_one_write(target: str) -> None:
    table = gc.variable(START.copy())
    i, v = given("n")
    j = gc.placeholder("j", (2, 3), gc.int64)
    new = table.at[i].add(v).at[j].add(gc.ones((2, 3, WIDTH)) * 0.5)
    run = gc.compile([i, v, j], (), {table: new}, target=target)
    other = np.array([[3, 4, 5], [-1, 0, 3]])
    run(PLACES, VALUES, other)
    wanted = START.copy()
    np.add.at(wanted, PLACES, VALUES)
    np.add.at(wanted, other, np.float32(0.5))
    np.testing.assert_array_equal(table.value, wanted)
    if target == "cpu":
        assert is_in_place(run)


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_read_before_sees_the_old_rows_and_what_comes_after_the_new(target: str) -> None:
    table = gc.variable(START.copy())
    i, v = given()
    rows = gc.take(table, i, axis=0)
    new = table.at[i].add(-0.5 * gc.grad(gc.sum(rows * rows * v), rows))
    run = gc.compile([i, v], [gc.sum(rows), gc.take(new, i, axis=0)], {table: new}, target=target)
    old, after = run(PLACES, VALUES)
    wanted = START.copy()
    np.add.at(wanted, PLACES, -0.5 * (2 * START[PLACES] * VALUES))
    np.testing.assert_allclose(old, START[PLACES].sum(), rtol=1e-6)
    np.testing.assert_allclose(after, wanted[PLACES], rtol=1e-5)
    np.testing.assert_allclose(table.value, wanted, rtol=1e-5)


@pytest.mark.parametrize("target", TARGETS)
def test_an_index_outside_leaves_the_variable_as_it_was(target: str) -> None:
    table = gc.variable(START.copy())
    i, v = given()
    run = gc.compile([i, v], (), {table: table.at[i].set(v)}, target=target)
    with pytest.raises(IndexRangeError, match="index 1000 is out"):
        run(np.array([0, 1, 1000, 2, 3]), VALUES)
    np.testing.assert_array_equal(table.value, START)


@pytest.mark.parametrize("mode", ["clip", "wrap", "fill"])
def test_other_modes_are_written_in_place_too(mode: str) -> None:
    table = gc.variable(START.copy())
    i, v = given()
    new = table.at[i].add(v, mode=mode)
    run = gc.compile([i, v], (), {table: new})
    wanted = gc.compile([i, v], new, target="reference")
    assert is_in_place(run)
    places = np.array([-1001, 5, 1005, 5, 1999])
    expected = wanted(places, VALUES)
    run(places, VALUES)
    np.testing.assert_array_equal(table.value, expected)


@pytest.mark.parametrize("target", ["cpu", "reference"])
def test_a_new_table_that_is_an_output_too_is_whole(target: str) -> None:
    table = gc.variable(START.copy())
    i, v = given()
    new = table.at[i].set(v)
    run = gc.compile([i, v], [new, table * 2], {table: new}, target=target)
    whole, old = run(PLACES, VALUES)
    wanted = START.copy()
    wanted[PLACES] = VALUES
    np.testing.assert_array_equal(whole, wanted)
    np.testing.assert_array_equal(old, START * 2)
    np.testing.assert_array_equal(table.value, wanted)


@pytest.mark.parametrize("target", TARGETS)
def test_rows_of_the_variable_itself_may_be_moved(target: str) -> None:
    first, second = gc.variable(START.copy()), gc.variable(START.copy())
    i, _ = given()
    news = {first: first.at[i].set(first[:COUNT]), second: second.at[i].add(first[i])}
    gc.compile([i], (), news, target=target)(PLACES)
    moved, added = START.copy(), START.copy()
    moved[PLACES] = START[:COUNT]
    np.add.at(added, PLACES, START[PLACES])
    np.testing.assert_array_equal(first.value, moved)
    np.testing.assert_array_equal(second.value, added)


def test_a_library_writes_rows_in_place_too(tmp_path: Any) -> None:
    table = gc.variable(START.copy(), "table")
    i, v = given("n")
    run = gc.compile([i, v], (), {table: table.at[i].add(v)}, name="add")
    library = gc.load(gc.export(run, path=tmp_path / "rows").library)
    with pytest.raises(IndexRangeError, match="index is out of range for axis 0"):
        library.add(np.array([3, 1000]), VALUES[:2])
    library.add(PLACES, VALUES)
    run(PLACES, VALUES)
    np.testing.assert_array_equal(library.variables["table"], table.value)
    assert (table.value != START).any()
