"""Updates of variables: new values come from old ones, take effect together, or not at all."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.ir.errors import IndexRangeError
from graphc.ir.node import Tensor

TARGETS = ("cpu", "reference")
A = np.array([1.0, 2.0, 3.0, 4.0], np.float32)
B = np.array([10.0, 20.0, 30.0, 40.0], np.float32)
M = np.arange(12.0, dtype=np.float32).reshape(3, 4)

on_targets = pytest.mark.parametrize("target", TARGETS)


def variables(*values: np.ndarray) -> list[Tensor]:
    return [gc.variable(v, name=f"v{k}") for k, v in enumerate(values)]


def after(
    start: Sequence[np.ndarray],
    step: Callable[..., dict[int, Any]],
    target: str,
    times: int = 1,
) -> list[np.ndarray]:
    """The variables after calls of a function that gives variable k the value `step(...)[k]`."""
    xs = variables(*start)
    run = gc.compile([], (), {xs[k]: new for k, new in step(*xs).items()}, target=target)
    for _ in range(times):
        run()
    return [x.value for x in xs]


def in_place(xs: Sequence[Tensor], news: Sequence[Tensor]) -> list[int]:
    """For each new value whether (1) or not (0) a kernel writes it straight over the old one."""
    run = gc.compile([], (), dict(zip(xs, news, strict=True)))
    assert run.program is not None
    places = run.program.plan.places
    written = {
        places[buffer].number
        for call in run.program.calls
        for buffer in call.arguments
        if isinstance(buffer, Tensor)
        and buffer.node.op.name not in ("variable", "copy")
        and buffer in places
        and places[buffer].kind == "variable"
    }
    order = {x: k for k, x in enumerate(run.program.variables)}
    return [int(order[x] in written) for x in xs]


@on_targets
def test_an_update_accumulates_over_calls(target: str) -> None:
    (a,) = after([A], lambda a: {0: a * 2 + 1}, target, times=3)
    np.testing.assert_array_equal(a, A * 8 + 7)


@on_targets
def test_two_variables_swap(target: str) -> None:
    a, b = after([A, B], lambda a, b: {0: b, 1: a}, target)
    np.testing.assert_array_equal(a, B)
    np.testing.assert_array_equal(b, A)


@on_targets
def test_three_variables_rotate_twice(target: str) -> None:
    c = A - 7
    found = after([A, B, c], lambda a, b, c: {0: b, 1: c, 2: a}, target, times=2)
    for x, y in zip(found, [c, A, B], strict=True):
        np.testing.assert_array_equal(x, y)


@on_targets
def test_updates_of_different_shapes_read_each_other_before_either_changes(target: str) -> None:
    def step(a: Tensor, m: Tensor) -> dict[int, Tensor]:
        return {0: gc.sum(m, axis=0), 1: m + a * gc.sum(a)}

    a, m = after([A, M], step, target)
    np.testing.assert_array_equal(a, M.sum(0))
    np.testing.assert_array_equal(m, M + A * A.sum())


@on_targets
def test_a_chain_of_updates_reads_old_values(target: str) -> None:
    a, b, c = after([A, B, A], lambda a, b, c: {0: a + 1, 1: a + b, 2: gc.exp(b) * 0 + b}, target)
    np.testing.assert_array_equal(a, A + 1)
    np.testing.assert_array_equal(b, A + B)
    np.testing.assert_array_equal(c, B)


@on_targets
def test_a_variable_may_be_reversed_onto_itself(target: str) -> None:
    long = np.arange(1001, dtype=np.float32)
    (a,) = after([long], lambda a: {0: gc.flip(a)}, target)
    np.testing.assert_array_equal(a, long[::-1])


@on_targets
def test_a_variable_may_be_normalised_by_its_own_sum(target: str) -> None:
    (m,) = after([M], lambda m: {0: m / gc.sum(m, axis=1, keepdims=True)}, target)
    np.testing.assert_allclose(m, M / M.sum(1, keepdims=True), rtol=1e-6)


@on_targets
def test_a_square_variable_may_be_transposed_onto_itself(target: str) -> None:
    square = np.arange(81.0, dtype=np.float32).reshape(9, 9)
    (m,) = after([square], lambda m: {0: m.T}, target)
    np.testing.assert_array_equal(m, square.T)


@on_targets
def test_a_variable_may_be_multiplied_by_itself(target: str) -> None:
    square = np.arange(25.0, dtype=np.float32).reshape(5, 5)
    (m,) = after([square], lambda m: {0: m @ m}, target)
    np.testing.assert_array_equal(m, square @ square)


@on_targets
def test_a_sum_over_columns_may_update_beside_what_it_sums(target: str) -> None:
    def step(m: Tensor, a: Tensor) -> dict[int, Tensor]:
        return {0: m * 2, 1: a + gc.sum(m, axis=0)}

    m, a = after([M, A], step, target, times=2)
    np.testing.assert_array_equal(m, M * 4)
    np.testing.assert_array_equal(a, A + M.sum(0) * 3)


@on_targets
def test_a_reshaped_variable_may_be_another_ones_new_value(target: str) -> None:
    flat = np.arange(12.0, dtype=np.float32) * -1
    m, v = after([M, flat], lambda m, v: {0: v.reshape(3, 4), 1: m.reshape(12)}, target)
    np.testing.assert_array_equal(m, flat.reshape(3, 4))
    np.testing.assert_array_equal(v, M.reshape(12))


@on_targets
def test_an_update_may_be_an_input(target: str) -> None:
    (a,) = variables(A)
    x = gc.placeholder("x", (4,))
    run = gc.compile([x], x, {a: x}, target=target)
    given = B.copy()
    result = run(given)
    given[:] = 0
    np.testing.assert_array_equal(a.value, B)
    np.testing.assert_array_equal(result, B)


@on_targets
def test_several_variables_may_take_one_value(target: str) -> None:
    def step(a: Tensor, b: Tensor) -> dict[int, Tensor]:
        both = a + b
        return {0: both, 1: both}

    a, b = after([A, B], step, target)
    np.testing.assert_array_equal(a, A + B)
    np.testing.assert_array_equal(b, A + B)


@on_targets
def test_outputs_may_be_old_and_new_values_at_once(target: str) -> None:
    a, b = variables(A, B)
    new = a * b
    run = gc.compile([], (a, new, b), {a: new, b: a}, target=target)
    old, product, other = run()
    np.testing.assert_array_equal(old, A)
    np.testing.assert_array_equal(product, A * B)
    np.testing.assert_array_equal(other, B)
    np.testing.assert_array_equal(a.value, A * B)
    np.testing.assert_array_equal(b.value, A)


@on_targets
def test_an_output_stays_as_it_was_when_a_later_call_updates(target: str) -> None:
    (a,) = variables(A)
    run = gc.compile([], (a, a + 1), {a: a + 1}, target=target)
    first = run()
    run()
    np.testing.assert_array_equal(first[0], A)
    np.testing.assert_array_equal(first[1], A + 1)


@on_targets
def test_a_failed_check_leaves_every_variable_as_it_was(target: str) -> None:
    a, b, table = variables(A, B, M)
    i = gc.placeholder("i", (2,), gc.int64)
    rows = gc.take(table, i, axis=0)
    updates = {a: a + 1, b: gc.sum(rows, axis=0), table: table * 2}
    run = gc.compile([i], (), updates, target=target)
    with pytest.raises(IndexRangeError):
        run(np.array([0, 3]))
    for x, value in ((a, A), (b, B), (table, M)):
        np.testing.assert_array_equal(x.value, value)
    run(np.array([0, 2]))
    np.testing.assert_array_equal(a.value, A + 1)


@on_targets
def test_a_failed_check_in_a_loop_leaves_every_variable_as_it_was(target: str) -> None:
    a, b, table = variables(A, B, M)
    i = gc.placeholder("i", ("steps",), gc.int64)
    total, _ = gc.scan(lambda c, k: (c + gc.take(table, k, axis=0), None), gc.zeros((4,)), i)
    run = gc.compile([i], (), {a: a * 2, b: total}, target=target)
    with pytest.raises(IndexRangeError):
        run(np.array([0, 1, 5]))
    np.testing.assert_array_equal(a.value, A)
    np.testing.assert_array_equal(b.value, B)
    run(np.array([0, 1]))
    np.testing.assert_array_equal(b.value, M[0] + M[1])


def test_a_call_that_updates_through_a_loop_counts_as_stateful() -> None:
    a, b = variables(A, B)
    new, _ = gc.scan(lambda c, _: (c * 2, None), b + 1, length=3)
    run = gc.compile([], (), {a: new})
    assert run.program is not None
    assert run.program.first_commit < len(run.program.calls)


def test_an_elementwise_update_is_written_in_place() -> None:
    a, b = variables(A, B)
    assert in_place([a, b], [a * 0.9 + b, b * 2]) == [1, 1]


def test_a_new_value_that_reads_other_elements_is_not_written_in_place() -> None:
    (a,) = variables(A)
    assert in_place([a], [gc.flip(a) * 2]) == [0]


def test_a_value_is_not_written_over_a_variable_that_a_later_kernel_reads() -> None:
    a, m = variables(A, M)
    news = [gc.sum(gc.exp(m), axis=0), m * gc.flip(a)]
    assert sum(in_place([a, m], news)) <= 1
    found_a, found_m = after([A, M], lambda a, m: {0: gc.sum(m, axis=0), 1: m * gc.flip(a)}, "cpu")
    np.testing.assert_array_equal(found_a, M.sum(0))
    np.testing.assert_array_equal(found_m, M * A[::-1])


@pytest.mark.parametrize("seed", range(20))
def test_random_updates_agree_with_the_reference(seed: int) -> None:
    results = []
    for target in TARGETS:
        rng = np.random.default_rng(seed)
        xs = variables(*(rng.uniform(-1, 1, 6).astype(np.float32) for _ in range(4)))
        news = [random_value(rng, xs) for _ in xs]
        outputs = (*(random_value(rng, xs) for _ in range(2)), news[0])
        run = gc.compile([], outputs, dict(zip(xs, news, strict=True)), target=target)
        results.append([*run(), *run(), *(x.value for x in xs)])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def random_value(rng: np.random.Generator, xs: Sequence[Tensor]) -> Tensor:
    """A value of the shape of xs that reads some of them."""
    moves: list[Callable[[Tensor], Tensor]] = [
        lambda x: x,
        gc.flip,
        gc.tanh,
        lambda x: gc.roll(x, 2),
        lambda x: gc.broadcast_to(gc.mean(x, keepdims=True), x.shape),
        lambda x: gc.cumsum(x) * 0.2,
        lambda x: x.reshape(2, 3).T.reshape(6),
    ]
    x, y = (moves[rng.integers(len(moves))](xs[rng.integers(len(xs))]) for _ in range(2))
    return x if rng.random() < 0.3 else x * 0.5 + y * 0.25


@pytest.mark.parametrize("target", ["cpu", "numba", "reference"])
@pytest.mark.parametrize("count", [2, 3])
def test_several_variables_take_one_value_that_is_kept_aside(count: int, target: str) -> None:
    found = after([A, B, B][:count], lambda a, *_: dict.fromkeys(range(count), a[::-1]), target)
    for value in found:
        np.testing.assert_array_equal(value, A[::-1])


@pytest.mark.parametrize("target", ["cpu", "numba", "reference"])
@pytest.mark.parametrize("first", [0, 1])
def test_another_variable_takes_a_variable_with_a_block_replaced(first: int, target: str) -> None:
    def step(*xs: Tensor) -> dict[int, Any]:
        block = gc.dynamic_update_slice(xs[1], xs[0][:2], [1], axes=[0])
        return {first: block, 1 - first: block}

    for value in after([A, B], step, target):
        np.testing.assert_array_equal(value, [10, 1, 2, 40])
