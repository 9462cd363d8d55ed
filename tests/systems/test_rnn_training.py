"""Back-propagation through time and what goes with it (catalogue 3, B)."""

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim
from tests.systems.catalogue import CS, S, both, row, run, symbols
from tests.systems.sequences import (
    D,
    H,
    N,
    T,
    checksum,
    differentiated,
    falls,
    fixture,
    learns,
    make,
)  # fmt: skip

CELLS, LAYERS = "graphc/nn/cells.py", "graphc/nn/recurrent.py"


@row("RNN-18", "passes/derivatives/loop_gradients.py")
def test_rnn_18_back_propagation_through_time():
    """The gradient of a loop equals the written recurrence, that of unrolled steps, and that of
    steps computed again; the small example keeps its factor 2; gradients by differences.
    """
    cell = make(nn.RNNCell)
    feeds, x = fixture(cell, 1)
    h, _ = nn.unroll(cell, x)
    again, _ = nn.unroll(cell, x, segment=2)
    state, steps = cell.start(N), []
    for t in range(T):
        state = cell.step(state, cell.project(x[t]))
        steps.append(state)
    wrt = list(feeds)[1:]
    others = [g for y in (again, gc.stack(steps)) for g in gc.grad(checksum(y), wrt)]
    (values, *found), grads = differentiated([h, *others], checksum(h), feeds, wrt)
    for a, b, c in zip(grads, found[:3], found[3:], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)
        np.testing.assert_allclose(a, c, atol=1e-12)
    late, dWh, db = np.zeros((N, H)), 0, 0
    slopes = np.cos(np.arange(T * N * H)).reshape(T, N, H)
    for t in reversed(range(T)):
        inner = (slopes[t] + late) * (1 - values[t] ** 2)
        dWh = dWh + (values[t - 1].T @ inner if t else 0)
        db, late = db + inner.sum(0), inner @ feeds[wrt[1]].T
    np.testing.assert_allclose(grads[1], dWh, atol=1e-12)
    np.testing.assert_allclose(grads[2], db, atol=1e-12)
    feeds = symbols(u=0.3, w=0.5, v=0.7, x1=1.1, x2=-0.4, y=0.9)
    u, w, v, x1, x2, y = feeds
    h1 = gc.sigmoid(u * x1)
    h2 = gc.sigmoid(u * x2 + w * h1)
    found, (dv, *_) = differentiated([h2], (y - v * h2) ** 2, feeds, [v, u, w])
    assert dv == pytest.approx(-2 * (0.9 - 0.7 * found[0]) * found[0], rel=1e-12)


@row("RNN-19", LAYERS)
def test_rnn_19_truncated_back_propagation():
    """Windows carry their last state as a constant: one window of all steps gives the full
    gradient, earlier windows get exactly none; a state kept between calls goes on where it was.
    """
    cell = make(nn.RNNCell)
    feeds, x = fixture(cell, 1)
    first, held = nn.unroll(cell, x[:2])
    second, _ = nn.unroll(cell, x[2:], start=gc.stop_gradient(held))
    whole, _ = nn.unroll(cell, x)
    outputs = [gc.concat([first, second]), whole, gc.grad(checksum(second), x)]
    outputs += [gc.grad(checksum(second), cell.bias), gc.grad(checksum(whole[2:]), cell.bias)]
    values = both(outputs, feeds)
    np.testing.assert_allclose(values[0], values[1], atol=1e-14)
    assert np.all(values[2][:2] == 0) and np.any(values[2][2:] != 0)
    assert np.abs(values[3] - values[4]).max() > 1e-3
    kept = gc.variable(np.zeros((N, H)), "kept", trainable=False)
    part = gc.placeholder("part", (2, N, D), gc.float64)
    h, last = nn.unroll(cell, part, start=kept)
    call = gc.compile([part, *list(feeds)[1:]], h, updates={kept: last})
    rest = list(feeds.values())
    parts = [call(rest[0][k : k + 2], *rest[1:]) for k in (0, 2)]
    np.testing.assert_allclose(np.concatenate(parts), values[1], atol=1e-14)


@row("RNN-20", "graphc/control.py")
def test_rnn_20_vanishing_and_exploding():
    """A linear loop of 100 steps scales gradients by the hundredth power of the largest absolute
    eigenvalue, though its singular value is above 1 in both cases.
    """
    for radius in (0.9, 1.1):
        W = gc.constant(np.array([[radius, 1.0], [0.0, radius / 2]]))
        h = gc.placeholder("h", (1, 2), gc.float64)
        last, _ = gc.scan(lambda s, _, W=W: (s @ W, None), h, length=100)
        slope = both(gc.grad(last[0, 0], h), {h: S(0, 1, 2)})
        assert slope[0, 0] == pytest.approx(radius**100, rel=1e-11)
        assert radius**100 == pytest.approx({0.9: 2.656e-5, 1.1: 1.378e4}[radius], rel=1e-3)
        assert np.linalg.svd(np.array([[radius, 1.0], [0.0, radius / 2]]))[1][0] > 1


@row("RNN-21", "graphc/optim/optimiser.py")
def test_rnn_21_gradient_clipping():
    """(3, 4) clipped to norm 1 is (0.6, 0.8) and stays with 10, over all parameters together;
    clamped it is (1, 1); the optimisers take the same limit.
    """
    a, b = gc.placeholder("a", (1,), gc.float64), gc.placeholder("b", (1,), gc.float64)
    feeds = {a: np.array([3.0]), b: np.array([4.0])}
    tight, loose = (optim.clip_by_global_norm({"a": a, "b": b}, c) for c in (1.0, 10.0))
    clamped = [gc.clip(x, -1, 1) for x in (a, b)]
    found = both([*tight.values(), *loose.values(), *clamped], feeds)
    np.testing.assert_allclose(np.ravel(found), [0.6, 0.8, 3, 4, 1, 1])
    w = gc.variable(np.zeros(2), "w")
    loss = gc.sum(w * gc.constant(np.array([3.0, 4.0])))
    gc.compile([], loss, updates=optim.SGD(1.0, clip_norm=1.0).updates(loss, [w]))()
    np.testing.assert_allclose(w.value, [-0.6, -0.8])


@row("RNN-22", CELLS)
def test_rnn_22_teacher_forcing():
    """A graph fed with targets trains; one fed with its own words, of the same weights, then says
    the whole sequence by itself; where the model is right both agree.
    """
    words = np.array([0, 3, 1, 2, 4, 1, 3])
    cell, head = nn.GRUCell(5, 8, seed=0), nn.Dense(8, 5, seed=1)
    x = gc.one_hot(gc.constant(words[:-1])[:, None], 5)
    h, _ = nn.unroll(cell, x)
    forced = head(h)
    loss = nn.cross_entropy(forced[:, 0], gc.constant(words[1:]))
    learns(loss, cell.parameters() + head.parameters(), steps=150, part=0.1)

    def step(state, word):
        state = cell.step(state, cell.project(gc.one_hot(word, 5)))
        return head(state), state

    free = nn.greedy(step, cell.start(1), gc.constant(words[:1]), 6, end=9)
    said, told = run([free, gc.argmax(forced, -1)])
    np.testing.assert_array_equal(said[0], words[1:])
    np.testing.assert_array_equal(told[:, 0], words[1:])


@row("RNN-23", LAYERS)
def test_rnn_23_initial_state():
    """Zeros, noise from a key, or a learnt state, whose gradient is that which step 1 passes on and
    which falls in training.
    """
    cell = make(nn.RNNCell)
    feeds, x = fixture(cell, 1)
    h0 = gc.placeholder("h0", (N, H), gc.float64)
    feeds[h0] = S(9, N, H)
    h, last = nn.unroll(cell, x, start=h0)
    first = cell.step(h0, cell.project(x[0]))
    _, end = nn.unroll(cell, x[1:], start=first)
    slope = gc.grad(checksum(end), first)
    (passed, hidden), grads = differentiated([slope, first], checksum(last), feeds)
    weights = feeds[cell.state_weight]
    np.testing.assert_allclose(grads[-1], (passed * (1 - hidden**2)) @ weights.T, atol=1e-13)
    noise = gc.random.normal(gc.random.key(3), (N, H), dtype="float64")
    del feeds[h0]
    a, b = both([nn.unroll(cell, x, start=noise)[0], nn.unroll(cell, x)[0]], feeds)
    assert np.abs(a - b).max() > 0.1
    small = nn.RNN(2, 4, seed=0)
    start = gc.variable(np.zeros((3, 4), np.float32), "start")
    h, _ = small(gc.constant(S(0, 5, 3, 2).astype(np.float32)), start=[start])
    learns(nn.mse(h[0], gc.constant(np.tanh(S(7, 3, 4)).astype(np.float32))), [start], part=0.9)


@row("RNN-24", LAYERS)
def test_rnn_24_variable_lengths():
    """A padded batch gives each sequence what it gives alone, forward and in reverse; nothing
    depends on what stands in the padding; it learns.
    """
    for reverse in (False, True):
        cell = make(nn.LSTMCell)
        feeds, x = fixture(cell, 4)
        h, last = nn.unroll(cell, x, lengths=[4, 2], reverse=reverse)
        alone, end = nn.unroll(cell, x[:2, 1:], reverse=reverse)
        loss = checksum(h) + gc.sum(last[1] * last[1])
        found, (slope,) = differentiated([h, last[1], alone, end[1]], loss, feeds, [x])
        np.testing.assert_allclose(found[0][:2, 1:], found[2], atol=1e-14)
        np.testing.assert_allclose(found[1][1:], found[3], atol=1e-14)
        assert np.all(found[0][2:, 1] == 0) and np.all(slope[2:, 1] == 0)
    small, head = nn.GRU(2, 4, seed=0), nn.Dense(4, 1, seed=1)
    h, _ = small(gc.constant(S(0, 5, 3, 2).astype(np.float32)), lengths=[5, 4, 2])
    target = gc.constant(np.cumsum(S(0, 5, 3, 2).sum(2, keepdims=True), axis=0), "float32")
    counted = gc.arange(5)[:, None] < gc.constant(np.array([5, 4, 2]))
    error = gc.where(counted[..., None], head(h) - target, 0)
    learns(gc.sum(error * error), small.parameters() + head.parameters())


@row("RNN-28", "graphc/nn/language.py")
def test_rnn_28_sequence_loss_and_perplexity():
    """A cross-entropy of 3.55 nats is a perplexity of 34.81; the mean is over steps that count
    alone.
    """
    loss = gc.placeholder("loss", (), gc.float64)
    assert both(nn.perplexity(loss), {loss: 3.55}) == pytest.approx(34.81, abs=5e-3)
    feeds = symbols(logits=S(0, 2, 4, 3))
    (logits,) = feeds
    targets, lengths = np.array([[0, 1, 2, 1], [2, 0, 0, 0]]), np.array([4, 2])
    mask = gc.arange(4) < gc.constant(lengths)[:, None]
    mean = nn.masked_loss(logits, gc.constant(targets), mask, "mean")
    (found,), (slope,) = differentiated([mean], mean, feeds)
    x = S(0, 2, 4, 3)
    each = np.log(np.exp(x).sum(-1)) - np.take_along_axis(x, targets[..., None], 2)[..., 0]
    assert found == pytest.approx((each[0].sum() + each[1, :2].sum()) / 6, rel=1e-12)
    assert np.all(slope[1, 2:] == 0)


@row("RNN-29", CELLS)
def test_rnn_29_normalised_recurrence():
    """CS of tanh(LN(x Wx + h Wh) + b) as printed; the same in training and after; it learns."""
    cell = make(nn.RNNCell, norm=nn.LayerNorm(H, dtype="float64"))
    feeds, x = fixture(cell, 1, bias=False)
    cell.norm.shift = b = gc.placeholder("b", (H,), gc.float64)
    feeds[b] = S(3, H) / 2
    h, _ = nn.unroll(cell, x)
    cell.eval()
    after, _ = nn.unroll(cell, x)
    (a, c), _ = differentiated([h, after], checksum(h), feeds)
    assert CS(a) == pytest.approx(-3.962263840, abs=1e-9)
    np.testing.assert_array_equal(a, c)
    falls(nn.Recurrent(nn.RNNCell(2, 4, norm=nn.LayerNorm(4), seed=0)))
