"""Concatenations of many arrays: array by array, whatever their axes and lengths."""

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.backends.loops.stmt import Store, walk
from graphc.backends.lower.kernel import Call

TARGETS = ("cpu", "reference", "numba")
Lengths = tuple[int, ...]


def kernels(run: Any) -> list[Any]:
    return [c.kernel for c in run.program.calls if isinstance(c, Call)]


def names(run: Any) -> list[str]:
    return [kernel.name for kernel in kernels(run)]


def placeholders(count: int, shape: tuple[Any, ...]) -> list[gc.Tensor]:
    return [gc.placeholder(f"x{k}", shape) for k in range(count)]


def arrays(count: int, shape: Lengths) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.standard_normal(shape).astype(np.float32) for _ in range(count)]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("joined", [gc.stack, gc.concat])
@pytest.mark.parametrize("shape", [("a", "b", "c"), (3, 5, 17)], ids=["named", "known"])
@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_every_axis(axis: int, shape: tuple[Any, ...], joined: Any, target: str) -> None:
    if target == "numba" and axis != 1:
        pytest.skip("one axis shows that it compiles")
    xs, y = placeholders(11, shape), 0
    y = joined([gc.exp(x) for x in xs], axis=axis) + 1
    run = gc.compile(xs, [y, gc.grad(gc.sum(y * y), xs[7])], target=target)
    given = arrays(11, (3, 5, 17))
    wanted = getattr(np, "stack" if joined is gc.stack else "concatenate")(np.exp(given), axis) + 1
    found, slope = run(*given)
    np.testing.assert_allclose(found, wanted, 1e-6)
    np.testing.assert_allclose(slope, 2 * (np.exp(given[7]) + 1) * np.exp(given[7]), 1e-5)


@pytest.mark.parametrize("rows", [0, 1, 40])
def test_arrays_of_different_lengths(rows: int) -> None:
    xs = [gc.placeholder(f"x{k}", (f"n{k}", "m"), gc.int16) for k in range(12)]
    run = gc.compile(xs, gc.concat(xs))
    assert names(run) == ["lay"]
    given = [np.full((k % 4 * rows, 3), k, np.int16) for k in range(12)]
    np.testing.assert_array_equal(run(*given), np.concatenate(given))


def test_a_hundred_arrays_are_stored_once() -> None:
    xs = placeholders(100, ("n", 8))
    run = gc.compile(xs, gc.stack(xs))
    (kernel,) = kernels(run)
    assert len({s for s in walk(kernel.body) if isinstance(s, Store)}) == 100
    assert run.memory.arena <= 64
    given = arrays(100, (5, 8))
    np.testing.assert_array_equal(run(*given), np.stack(given))


def test_few_arrays_along_the_last_axis_and_small_ones_stay_part_of_other_kernels() -> None:
    for count, shape in ((8, ("n",)), (31, (3,))):
        xs = placeholders(count, shape)
        assert "lay" not in names(gc.compile(xs, gc.concat(xs) * 2))
    xs = placeholders(3, ("n", "m"))
    assert "lay" not in names(gc.compile(xs, gc.stack(xs) * 2))


def test_many_small_arrays_are_laid() -> None:
    xs = placeholders(40, ())
    run = gc.compile(xs, gc.stack(xs) * 2)
    assert "lay" in names(run)
    given = arrays(40, ())
    np.testing.assert_array_equal(run(*given), np.stack(given) * 2)


def test_loops_lay_their_values_too() -> None:
    x = gc.placeholder("x", ("n", "m"))
    _, every = gc.scan(
        lambda s, row: (s + row, gc.stack([s * k + row for k in range(10)])), gc.zeros_like(x[0]), x
    )
    (given,) = arrays(1, (4, 20))
    before = np.cumsum(given, axis=0) - given
    wanted = np.stack([before * np.float32(k) + given for k in range(10)], axis=1)
    np.testing.assert_allclose(gc.compile([x], every)(given), wanted, 1e-5, 1e-6)


def test_an_index_is_checked_though_its_part_is_not_read() -> None:
    x, i = gc.placeholder("x", (5, 20)), gc.placeholder("i", (1,), gc.int64)
    parts = [gc.take(x, i + k, axis=0) for k in range(6)]
    run = gc.compile([x, i], gc.concat(parts)[:2])
    assert run(np.ones((5, 20), np.float32), [-1]).shape == (2, 20)
    with pytest.raises(gc.IndexRangeError):
        run(np.ones((5, 20), np.float32), [1])


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_any_number_of_threads(threads: int) -> None:
    xs = placeholders(9, ("n",))
    run, given = gc.compile(xs, gc.concat(xs)), arrays(9, (100_003,))
    before = gc.get_num_threads()
    try:
        gc.set_num_threads(threads)
        np.testing.assert_array_equal(run(*given), np.concatenate(given))
    finally:
        gc.set_num_threads(before)
