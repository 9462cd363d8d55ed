"""Loops and branches: values, gradients, batching and errors, against the same thing unrolled."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.ir.errors import DTypeError, GradientError, GraphError, ShapeError
from graphc.ir.node import Tensor
from tests.support.run import TARGETS, evaluate

STEPS, WIDTH = 4, 3

on_targets = pytest.mark.parametrize("target", TARGETS)
Step = Callable[[Any, Any], tuple[Any, Any]]


def draw(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).uniform(-1, 1, shape)


def symbols(**arrays: np.ndarray) -> tuple[list[Tensor], dict[Tensor, np.ndarray]]:
    xs = [gc.placeholder(name, a.shape, a.dtype) for name, a in arrays.items()]
    return xs, dict(zip(xs, arrays.values(), strict=True))


def unrolled(f: Step, init: Any, xs: Tensor, reverse: bool = False) -> tuple[Any, Tensor]:
    """What a scan over an array of known length means."""
    steps = range(xs.node.types[0].shape[0])  # type: ignore[arg-type]
    carry, ys = init, {}
    for t in reversed(steps) if reverse else steps:
        carry, ys[t] = f(carry, xs[t])
    return carry, gc.stack([ys[t] for t in steps])


def alike(ours: Sequence[Tensor], theirs: Sequence[Tensor], feeds: Any, target: str) -> None:
    """Asserts that both graphs have the same values."""
    found = evaluate(ours, feeds, target)
    wanted = evaluate(theirs, feeds, "reference")
    for x, y in zip(found, wanted, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-11, strict=True)


def derivatives(results: Sequence[Tensor], wrt: Sequence[Tensor]) -> list[Tensor]:
    """Gradients of a function of the results, and gradients of their squares."""
    loss = sum((gc.sum(gc.sin(y) * y) for y in results[1:]), start=gc.sum(gc.cos(results[0])))
    first = gc.grad(loss, list(wrt))
    second = gc.grad(sum(gc.sum(g * g * 0.5) for g in first), list(wrt))
    return [*first, *second]


def recurrent(w: Tensor, u: Tensor) -> Step:
    """A step of a recurrent network that reads two tensors of the graph around it."""

    def step(h: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        new = gc.tanh(h @ w + x @ u)
        return new, new * h

    return step


STEP_FUNCTIONS: dict[str, Step] = {
    "sum": lambda c, x: (c + x, c * x),
    "same carry": lambda c, x: (c, c * x),
    "forgotten carry": lambda c, x: (x * 2, c),
    "carry as row": lambda c, x: (gc.sin(c * x), c),
    "element as row": lambda c, x: (c * x, x),
    "new carry as row": lambda c, x: ((new := gc.tanh(c) + x), new),
    "reduction": lambda c, x: (c / gc.sum(gc.exp(c)), gc.max(x * c)),
    "constant row": lambda c, x: (c * x, gc.ones((2,), gc.float64)),
    "index": lambda c, x: (c + x * gc.arange(WIDTH).astype(gc.float64), c[1]),
}


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


@on_targets
@pytest.mark.parametrize("start", [-3.0, 1.0, 200.0])
def test_a_while_loop_runs_until_its_condition_fails(start: float, target: str) -> None:
    (x,), feeds = symbols(x=np.array([start, 0.5]))
    y = gc.while_loop(lambda c: c[0] < 100, lambda c: c * 2 + 7, x)
    wanted = feeds[x]
    while wanted[0] < 100:
        wanted = wanted * 2 + 7
    np.testing.assert_array_equal(evaluate([y], feeds, target)[0], wanted)


@on_targets
def test_a_while_loop_carries_several_values_and_reads_others(target: str) -> None:
    (x, limit), feeds = symbols(x=draw(4, 4), limit=np.array(1e4))
    steps, power = gc.while_loop(
        lambda c: (c[0] < 50) & (gc.sum(c[1] * c[1]) < limit),
        lambda c: (c[0] + 1, c[1] @ x * 1.7),
        (gc.constant(0), x),
    )
    count, wanted = 0, feeds[x]
    while count < 50 and (wanted * wanted).sum() < 1e4:
        count, wanted = count + 1, wanted @ feeds[x] * 1.7
    found = evaluate([steps, power], feeds, target)
    np.testing.assert_array_equal(found[0], count)
    np.testing.assert_allclose(found[1], wanted, rtol=1e-9)


@on_targets
def test_each_element_of_a_batched_while_loop_stops_by_itself(target: str) -> None:
    (x,), feeds = symbols(x=np.array([1.0, 3.0, 50.0, 200.0, -1.0]))

    def count(x: Tensor) -> Any:
        return gc.while_loop(
            lambda c: c[1] < 100, lambda c: (c[0] + 1, c[1] * 2 + 3), (gc.constant(0), x)
        )

    wanted = []
    for v in feeds[x]:
        steps = 0
        while v < 100:
            steps, v = steps + 1, v * 2 + 3
        wanted.append((steps, v))
    found = evaluate(list(gc.vmap(count)(x)), feeds, target)
    for ours, theirs in zip(found, zip(*wanted, strict=True), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@on_targets
def test_a_bounded_while_loop_stops_early_and_has_gradients(target: str) -> None:
    (x,), feeds = symbols(x=np.array([1.5, 0.2]))
    y = gc.while_loop(lambda c: c[0] < 10, lambda c: c * x, x, max_steps=8)
    cut = gc.while_loop(lambda c: c[0] < 10, lambda c: c * x, x, max_steps=2)
    slopes = gc.grad(gc.sum(y), [x])
    powers = 6  # 1.5 ** 6 is the first above 10
    wanted = [x**powers, x**3, x ** (powers - 1) * powers]
    alike([y, cut, *slopes], wanted, feeds, target)


@on_targets
@pytest.mark.parametrize("flag", [True, False])
def test_cond_takes_one_branch_in_values_and_gradients(flag: bool, target: str) -> None:
    (x, p), feeds = symbols(x=draw(WIDTH), p=np.array(flag))

    def branch(x: Tensor) -> Any:
        return gc.sin(x) * 2, gc.sum(x)

    y = gc.cond(p, branch, lambda x: (x * x, x[0] * 0 + 1), x)
    wanted = branch(x) if flag else (x * x, gc.constant(np.array(1.0)))
    alike([*y, *derivatives(y, [x])], [*wanted, *derivatives(wanted, [x])], feeds, target)


@on_targets
@pytest.mark.parametrize("index", [-2, 0, 1, 2, 9])
def test_switch_clips_its_index(index: int, target: str) -> None:
    (i, x), feeds = symbols(i=np.array(index), x=draw(WIDTH))
    branches = [lambda x: x + 1, lambda x: gc.exp(x), lambda x: x * gc.sum(x)]
    y = gc.switch(i, branches, x)
    wanted = branches[min(max(index, 0), 2)](x)
    alike([y, *gc.grad(gc.sum(y), [x])], [wanted, *gc.grad(gc.sum(wanted), [x])], feeds, target)


@on_targets
def test_a_batched_switch_chooses_for_each_element(target: str) -> None:
    (i, x), feeds = symbols(i=np.array([2, 0, 1, 7]), x=draw(4, WIDTH))
    branches = [lambda x: x + 1, lambda x: gc.exp(x), lambda x: x * gc.sum(x)]
    y = gc.vmap(lambda i, x: gc.switch(i, branches, x))(i, x)
    wanted = gc.stack([branches[min(k, 2)](x[n]) for n, k in enumerate([2, 0, 1, 7])])
    alike([y], [wanted], feeds, target)


def test_only_the_branch_taken_is_computed() -> None:
    table = gc.placeholder("table", (3,))
    i = gc.placeholder("i", (), gc.int64)
    safe = gc.cond(i < 3, lambda: gc.take(table, i), lambda: gc.constant(-1.0))
    run = gc.compile([table, i], safe)
    assert run(np.arange(3, dtype=np.float32), 7) == -1
    assert run(np.arange(3, dtype=np.float32), 2) == 2


def test_many_steps_need_no_more_memory_than_one() -> None:
    x = gc.placeholder("x", (100,))
    last, _ = gc.scan(lambda c, _: (gc.tanh(gc.cumsum(c)), None), x, length="steps")
    n = gc.placeholder("n", ("steps",))
    memory = gc.compile([x, n], last).memory
    assert memory.at(steps=1_000_000).arena == memory.at(steps=1).arena


def test_a_carry_must_keep_its_type() -> None:
    x = gc.placeholder("x", (3,))
    with pytest.raises(DTypeError, match=r"carry 0 comes in as f32.* but the body makes f64"):
        gc.scan(lambda c, _: (c.astype(gc.float64), None), x, length=2)
    with pytest.raises(ShapeError, match="carry 0 comes in as"):
        gc.scan(lambda c, _: (gc.stack([c, c]), None), x, length=2)
    with pytest.raises(GraphError, match="the carry has 1 tensors, but the step gives 2"):
        gc.scan(lambda c, _: ((c, c), None), x, length=2)


def test_a_scan_needs_lengths_that_agree() -> None:
    x, y = gc.placeholder("x", (3,)), gc.placeholder("y", (4,))
    with pytest.raises(ShapeError, match="a scan over lengths 3 and 4"):
        gc.scan(lambda c, v: (c, None), x, (x, y))
    with pytest.raises(GraphError, match="a scan needs xs or a length"):
        gc.scan(lambda c, v: (c, None), x)
    with pytest.raises(ShapeError, match="a scalar has none"):
        gc.scan(lambda c, v: (c, None), x, gc.constant(1.0))


def test_a_step_must_give_a_pair() -> None:
    x = gc.placeholder("x", (3,))
    with pytest.raises(GraphError, match=r"must give \(carry, y\)"):
        gc.scan(lambda c, v: c, x, x)


def test_branches_must_give_the_same_types() -> None:
    x = gc.placeholder("x", (3,))
    with pytest.raises(ShapeError, match=r"branch 0 gives .*, but branch 1 gives"):
        gc.cond(x[0] > 0, lambda x: x, lambda x: x[:2], x)
    with pytest.raises(GraphError, match="they must agree"):
        gc.cond(x[0] > 0, lambda x: (x, x), lambda x: x, x)
    with pytest.raises(ShapeError, match="must be a scalar"):
        gc.cond(x > 0, lambda x: x, lambda x: x, x)


def test_a_condition_must_be_one_bool() -> None:
    x = gc.placeholder("x", (3,))
    with pytest.raises(DTypeError, match="must be one bool"):
        gc.while_loop(lambda c: c > 0, lambda c: c, x)


def test_an_unbounded_while_loop_has_no_gradient() -> None:
    x = gc.placeholder("x", ())
    y = gc.while_loop(lambda c: c < 9, lambda c: c * 2, x)
    with pytest.raises(GradientError, match="max_steps"):
        gc.grad(y, [x])
