"""Updates that replace a block of a variable: written where they lie, checked before."""

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.backends.lower.kernel import Call
from graphc.ir.errors import IndexRangeError

START = np.arange(60, dtype=np.float32).reshape(5, 3, 4)
TARGETS = ("cpu", "reference", "numba")


def kernels(run: Any) -> list[str]:
    return [c.kernel.name for c in run.program.calls if isinstance(c, Call)]


@pytest.mark.parametrize("mode", ["error", "clip"])
def test_a_row_of_a_variable_is_written_without_a_copy(mode: str) -> None:
    cache = gc.variable(START.copy())
    i, row = gc.placeholder("i", (), gc.int64), gc.placeholder("row", (5, 1, 4))
    run = gc.compile(
        [i, row], (), {cache: gc.dynamic_update_slice(cache, row, [i], axes=[1], mode=mode)}
    )
    assert "block_write" in kernels(run)
    assert not any("copy" in name or "update" in name for name in kernels(run))
    assert run.memory.arena <= 64
    new = -np.ones((5, 1, 4), np.float32)
    run(np.int64(2), new)
    wanted = START.copy()
    wanted[:, 2:3] = new
    np.testing.assert_array_equal(cache.value, wanted)


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_read_after_a_write_sees_the_block(target: str) -> None:
    cache = gc.variable(START.copy())
    i, row = gc.placeholder("i", (), gc.int64), gc.placeholder("row", (5, 1, 4))
    new = gc.dynamic_update_slice(cache, row, [i], axes=[1])
    run = gc.compile(
        [i, row], [gc.sum(new, axis=(0, 2)), gc.sum(cache)], {cache: new}, target=target
    )
    block = np.full((5, 1, 4), 0.5, np.float32)
    wanted = START.copy()
    for k in (0, -1, 1):
        before = wanted.sum()
        wanted[:, k] = 0.5
        seen, old = run(np.int64(k), block)
        np.testing.assert_allclose(seen, wanted.sum((0, 2)))
        np.testing.assert_allclose(old, before)
    np.testing.assert_array_equal(cache.value, wanted)


@pytest.mark.parametrize("target", TARGETS)
def test_layers_that_write_one_after_the_other_check_before_the_first(target: str) -> None:
    table = np.arange(40, dtype=np.float32).reshape(2, 20)
    caches = [gc.variable(np.zeros((4, 20), np.float32)) for _ in range(2)]
    i, t = gc.placeholder("i", (), gc.int64), gc.placeholder("t", (1,), gc.int64)
    x, updates = gc.take(gc.constant(table), t, axis=0), {}
    for cache in caches:
        new = gc.dynamic_update_slice(cache, x, [i], axes=[0])
        updates[cache] = new
        x = gc.tanh(gc.sum(new, axis=0, keepdims=True)) + gc.take(gc.constant(table), t, axis=0)
    run = gc.compile([i, t], [x], updates, target=target)
    for wrong in [(4, 0), (-5, 0), (0, 2), (0, -3)]:
        with pytest.raises(IndexRangeError, match=str(max(wrong, key=abs))):
            run(np.int64(wrong[0]), np.array(wrong[1:]))
        assert all((cache.value == 0).all() for cache in caches)
    run(np.int64(3), np.array([1]))
    np.testing.assert_array_equal(caches[0].value[3], table[1])
    np.testing.assert_allclose(caches[1].value[3], np.tanh(table[1]) + table[1], rtol=1e-6)
    if target == "cpu":
        assert kernels(run).count("block_write") == 2
        assert not any("copy" in name for name in kernels(run))


def test_an_error_names_the_op_that_the_user_wrote() -> None:
    cache = gc.variable(START.copy())
    i, row = gc.placeholder("i", (), gc.int64), gc.placeholder("row", (5, 1, 4))
    run = gc.compile([i, row], (), {cache: gc.dynamic_update_slice(cache, row, [i], axes=[1])})
    with pytest.raises(IndexRangeError, match=r"^dynamic_update_slice: index -4 is out"):
        run(np.int64(-4), np.zeros((5, 1, 4), np.float32))


@pytest.mark.parametrize("target", ["cpu", "reference"])
def test_a_new_value_that_is_an_output_too_is_whole(target: str) -> None:
    cache = gc.variable(START.copy())
    i, row = gc.placeholder("i", (), gc.int64), gc.placeholder("row", (1, 3, 4))
    new = gc.dynamic_update_slice(cache, row, [i], axes=[0])
    run = gc.compile([i, row], [new, new * 2], {cache: new}, target=target)
    block = np.full((1, 3, 4), 7, np.float32)
    wanted = START.copy()
    wanted[4] = 7
    whole, twice = run(np.int64(4), block)
    np.testing.assert_array_equal(whole, wanted)
    np.testing.assert_array_equal(twice, wanted * 2)
    np.testing.assert_array_equal(cache.value, wanted)


@pytest.mark.parametrize("target", ["cpu", "reference"])
def test_variables_that_take_blocks_of_each_other_see_the_old_ones(target: str) -> None:
    a, b = gc.variable(START.copy()), gc.variable(-START)
    i = gc.placeholder("i", (), gc.int64)
    news = {
        a: gc.dynamic_update_slice(a, b[1:2], [i], axes=[0]),
        b: gc.dynamic_update_slice(b, a[2:3], [i], axes=[0]),
    }
    run = gc.compile([i], (), news, target=target)
    run(np.int64(2))
    first, second = START.copy(), -START
    first[2], second[2] = -START[1], START[2]
    np.testing.assert_array_equal(a.value, first)
    np.testing.assert_array_equal(b.value, second)


@pytest.mark.parametrize("target", ["cpu", "reference"])
def test_a_block_of_the_variable_itself_may_be_moved(target: str) -> None:
    a = gc.variable(START.copy())
    i = gc.placeholder("i", (), gc.int64)
    run = gc.compile([i], (), {a: gc.dynamic_update_slice(a, a[0:4], [i], axes=[0])}, target=target)
    run(np.int64(1))
    wanted = START.copy()
    wanted[1:] = START[:4]
    np.testing.assert_array_equal(a.value, wanted)


@pytest.mark.parametrize("size", [0, 1, 5])
def test_blocks_of_symbolic_size_are_written(size: int) -> None:
    a = gc.variable(START.copy())
    i, rows = gc.placeholder("i", (), gc.int64), gc.placeholder("rows", ("n", 3, 4))
    run = gc.compile([i, rows], (), {a: gc.dynamic_update_slice(a, rows, [i], axes=[0])})
    block = np.full((size, 3, 4), 9, np.float32)
    run(np.int64(5 - size), block)
    wanted = START.copy()
    wanted[5 - size :] = block
    np.testing.assert_array_equal(a.value, wanted)


def test_random_block_updates_agree_with_the_reference() -> None:
    for seed in range(12):
        results = []
        for target in ("cpu", "reference"):
            rng = np.random.default_rng(seed)
            xs = [gc.variable(rng.standard_normal((6, 4)).astype(np.float32)) for _ in range(3)]
            i = gc.placeholder("i", (), gc.int64)
            news = {}
            for x in xs:
                y, z = (xs[rng.integers(3)] for _ in range(2))
                block = gc.tanh(y[0:2]) + gc.take(z, gc.stack([i, i + 1]), axis=0)
                news[x] = gc.dynamic_update_slice(x, block, [i], axes=[0])
                if rng.random() < 0.3:
                    news[x] = news[x] * 2
            outputs = [gc.sum(new) for new in news.values()] + [gc.sum(xs[0])]
            run = gc.compile([i], outputs, news, target=target)
            found = [run(np.int64(k)) for k in (0, 3, 4)]
            results.append([*np.ravel(found), *(v for x in xs for v in x.value.ravel())])
        np.testing.assert_allclose(results[0], results[1], rtol=1e-4, atol=1e-5)
