"""Gated cells, cells without training, cells with a memory (catalogue 3, A)."""

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from tests.systems.catalogue import CS, S, both, row, run, symbols
from tests.systems.sequences import (
    D,
    H,
    N,
    checksum,
    differentiated,
    expect_cell,
    falls,
    fixture,
    learns,
    make,
)

CELLS = "graphc/nn/cells.py"


def count(layer):
    return sum(int(np.prod(p.shape)) for p in layer.parameters())


@row("RNN-08", CELLS)
def test_rnn_08_lstm():
    """CS of h, of the last c and of three gradients as printed; 5,920 parameters; it learns."""
    _, c = expect_cell(
        make(nn.LSTMCell), 4, 0.678871319, [-0.876309999, -0.378391814, -0.206833317]
    )
    assert CS(c) == pytest.approx(1.488278884, abs=1e-9)
    assert count(nn.LSTM(10, 20, layers=2, state_bias=True)) == 5920
    falls(nn.LSTM(2, 4, seed=0))


@row("RNN-09", CELLS)
def test_rnn_09_lstm_without_output_tanh():
    """CS as printed; gradients by differences; it learns."""
    expect_cell(make(nn.LSTMCell, squash=None), 4, 0.777874944)
    falls(nn.LSTM(2, 4, squash=None, seed=0))


@row("RNN-10", CELLS)
def test_rnn_10_lstm_keeps_its_cell():
    """The slope of c' by c at fixed h is the forget gate; h within (-1, 1); an open forget gate and
    a shut input gate keep c for 10,000 steps.
    """
    cell = make(nn.LSTMCell)
    feeds = symbols(z=S(0, 2, 4 * H), h=S(1, 2, H), c=S(2, 2, H))
    z, h, c = feeds
    new, kept = cell.step((h, c), z)
    slope = gc.grad(gc.sum(kept), c)
    forget = gc.sigmoid((z + cell.recur(h))[:, H : 2 * H])
    found = both([slope, forget, new], feeds)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-13)
    assert np.all((found[1] > 0) & (found[1] < 1)) and np.abs(found[2]).max() < 1
    gates = np.repeat([-40.0, 40.0, 0.3, 0.3], H)[None]
    steps = gc.placeholder("z", ("time", 1, 4 * H), gc.float64)
    start = S(4, 1, H)
    first = (gc.zeros((1, H), "float64"), gc.constant(start))
    last, _ = gc.scan(lambda s, g: ((s[0], cell.step(s, g)[1]), None), first, steps)
    many = np.broadcast_to(gates, (10_000, 1, 4 * H))
    np.testing.assert_allclose(run(last[1], {steps: many}), start, rtol=1e-11)


@row("RNN-11", "graphc/nn/recurrent.py")
def test_rnn_11_multilayer_lstm():
    """One layer is the single LSTM; of two, each has its own gates and cell, and the second reads
    the first's h.
    """
    one = nn.LSTM(D, H, dtype="float64")
    feeds, x = fixture(one.levels[0], 4)
    two = nn.Recurrent(one.levels[0], nn.LSTMCell(H, H, dtype="float64", seed=3))
    h, last = two(x)
    below, _ = one(x)
    above, state = nn.unroll(two.levels[1], below)
    found = both([below, h, above, last[1][1], state[1]], feeds)
    assert CS(found[0]) == pytest.approx(0.678871319, abs=1e-9)
    np.testing.assert_array_equal(found[1], found[2])
    np.testing.assert_array_equal(found[3], found[4])
    falls(nn.LSTM(2, 4, layers=2, seed=0))


@row("RNN-12", CELLS)
def test_rnn_12_gru():
    """CS of h and three gradients as printed, CS of the form that resets after the product; 4,440
    parameters; both learn.
    """
    expect_cell(make(nn.GRUCell), 3, 1.506010877, [1.263216690, -0.167331927, -1.729699000])
    expect_cell(make(nn.GRUCell, reset_after=True), 3, 1.528899184)
    assert count(nn.GRU(10, 20, layers=2, state_bias=True, reset_after=True)) == 4440
    falls(nn.GRU(2, 4, seed=0))


@row("RNN-13", CELLS)
def test_rnn_13_light_gru():
    """CS with statistics over time and batch as printed; a shut update gate keeps h; it learns."""
    cell = make(nn.LightGRUCell)
    expect_cell(cell, 2, 1.781677341, bias=False)
    held = gc.placeholder("h", (N, H), gc.float64)
    shut = gc.constant(np.concatenate([np.full((N, H), -60.0), S(1, N, H)], axis=1))
    cell.recur = lambda h: gc.zeros((N, 2 * H), "float64")
    np.testing.assert_allclose(run(cell.step(held, shut), {held: S(2, N, H)}), S(2, N, H))
    falls(nn.LightGRU(2, 4, seed=0))


@row("RNN-14", "graphc/nn/cells.py")
def test_rnn_14_echo_state_network():
    """The radius of S_2(5,5) as printed; scaled to 0.9, CS(h_4) as printed; two starts converge; a
    readout by ridge regression solves its normal equations.
    """
    wild = S(2, H, H)
    radius = np.abs(np.linalg.eigvals(wild)).max()
    assert radius == pytest.approx(2.284522006, abs=1e-9)
    cell = make(nn.RNNCell, bias=False)
    feeds, x = fixture(cell, 1, bias=False)
    feeds[cell.state_weight] = wild * (0.9 / radius)
    h, last = nn.unroll(cell, x)
    (found,), _ = differentiated([last], checksum(h), feeds)
    assert CS(found) == pytest.approx(-1.163124181, abs=1e-9)
    long = gc.placeholder("long", (300, 1, D), gc.float64)
    data = 0.3 * S(0, 300, 1, D)
    starts = [gc.zeros((1, H), "float64"), gc.constant(S(9, 1, H))]
    ends = [nn.unroll(cell, long, start=s)[1] for s in starts]
    weights = {cell.input_weight: S(1, D, H) / 2, cell.state_weight: feeds[cell.state_weight]}
    states = nn.unroll(cell, long)[0][:, 0]
    target = gc.constant(np.cos(np.arange(300) / 5)[:, None])
    normal = states.T @ states + 1e-6 * gc.eye(H, dtype="float64")
    readout = gc.linalg.solve(normal, states.T @ target)
    slope = states.T @ (states @ readout - target) + 1e-6 * readout
    *found, left = run([*ends, slope], {long: data, **weights})
    np.testing.assert_allclose(found[0], found[1], atol=1e-9)
    assert np.abs(left).max() < 1e-10


@row("RNN-15", "graphc/nn/memory.py")
def test_rnn_15_neural_turing_machine():
    """Printed addressing and reading; a one-hot address reads and writes exactly; gradients by
    differences; a machine learns to copy.
    """
    feeds = symbols(
        M=S(0, 4, 3), k=S(1, 3), before=np.array([0.1, 0.2, 0.3, 0.4]), s=np.array([0.1, 0.8, 0.1])
    )
    M, k, before, s = feeds
    w = nn.memory_address(M, k, before, 2.0, 0.7, s, 1.5)
    read = nn.memory_read(M, w)
    loss = checksum(nn.memory_write(M, w, gc.sigmoid(k), k)) + gc.sum(read * k)
    found, _ = differentiated([w, read], loss, feeds)
    np.testing.assert_allclose(
        found[0], [0.388237994, 0.117316565, 0.283573854, 0.210871587], atol=1e-9
    )
    np.testing.assert_allclose(found[1], [0.024224864, 0.309491164, 0.310212715], atol=1e-9)
    hot = gc.constant(np.eye(4)[2])
    kept, row_ = run(
        [nn.memory_write(M, hot, gc.ones(3, "float64"), k), nn.memory_read(M, hot)], feeds
    )
    np.testing.assert_array_equal(row_, S(0, 4, 3)[2])
    np.testing.assert_allclose(kept, np.where(np.arange(4)[:, None] == 2, S(1, 3), S(0, 4, 3)))
    machine = nn.TuringMachine(2, 2, size=6, slots=3, width=2, seed=0)
    x = gc.placeholder("x", (6, 4, 2), gc.float32)
    y = machine(gc.concat([x[:3], gc.zeros((3, 4, 2))]))
    bits = (np.random.default_rng(0).random((6, 4, 2)) < 0.5) * 2.0 - 1
    learns(nn.mse(y[3:], x[:3]), machine.parameters(), {x: bits}, steps=150)


@row("RNN-16", CELLS)
def test_rnn_16_universal_machine():
    """Weights set by hand make saturated units compute the parity of any bits: two half steps a
    bit, an OR and an AND, then their exclusive or.
    """
    big = 40.0
    cell = nn.RNNCell(3, 3, activation=gc.sigmoid, dtype="float64")
    # Inputs are (bit, first half?, second half?). Units: OR, AND, parity.
    cell.input_weight.value = big * np.array([[1, 1, 0], [0, 0, -9], [-9, -9, 0.0]])
    cell.state_weight.value = big * np.array([[0, 0, 1], [0, 0, -1], [1, 1, 0.0]])
    cell.bias.value = big * np.array([-0.5, -1.5, -0.5])
    x = gc.placeholder("x", ("time", 1, 3), gc.float64)
    h, _ = nn.unroll(cell, x)
    bits = np.random.default_rng(1).integers(0, 2, 50)
    halves = np.array([[[b, 1, 0], [0, 0, 1]] for b in bits], float).reshape(100, 1, 3)
    found = run(h[1::2, 0, 2], {x: halves})
    np.testing.assert_allclose(found, np.cumsum(bits) % 2, atol=1e-6)
    check = gc.compile([x], gc.grad(gc.sum(h), cell.input_weight))
    assert np.isfinite(check(halves)).all()
