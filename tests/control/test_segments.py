"""Scans in segments: the values and gradients of a scan, with memory for the root of its length."""

import itertools
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from graphc.ir.errors import GraphError
from graphc.ir.node import Tensor
from tests.control.unrolling import (
    STEP_FUNCTIONS,
    STEPS,
    WIDTH,
    alike,
    derivatives,
    draw,
    on_targets,
    recurrent,
    symbols,
)

LENGTHS = (100, 400, 1600, 6400)


@pytest.mark.parametrize(
    ("segment", "reverse", "target"),
    [
        *itertools.product([1, 2, 3, 9, "sqrt"], [False, True], ["reference"]),
        (3, True, "cpu"),
    ],
)
def test_segments_change_no_value_and_no_derivative(
    segment: Any, reverse: bool, target: str
) -> None:
    (h, x, w, u), feeds = symbols(
        h=draw(2, WIDTH), x=draw(7, 2, 5), w=draw(WIDTH, WIDTH), u=draw(5, WIDTH)
    )
    step, wrt = recurrent(w, gc.exp(u)), [h, x, w, u]
    ours = gc.scan(step, h, x, None, reverse, segment)
    theirs = gc.scan(step, h, x, None, reverse)
    alike([*ours, *derivatives(ours, wrt)], [*theirs, *derivatives(theirs, wrt)], feeds, target)


@pytest.mark.parametrize("name", STEP_FUNCTIONS)
def test_any_step_may_run_in_segments(name: str) -> None:
    f = STEP_FUNCTIONS[name]
    (c, x), feeds = symbols(c=draw(WIDTH), x=draw(STEPS + 1, WIDTH))
    ours, theirs = gc.scan(f, c, x, segment=2), gc.scan(f, c, x)
    found, wanted = ([*r, *derivatives(r, [c, x])] for r in (ours, theirs))
    alike(found, wanted, feeds, "reference")


def test_segments_of_structures_integers_and_no_elements() -> None:
    (c,), feeds = symbols(c=draw(WIDTH))

    def step(state: Any, _: None) -> tuple[Any, Any]:
        return {"t": state["t"] + 1, "c": gc.sin(state["c"])}, {"rows": (state["t"], None)}

    start = {"t": gc.constant(3), "c": c}
    (ours, kept), (theirs, rows) = (gc.scan(step, start, length=5, segment=s) for s in (2, None))
    slopes = [gc.grad(gc.sum(last["c"]), [c])[0] for last in (ours, theirs)]
    alike(
        [ours["t"], ours["c"], kept["rows"][0], slopes[0]],
        [theirs["t"], theirs["c"], rows["rows"][0], slopes[1]],
        feeds,
        "reference",
    )
    assert kept["rows"][1] is None
    assert gc.scan(lambda c, _: (c * 2, None), c, length=5, segment=2)[1] is None


@on_targets
def test_one_compilation_cuts_any_length(target: str) -> None:
    x = gc.placeholder("x", ("n", WIDTH), gc.float64)
    c = gc.placeholder("c", (WIDTH,), gc.float64)

    def results(segment: int | None) -> list[Tensor]:
        last, rows = gc.scan(lambda c, v: (gc.sin(c) * v, c * v), c, x, segment=segment)
        return [last, rows, *gc.grad(gc.sum(last) + gc.sum(rows * rows), [c, x])]

    cut, plain = (gc.compile([c, x], results(s), target=target) for s in (4, None))
    for n in (0, 1, 3, 4, 11, 12):
        for ours, theirs in zip(cut(draw(3), draw(n, 3)), plain(draw(3), draw(n, 3)), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14, strict=True)


def test_vmap_of_segments_is_segments_for_each() -> None:
    (c, x), feeds = symbols(c=draw(3, 2), x=draw(3, 5, 2))

    def slope(segment: int | None) -> Any:
        def one(c: Tensor, x: Tensor) -> Tensor:
            last, rows = gc.scan(lambda c, v: (gc.sin(c) * v, c * c), c, x, segment=segment)
            return gc.grad(gc.sum(last) + gc.sum(rows), [x])[0]

        return gc.vmap(one)(c, x)

    alike([slope(2)], [slope(None)], feeds, "reference")


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU", "LightGRU"])
@pytest.mark.parametrize("segment", [2, 3, "sqrt"])
def test_recurrent_layers_in_segments_are_the_same_layers(name: str, segment: Any) -> None:
    options = {"bidirectional": True, "dtype": "float64", "seed": 0}
    layers = [getattr(nn, name)(3, 2, segment=s, **options) for s in (segment, None)]
    layers[0].load_state_dict(layers[1].state_dict())
    (x,), feeds = symbols(x=draw(8, 4, 3))
    found = []
    for layer in layers:
        h, last = layer(x, lengths=np.array([8, 1, 5, 7]))
        loss = gc.sum(gc.sin(h)) + gc.sum(gc.cos(gc.concat([*nn_leaves(last)], axis=-1)))
        found.append([h, *gc.grad(loss, [x, *layer.parameters()])])
    alike(found[0], found[1], feeds, "reference")


def nn_leaves(states: list[Any]) -> list[Tensor]:
    return [y for s in states for y in (s if isinstance(s, tuple) else (s,))]


def lstm_arena(cell: nn.Cell, length: int | str, segment: Any) -> Any:
    """The memory of a gradient beside arguments, results and variables."""
    x = gc.placeholder("x", (length, 2, 4), gc.float32)
    _, (h, _) = nn.unroll(cell, x, segment=segment)
    return gc.compile([x], gc.grad(gc.sum(h), cell.parameters())).memory


def test_memory_of_an_lstm_in_segments_grows_as_the_root_of_its_length() -> None:
    cell = nn.LSTMCell(4, 8, seed=0)
    grown = np.diff([lstm_arena(cell, n, "sqrt").arena for n in LENGTHS])
    np.testing.assert_allclose(grown[1:] / grown[:-1], 2, rtol=0.04)
    plain = lstm_arena(cell, "n", None)
    whole = np.diff([plain.at(n=n).arena for n in LENGTHS])
    np.testing.assert_allclose(whole[1:] / whole[:-1], 4, rtol=0.03)
    assert whole[-1] > 20 * grown[-1]


def test_memory_of_a_scan_in_segments_grows_as_the_root_of_its_length() -> None:
    w = gc.placeholder("w", (8, 8))

    def arena(length: int) -> Any:
        x = gc.placeholder("x", (length, 8))
        last, _ = gc.scan(
            lambda c, v: (gc.tanh(c @ w + v), None), gc.zeros((8,)), x, segment="sqrt"
        )
        return gc.compile([w, x], gc.grad(gc.sum(last), w)).memory.arena

    grown = np.diff([arena(n) for n in LENGTHS])
    np.testing.assert_allclose(grown[1:] / grown[:-1], 2, rtol=0.03)


def test_segments_that_are_no_lengths_are_refused() -> None:
    x = gc.placeholder("x", ("n", 2))
    with pytest.raises(GraphError, match="above 0, or 'sqrt', not 0"):
        gc.scan(lambda c, v: (c, None), x[0], x, segment=0)
    with pytest.raises(GraphError, match="above 0, or 'sqrt', not 'half'"):
        gc.scan(lambda c, v: (c, None), x[0], x, segment="half")  # type: ignore[arg-type]
    with pytest.raises(GraphError, match="the root of n is not known"):
        gc.scan(lambda c, v: (c, None), x[0], x, segment="sqrt")
