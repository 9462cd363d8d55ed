"""Recurrent cells and layers (catalogue 3, A)."""

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from graphc.nn.recurrent import unroll
from tests.systems.catalogue import CS, S, both, row, run, symbols
from tests.systems.sequences import (
    D,
    H,
    N,
    T,
    checksum,
    differentiated,
    expect_cell,
    falls,
    fixture,
    make,
)

CELLS, LAYERS = "graphc/nn/cells.py", "graphc/nn/recurrent.py"


@row("RNN-01", "graphc/control.py")
def test_rnn_01_driven_dynamical_system():
    """For two maps f the scan equals a Python loop, and no steps give the first state back."""
    for f in (lambda s, x: 0.5 * s * (1 - s) + x, lambda s, x: gc.sin(s) * x - s):
        x = gc.placeholder("x", ("time", 3), gc.float64)
        start = S(5, 3)
        last, states = gc.scan(lambda s, u, f=f: (f(s, u),) * 2, gc.constant(start), x)
        data = S(0, 6, 3)
        found = run([last, states], {x: data})
        symbol, s = gc.constant(start), []
        for row_ in data:
            symbol = f(symbol, gc.constant(row_))
            s.append(symbol)
        np.testing.assert_allclose(found[1], both(gc.stack(s)), rtol=1e-13)
        np.testing.assert_array_equal(run(last, {x: data[:0]}), start)


@row("RNN-02", CELLS)
def test_rnn_02_elman_network():
    """CS of h and of three gradients as printed; one set of parameters serves any length; a layer
    learns.
    """
    cell = make(nn.RNNCell)
    expect_cell(cell, 1, -3.609504918, [-1.468547852, 3.950459007, 2.633157463])
    falls(nn.RNN(2, 4, seed=0))


@row("RNN-03", LAYERS)
def test_rnn_03_one_to_many_many_to_one_many_to_many():
    """The same input at every step, a loss at the end alone, and a mean of losses over all steps:
    three losses of one network, with gradients by differences.
    """
    cell = make(nn.RNNCell)
    feeds, x = fixture(cell, 1)
    same = gc.broadcast_to(x[:1], x.shape)
    h, last = unroll(cell, x)
    steps = gc.mean(h * h, axis=(1, 2))
    losses = [gc.mean(unroll(cell, same)[0]), gc.mean(last * last), gc.mean(steps)]
    total = sum(losses[1:], losses[0])
    (values, one_to_many, many_to_one, many_to_many), _ = differentiated([h, *losses], total, feeds)
    np.testing.assert_allclose(many_to_one, np.mean(values[-1] ** 2))
    np.testing.assert_allclose(many_to_many, np.mean([np.mean(v**2) for v in values]))
    assert one_to_many != pytest.approx(np.mean(values))


@row("RNN-04", "graphc/control.py")
def test_rnn_04_output_to_hidden():
    """CS of o as printed; with targets fed in, the gradient is the sum of those of single steps."""
    feeds = symbols(
        x=S(0, T, N, D), Wx=S(1, D, H) / 2, Wo=S(2, 2, H) / 2, V=S(5, H, 2) / 2, b=S(3, H) / 2
    )
    x, Wx, Wo, V, b = feeds

    def step(o, given):
        o = gc.tanh(given @ Wx + o @ Wo + b) @ V
        return o, o

    _, o = gc.scan(step, gc.zeros((N, 2), "float64"), x)
    (values,), _ = differentiated([o], checksum(o), feeds)
    assert CS(values) == pytest.approx(-0.266337171, abs=1e-9)
    targets = gc.constant(S(7, T, N, 2))
    before = gc.concat([gc.zeros((1, N, 2), "float64"), targets[:-1]])
    forced = gc.scan(lambda c, g: (c, step(g[1], g[0])[1]), gc.zeros((), "float64"), (x, before))[1]
    alone = [nn.mse(step(before[t], x[t])[1], targets[t], "sum") for t in range(T)]
    whole = gc.grad(nn.mse(forced, targets, "sum"), [Wx, Wo, V])
    parts = [[gc.grad(part, w) for part in alone] for w in (Wx, Wo, V)]
    found = run([*whole, *(sum(p[1:], p[0]) for p in parts)], feeds)
    for a, c in zip(found[:3], found[3:], strict=True):
        np.testing.assert_allclose(a, c, atol=1e-12)


@row("RNN-05", LAYERS)
def test_rnn_05_stacked():
    """Two layers of 20 on 10 inputs: 8 tensors of 1,480 numbers with two biases, 1,440 with one;
    shapes as documented; the second layer reads the h of the first.
    """
    layer = nn.RNN(10, 20, layers=2, state_bias=True, dtype="float64", seed=1)
    assert len(layer.parameters()) == 8
    assert sum(int(np.prod(p.shape)) for p in layer.parameters()) == 1480
    single = nn.RNN(10, 20, layers=2)
    assert sum(int(np.prod(p.shape)) for p in single.parameters()) == 1440
    x = gc.placeholder("x", (5, 1, 10), gc.float64)
    h, last = layer(x)
    assert h[:, 0].shape == (5, 20) and gc.stack(last)[:, 0].shape == (2, 20)
    below, _ = unroll(layer.levels[0], x)
    above, _ = unroll(layer.levels[1], below)
    found = both([h, above], {x: S(0, 5, 1, 10)})
    np.testing.assert_array_equal(found[0], found[1])
    falls(nn.RNN(2, 4, layers=2, seed=0))


@row("RNN-06", LAYERS)
def test_rnn_06_bidirectional():
    """CS as printed with the same weights both ways; reversing x exchanges the halves and reverses
    them; also for LSTM and GRU, and with lengths.
    """
    cell = make(nn.RNNCell)
    feeds, x = fixture(cell, 1)
    h, _ = nn.Recurrent((cell, cell))(x)
    turned, _ = nn.Recurrent((cell, cell))(gc.flip(x, axis=0))
    (values, other), _ = differentiated([h, turned], checksum(h), feeds)
    assert CS(values) == pytest.approx(-0.639280955, abs=1e-9)
    np.testing.assert_allclose(other[::-1, :, H:], values[:, :, :H], atol=1e-14)
    for kind in (nn.LSTM, nn.GRU):
        layer = kind(D, H, bidirectional=True, dtype="float64", seed=2)
        x = gc.placeholder("x", (T, 1, D), gc.float64)
        short = gc.placeholder("short", (2, 1, D), gc.float64)
        padded, _ = layer(x, lengths=[2])
        data = S(0, T, 1, D)
        found = run([padded[:2], layer(short)[0]], {x: data, short: data[:2]})
        np.testing.assert_allclose(found[0], found[1], atol=1e-14)


@row("RNN-07", CELLS)
def test_rnn_07_two_biases():
    """Two biases equal one that is their sum, and get the same gradient."""
    cell, one = make(nn.RNNCell, state_bias=True), make(nn.RNNCell)
    feeds, x = fixture(cell, 1)
    second = gc.placeholder("b2", (H,), gc.float64)
    feeds[second] = S(4, H)
    cell.state_bias = second
    one.input_weight, one.state_weight, one.bias = (
        cell.input_weight, cell.state_weight, cell.bias + second
    )  # fmt: skip
    h, _ = unroll(cell, x)
    loss = checksum(h)
    a, c, left, right = both([h, unroll(one, x)[0], *gc.grad(loss, [cell.bias, second])], feeds)
    np.testing.assert_allclose(a, c, atol=1e-14)
    np.testing.assert_allclose(left, right, atol=1e-13)
