"""Scans: values, gradients and batching, against the same thing unrolled."""

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.ir.node import Tensor
from tests.control.unrolling import (
    STEP_FUNCTIONS,
    STEPS,
    WIDTH,
    Step,
    alike,
    derivatives,
    draw,
    on_targets,
    recurrent,
    symbols,
    unrolled,
)
from tests.support.run import evaluate


@on_targets
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("name", STEP_FUNCTIONS)
def test_a_scan_is_its_steps_one_after_the_other(name: str, reverse: bool, target: str) -> None:
    f = STEP_FUNCTIONS[name]
    (c, x), feeds = symbols(c=draw(WIDTH), x=draw(STEPS, WIDTH))
    ours, theirs = gc.scan(f, c, x, reverse=reverse), unrolled(f, c, x, reverse)
    alike(
        [*ours, *derivatives(ours, [c, x])],
        [*theirs, *derivatives(theirs, [c, x])],
        feeds,
        target,
    )


@on_targets
def test_gradients_reach_what_the_step_reads_from_outside(target: str) -> None:
    (h, x, w, u), feeds = symbols(
        h=draw(2, WIDTH), x=draw(STEPS, 2, 5), w=draw(WIDTH, WIDTH), u=draw(5, WIDTH)
    )
    ours = gc.scan(recurrent(w, gc.exp(u)), h, x)
    theirs = unrolled(recurrent(w, gc.exp(u)), h, x)
    wrt = [h, x, w, u]
    alike([*ours, *derivatives(ours, wrt)], [*theirs, *derivatives(theirs, wrt)], feeds, target)


@on_targets
def test_a_step_may_read_and_a_call_update_variables(target: str) -> None:
    w = gc.variable(draw(WIDTH), name="w")
    x = gc.placeholder("x", ("steps", WIDTH), gc.float64)
    last, _ = gc.scan(lambda c, v: (c * w + v, None), w * 0, x)
    (slope,) = gc.grad(gc.sum(last), [w])
    run = gc.compile([x], last, {w: w - slope * 0.1}, target=target)
    value, w0 = draw(STEPS, WIDTH, seed=1), w.value

    def total(w: np.ndarray) -> np.ndarray:
        c = w * 0
        for v in value:
            c = c * w + v
        return c

    np.testing.assert_allclose(run(value), total(w0), rtol=1e-12)
    step = 1e-6
    slopes = (total(w0 + step) - total(w0 - step)) / (2 * step)
    np.testing.assert_allclose(w.value, w0 - slopes * 0.1, rtol=1e-6)


@on_targets
@pytest.mark.parametrize("length", [0, 1, 2, 9])
def test_one_compilation_scans_any_length(length: int, target: str) -> None:
    c = gc.placeholder("c", (WIDTH,), gc.float64)
    x = gc.placeholder("x", ("n", WIDTH), gc.float64)
    last, rows = gc.scan(lambda c, v: (c * 0.5 + v, c * v), c, x)
    slopes = gc.grad(gc.sum(last) + gc.sum(rows), [c, x])
    run = gc.compile([c, x], (last, rows, *slopes), target=target)
    start, value = draw(WIDTH), draw(length, WIDTH, seed=1)
    found = run(start, value)
    carry, kept = start, []
    for v in value:
        kept.append(carry * v)
        carry = carry * 0.5 + v
    np.testing.assert_allclose(found[0], carry, rtol=1e-12)
    np.testing.assert_allclose(found[1], np.reshape(kept, (length, WIDTH)), rtol=1e-12)
    assert [y.shape for y in found[2:]] == [(WIDTH,), (length, WIDTH)]
    wanted = 0.5**length + sum(v * 0.5**t for t, v in enumerate(value))
    np.testing.assert_allclose(found[2], np.broadcast_to(wanted, WIDTH), rtol=1e-12)


@on_targets
def test_a_scan_may_run_without_elements(target: str) -> None:
    (c,), feeds = symbols(c=draw(WIDTH))
    last, rows = gc.scan(lambda c, _: (c * 2, c[0]), c, length=3)
    alike([last, rows], [c * 8, gc.stack([c[0], c[0] * 2, c[0] * 4])], feeds, target)


@on_targets
def test_carries_may_be_integers_beside_floats(target: str) -> None:
    (c, x), feeds = symbols(c=draw(WIDTH), x=draw(STEPS, WIDTH))

    def step(state: Any, v: Tensor) -> tuple[Any, Tensor]:
        t, total = state["t"], state["total"]
        return {"t": t + 1, "total": total + v * t.astype(gc.float64)}, t

    last, rows = gc.scan(step, {"t": gc.constant(5), "total": c}, x)
    slopes = gc.grad(gc.sum(last["total"]), [c, x])
    factors = np.arange(5.0, 5 + STEPS)
    found = evaluate([last["t"], last["total"], rows, *slopes], feeds, target)
    np.testing.assert_array_equal(found[0], 5 + STEPS)
    np.testing.assert_allclose(found[1], feeds[c] + factors @ feeds[x])
    np.testing.assert_array_equal(found[2], factors.astype(np.int64))
    np.testing.assert_array_equal(found[3], np.ones(WIDTH))
    np.testing.assert_array_equal(found[4], np.tile(factors[:, None], WIDTH))


@on_targets
def test_carries_may_change_places(target: str) -> None:
    (a, b), feeds = symbols(a=draw(WIDTH), b=draw(WIDTH, seed=1))
    (first, second), rows = gc.scan(lambda c, _: ((c[1], c[0]), c[0]), (a, b), length=3)
    alike([first, second, rows], [b, a, gc.stack([a, b, a])], feeds, target)


@on_targets
def test_structures_of_elements_and_rows_keep_their_form(target: str) -> None:
    (c, x, y), feeds = symbols(c=draw(2), x=draw(STEPS, 2), y=draw(STEPS))
    last, rows = gc.scan(
        lambda c, v: (c + v["x"], {"both": (v["x"] * v["y"], v["y"])}), c, {"x": x, "y": y}
    )
    assert set(rows) == {"both"}
    ours = [last, *rows["both"]]
    alike(ours, [c + gc.sum(x, axis=0), x * y[:, None], y], feeds, target)


@on_targets
def test_scans_nest(target: str) -> None:
    (c, x), feeds = symbols(c=draw(2), x=draw(3, STEPS, 2))

    def inner(c: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        return gc.sin(c) * v + c * 0.5, c * v

    ours = gc.scan(lambda c, row: gc.scan(inner, c, row), c, x)
    theirs = unrolled(lambda c, row: unrolled(inner, c, row), c, x)
    wrt = [c, x]
    alike([*ours, *derivatives(ours, wrt)], [*theirs, *derivatives(theirs, wrt)], feeds, target)


@on_targets
def test_an_inner_scan_may_read_the_outer_carry(target: str) -> None:
    (c, x), feeds = symbols(c=draw(2), x=draw(3, STEPS, 2))

    def outer(run: Any) -> Step:
        def step(c: Tensor, row: Tensor) -> tuple[Tensor, Tensor]:
            last, rows = run(lambda d, v: (d + v * c, d * c), c * 0, row)
            return last, gc.sum(rows)

        return step

    ours, theirs = gc.scan(outer(gc.scan), c, x), unrolled(outer(unrolled), c, x)
    wrt = [c, x]
    alike([*ours, *derivatives(ours, wrt)], [*theirs, *derivatives(theirs, wrt)], feeds, target)


@on_targets
def test_a_branch_in_a_scan_is_chosen_at_each_step(target: str) -> None:
    (c, x), feeds = symbols(c=draw(2), x=draw(8, 2))

    def step(c: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        new = gc.cond(v[0] > 0, lambda c: gc.sin(c) * v, lambda c: c + v * v, c)
        return new, new * 2

    def chosen(c: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        flag = gc.broadcast_to(v[0] > 0, (2,))
        new = gc.where(flag, gc.sin(c) * v, c + v * v)
        return new, new * 2

    ours, theirs = gc.scan(step, c, x), unrolled(chosen, c, x)
    wrt = [c, x]
    alike([*ours, *derivatives(ours, wrt)], [*theirs, *derivatives(theirs, wrt)], feeds, target)


@on_targets
def test_a_scan_may_sort_and_multiply_in_its_steps(target: str) -> None:
    (c, x), feeds = symbols(c=draw(5), x=draw(STEPS, 5, 5))
    ours = gc.scan(lambda c, m: (gc.sort(m @ c), gc.cumsum(c)), c, x)
    theirs = unrolled(lambda c, m: (gc.sort(m @ c), gc.cumsum(c)), c, x)
    alike(ours, theirs, feeds, target)


@on_targets
def test_vmap_of_a_scan_is_a_scan_for_each(target: str) -> None:
    (c, x, w), feeds = symbols(c=draw(6, 2), x=draw(6, STEPS, 2), w=draw(2, 2))

    def one(c: Tensor, x: Tensor) -> Any:
        return gc.scan(lambda c, v: (gc.tanh(c @ w) + v, c), c, x, reverse=True)

    each = [one(c[k], x[k]) for k in range(6)]
    wanted = [gc.stack([last for last, _ in each]), gc.stack([rows for _, rows in each])]
    alike(gc.vmap(one)(c, x), wanted, feeds, target)
    shared = [one(c[k], x[0]) for k in range(6)]
    wanted = [gc.stack([last for last, _ in shared]), gc.stack([rows for _, rows in shared])]
    alike(gc.vmap(one, in_axes=(0, None))(c, x[0]), wanted, feeds, target)


@on_targets
def test_vmap_batches_what_becomes_different_in_the_loop(target: str) -> None:
    (x, w), feeds = symbols(x=draw(STEPS, 2), w=draw(6, 2))

    def one(w: Tensor) -> Any:
        return gc.scan(lambda c, v: (c * w + v, c), gc.zeros((2,), gc.float64), x)

    each = [one(w[k]) for k in range(6)]
    wanted = [gc.stack([last for last, _ in each]), gc.stack([rows for _, rows in each])]
    alike(gc.vmap(one)(w), wanted, feeds, target)


@on_targets
def test_gradients_of_batched_scans_are_those_of_each(target: str) -> None:
    (c, x), feeds = symbols(c=draw(3, 2), x=draw(3, STEPS, 2))

    def slope(c: Tensor, x: Tensor) -> Tensor:
        last, rows = gc.scan(lambda c, v: (gc.sin(c) * v, c * c), c, x)
        return gc.grad(gc.sum(last) + gc.sum(rows), [x])[0]

    wanted = gc.stack([slope(c[k], x[k]) for k in range(3)])
    alike([gc.vmap(slope)(c, x)], [wanted], feeds, target)


def test_many_steps_need_no_more_memory_than_one() -> None:
    x = gc.placeholder("x", (100,))
    last, _ = gc.scan(lambda c, _: (gc.tanh(gc.cumsum(c)), None), x, length="steps")
    n = gc.placeholder("n", ("steps",))
    memory = gc.compile([x, n], last).memory
    assert memory.at(steps=1_000_000).arena == memory.at(steps=1).arena


def test_a_loop_costs_what_its_steps_cost() -> None:
    x, w = gc.placeholder("x", ("time", 5, 8)), gc.placeholder("w", (8, 8))
    last, _ = gc.scan(lambda h, v: (h @ w + v, None), gc.zeros((5, 8)), x)
    run = gc.compile([x, w], last)
    assert run.cost.at(time=10).flops - run.cost.at(time=9).flops == 2 * 5 * 8 * 8 + 5 * 8
    one = gc.cond(x[0, 0, 0] > 0, lambda: x[0] @ w, lambda: x[0])
    assert gc.compile([x, w], one).cost.flops >= 2 * 5 * 8 * 8
