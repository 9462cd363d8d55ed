"""What the tests of sequence models share: the fixture of catalogue 3, checks of gradients that
compile once, and tasks to learn.
"""

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim
from tests.systems.catalogue import CS, S, run, symbols

T, N, D, H = 4, 2, 3, 5


def fixture(cell, blocks, bias=True):
    """The cell with the catalogue's weights as arguments: feeds and x."""
    arrays = {"x": S(0, T, N, D), "Wx": S(1, D, blocks * H) / 2, "Wh": S(2, H, blocks * H) / 2}
    if bias:
        arrays["b"] = S(3, blocks * H) / 2
    feeds = symbols(**arrays)
    x, cell.input_weight, cell.state_weight, *rest = feeds
    if bias:
        (cell.bias,) = rest
    return feeds, x


def make(kind, **options):
    """A cell of the fixture's sizes in float64."""
    return kind(D, H, dtype="float64", **options)


def checksum(y):
    """CS as a graph."""
    weights = np.cos(np.arange(int(np.prod(y.shape)))).reshape(y.shape)
    return gc.sum(y * gc.constant(weights))


def differentiated(outputs, loss, feeds, wrt=None, count=2):
    """Values of the outputs, and gradients of the loss for `wrt` (every floating feed): CPU and
    reference agree on both, and gradients with central differences at some elements.
    """
    wrt = [x for x in feeds if x.dtype.is_float] if wrt is None else wrt
    graph = [*outputs, *gc.grad(loss, wrt), loss]
    native = gc.compile(list(feeds), graph)
    values, meant = native(*feeds.values()), run(graph, feeds, "reference")
    for a, b in zip(values, meant, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-11 * max(1.0, np.abs(b).max()))
    grads = values[len(outputs) : -1]
    rng = np.random.default_rng(0)
    for x, g in zip(wrt, grads, strict=True):
        for k in rng.choice(g.size, min(count, g.size), replace=False):
            step = 1e-6 * max(1.0, abs(feeds[x].flat[k]))
            sides = []
            for move in (step, -step):
                moved = feeds[x].copy()
                moved.flat[k] += move
                sides.append(float(native(*{**feeds, x: moved}.values())[-1]))
            slope = (sides[0] - sides[1]) / (2 * step)
            scale = max(1.0, abs(slope), float(np.abs(g).max()))
            assert abs(slope - g.flat[k]) <= 1e-6 * scale, (str(x), k, g.flat[k], slope)
    return values[: len(outputs)], grads


def expect_cell(cell, blocks, printed, slopes=None, bias=True):
    """CS of h as printed, and of the gradients of CS(h_T) for Wx, Wh, b; the last state."""
    feeds, x = fixture(cell, blocks, bias)
    h, last = nn.unroll(cell, x)
    flat = list(last) if isinstance(last, tuple) else [last]
    (found, *states), grads = differentiated([h, *flat], checksum(h[-1]), feeds)
    assert CS(found) == pytest.approx(printed, abs=1e-9)
    if slopes is not None:
        np.testing.assert_allclose([CS(g) for g in grads[1:]], slopes, atol=1e-9)
    return states


def falls(layer, inputs=2, size=4, steps=60):
    """A layer with a linear head learns to add up what it saw: the loss falls at least by half."""
    x = gc.placeholder("x", ("time", "batch", inputs), gc.float32)
    head = nn.Dense(size, 1, seed=1)
    h, _ = layer(x)
    loss = nn.mse(head(h), gc.cumsum(gc.sum(x, 2, keepdims=True), axis=0))
    learns(loss, layer.parameters() + head.parameters(), {x: S(0, 5, 3, inputs)}, steps)


def learns(loss, parameters, feeds=None, steps=60, rate=0.03, part=0.5):
    """Adam brings the loss below this part of the first; returns the losses."""
    feeds = feeds or {}
    step = gc.compile(list(feeds), loss, updates=optim.Adam(rate).updates(loss, parameters))
    given = [np.asarray(a).astype(x.dtype.numpy) for x, a in feeds.items()]
    losses = [float(step(*given)) for _ in range(steps)]
    assert losses[-1] < part * losses[0], losses[:: max(1, len(losses) - 1)]
    return losses
