"""Loops by blocks: the same values; products next to the scan run inside, never as long as it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from graphc.ir import dim_values
from graphc.ir.node import Node, Tensor
from graphc.ir.walk import topological
from graphc.passes.graph import Graph
from graphc.passes.loops import block_loops
from graphc.passes.pipeline import optimise

RNG = np.random.default_rng(0)
LENGTHS = (0, 1, 31, 32, 33, 100)


def draw(*shape: int, dtype: str = "float64") -> np.ndarray:
    return RNG.uniform(-1, 1, shape).astype(dtype)


def optimised(inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> list[Node]:
    return topological(optimise(Graph(tuple(inputs), tuple(outputs))).results)


def names(nodes: Sequence[Node]) -> list[str]:
    return [node.op.name for node in nodes]


def recurrent(w: Tensor, u: Tensor, x: Tensor, reverse: bool = False) -> tuple[Tensor, Tensor]:
    """The last and all states of h = tanh(h w + x u)."""

    def step(h: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        new = gc.tanh(h @ w + z)
        return new, new

    last, rows = gc.scan(step, gc.zeros((3, 4), gc.float64), x @ u, reverse=reverse)
    return last, rows


def symbols(length: int | str) -> tuple[Tensor, Tensor, Tensor]:
    return (
        gc.placeholder("x", (length, 3, 5), gc.float64),
        gc.placeholder("u", (5, 4), gc.float64),
        gc.placeholder("w", (4, 4), gc.float64),
    )


def arena(run: gc.Executable) -> int:
    assert run.program is not None
    return dim_values.evaluate(run.program.plan.arena_bytes, {})


def alike(
    inputs: Sequence[Tensor],
    outputs: Any,
    feeds: Sequence[Any],
    target: str,
    without: bool = False,
) -> None:
    """Against the reference with and without blocks, and if so asked, without them compiled."""
    ways = [(target, ()), ("reference", ()), ("reference", ("block_loops",))]
    if without:
        ways.append((target, ("block_loops",)))
    runs = [gc.compile(inputs, outputs, target=t, disable=off) for t, off in ways]
    for feed in feeds:
        results = [run(*feed) for run in runs]
        for other in results[1:]:
            for ours, theirs in zip(results[0], other, strict=True):
                np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
def test_blocks_change_no_value_and_no_gradient(reverse: bool) -> None:
    x, u, w = symbols("time")
    last, rows = recurrent(w, u, x, reverse)
    loss = gc.sum(last * last) + gc.sum(gc.sin(rows))
    outputs = [last, rows, *gc.grad(loss, [x, u, w])]
    assert "blocks" in names(optimised([x, u, w], outputs))
    feeds = [(draw(n, 3, 5), draw(5, 4), draw(4, 4)) for n in LENGTHS]
    alike([x, u, w], outputs, feeds, "cpu", without=True)


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
def test_numba_runs_blocks(reverse: bool) -> None:
    x, u, w = symbols("time")
    last, rows = recurrent(w, u, x, reverse)
    run = gc.compile([x, u, w], [last, rows], target="numba")
    for n in (1, 33):
        feed = draw(n, 3, 5), draw(5, 4), draw(4, 4)
        wanted = gc.compile([x, u, w], [last, rows], target="reference")(*feed)
        for ours, theirs in zip(run(*feed), wanted, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(("length", "exact"), [(128, True), (66, True), (67, False)])
def test_known_lengths_are_cut_too(
    length: int, exact: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(block_loops, "WHOLE_BYTES", 0)
    x, u, w = symbols(length)
    (node,) = [n for n in optimised([x, u, w], recurrent(w, u, x)) if n.op.name == "blocks"]
    assert (node.attrs["rows"] is None) == exact
    assert not exact or length % node.attrs["most"] == 0
    last, rows = recurrent(w, u, x)
    outputs = [last, *gc.grad(gc.sum(rows * last), [x, u, w])]
    alike([x, u, w], outputs, [(draw(length, 3, 5), draw(5, 4), draw(4, 4))], "cpu")


def test_what_is_handed_over_is_never_as_long_as_the_loop() -> None:
    x, u, w = symbols(100_000)
    last, _ = recurrent(w, u, x)
    grads = gc.grad(gc.sum(last), [u, w])
    for outputs, kept in (([last], 0), (grads, 2)):
        blocks = gc.compile([x, u, w], outputs)
        whole = gc.compile([x, u, w], outputs, disable=["block_loops"])
        row = 8 * 3 * 4
        assert arena(blocks) < 100_000 * row * kept + 100_000
        assert arena(whole) >= 100_000 * row * (kept + 1)


def test_a_step_without_products_around_stays_as_it_is() -> None:
    x = gc.placeholder("x", ("time", 3), gc.float64)
    last, rows = gc.scan(lambda c, v: (c * v, c), gc.zeros((3,), gc.float64), gc.exp(x))
    assert "blocks" not in names(optimised([x], [last, rows]))


def test_a_product_that_others_read_stays_outside() -> None:
    x, u, w = symbols("time")
    z = x @ u
    last, _ = gc.scan(lambda h, v: (gc.tanh(h @ w + v), None), gc.zeros((3, 4), gc.float64), z)
    assert "blocks" not in names(optimised([x, u, w], [last, z]))
    last, _ = gc.scan(lambda h, v: (h * gc.sum(z) + v, None), gc.zeros((3, 4), gc.float64), z)
    assert "blocks" not in names(optimised([x, u, w], [last]))


def test_rows_that_are_also_read_whole_stay_whole() -> None:
    x, u, w = symbols("time")

    def states(z: Tensor) -> Tensor:
        return gc.scan(lambda h, v: (gc.tanh(h @ w + v),) * 2, gc.zeros((3, 4), gc.float64), z)[1]

    h = states(x @ u)
    alike_h = gc.einsum("tbi,sbi->ts", h, h)
    length = gc.einsum("tbi,sbi->ts", x, x)
    near = gc.einsum("ts,sbi->tbi", length * 0.01, x)
    mixed = states((x + near) @ u)
    seen = gc.scan(lambda c, v: (c + gc.sum(v * v), gc.cos(v[0] * c)), gc.sum(u), length)
    feeds = [(draw(n, 3, 5), draw(5, 4), draw(4, 4)) for n in (1, 33, 70)]
    for outputs in ([alike_h], [mixed], [*seen], [gc.grad(gc.sum(alike_h) + gc.sum(mixed), u)]):
        alike([x, u, w], outputs, feeds, "cpu")


def test_sums_of_16_bits_are_not_cut() -> None:
    x = gc.placeholder("x", ("time", 3, 4), gc.float16)

    def loop(h: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        return h + v, h * v

    _, rows = gc.scan(loop, gc.zeros((3, 4), gc.float16), x)
    product = gc.einsum("tbi,tbj->ij", rows, x)
    assert "blocks" not in names(optimised([x], [product]))


def test_a_sum_that_needs_the_last_state_comes_after_the_loop() -> None:
    x, u, w = symbols("time")
    last, rows = recurrent(w, u, x)
    outputs = [gc.einsum("tbi,tbj->ij", rows, rows * last), gc.sum(rows, axis=0)]
    alike([x, u, w], outputs, [(draw(70, 3, 5), draw(5, 4), draw(4, 4))], "cpu")


@pytest.mark.parametrize(("layers", "bidirectional"), [(2, False), (1, True)])
def test_layers_above_and_beside_each_other(layers: int, bidirectional: bool) -> None:
    layer = nn.LSTM(5, 4, layers, bidirectional, dtype=gc.float64)
    x = gc.placeholder("x", ("time", 3, 5), gc.float64)
    h, _ = layer(x)
    outputs = [h, *gc.grad(gc.sum(h * h), [x, *layer.parameters()])]
    assert names(optimised([x], [h])).count("blocks") == 2
    alike([x], outputs, [(draw(n, 3, 5),) for n in (1, 45)], "cpu")


def test_loops_by_blocks_inside_a_loop() -> None:
    xs = gc.placeholder("xs", (3, "time", 3, 5), gc.float64)
    _, u, w = symbols("time")

    def outer(c: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        last, rows = recurrent(w, u * c, x)
        return c + gc.sum(last), gc.sum(rows)

    last, sums = gc.scan(outer, gc.sum(u) * 0 + 1, xs)
    outputs = [last, sums, *gc.grad(last + gc.sum(sums), [xs, u, w])]
    alike([xs, u, w], outputs, [(draw(3, 40, 3, 5), draw(5, 4), draw(4, 4))], "cpu")


@pytest.mark.parametrize("target", ["cpu", "numba"])
def test_a_check_in_a_block_is_told_and_leaves_variables_alone(target: str) -> None:
    x, u, w = symbols("time")
    places = gc.placeholder("places", ("time",), gc.int64)
    calls = gc.variable(0.0, name="calls", dtype=gc.float64)

    def step(h: Tensor, now: tuple[Tensor, Tensor]) -> tuple[Tensor, None]:
        z, k = now
        return gc.tanh(h @ w + z) * gc.take(w, k, axis=0), None

    last, _ = gc.scan(step, gc.zeros((3, 4), gc.float64), (x @ u, places))
    run = gc.compile([x, u, w, places], last, {calls: calls + 1}, target=target)
    feeds = draw(80, 3, 5), draw(5, 4), draw(4, 4)
    good = np.zeros(80, np.int64)
    assert "blocks" in names(optimised([x, u, w, places], [last]))
    first = run(*feeds, good)
    for wrong in (3, 79):
        bad = good.copy()
        bad[wrong] = 4 + wrong
        with pytest.raises(IndexError, match=f"index {4 + wrong} is out of range"):
            run(*feeds, bad)
    np.testing.assert_array_equal(run(*feeds, good), first)
    assert calls.value == 2
