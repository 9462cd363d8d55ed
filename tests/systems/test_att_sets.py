"""Attention in recurrent networks, over sets and over images (catalogue 4, A)."""

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim
from tests.systems.catalogue import CS, S, both, row, run, symbols
from tests.systems.sequences import N, T, checksum, differentiated, falls, fixture, learns, make

ATTENTION = "graphc/nn/attention.py"


@row("ATT-13", ATTENTION)
def test_att_13_recurrence_with_attention():
    """Attention inside a loop over a buffer of the states so far equals causal attention over all
    of them at once; gradients by differences; it learns.
    """
    cell = make(nn.RNNCell)
    feeds, x = fixture(cell, 1)
    z = cell.project(x)

    def step(state, given):
        (h, seen), (t, z) = state, given
        h = cell.step(h, z)
        seen = gc.dynamic_update_slice(seen, h[:, None], (0, t, 0))
        context = nn.attention(h[:, None], seen, seen, nn.causal_mask(1, T, t))[:, 0]
        return (h, seen), context

    room = gc.zeros((N, T, 5), "float64")
    inside = gc.scan(step, (cell.start(N), room), (gc.arange(T), z))[1]
    h = gc.swapaxes(nn.unroll(cell, x)[0], 0, 1)
    outside = gc.swapaxes(nn.attention(h, h, h, nn.causal_mask(T)), 0, 1)
    (a, b), _ = differentiated([inside, outside], checksum(inside), feeds)
    np.testing.assert_allclose(a, b, atol=1e-13)
    small = nn.RNNCell(2, 4, seed=0)

    def attentive(x):
        h, last = nn.unroll(small, x)
        h = gc.swapaxes(h, 0, 1)
        context = nn.attention(h, h, h, nn.causal_mask(h.shape[1]))
        return gc.swapaxes(gc.concat([h, context], axis=-1), 0, 1), last

    attentive.parameters = small.parameters
    falls(attentive, size=8)


@row("ATT-14", "graphc/nn/layers.py")
def test_att_14_deep_sets():
    """CS as printed; the order of elements does not matter; a padded set gives what it gives alone;
    it learns.
    """
    feeds = symbols(x=S(0, 5, 3), inner=S(1, 3, 4), outer=S(2, 4, 2))
    x, inner, outer = feeds

    def deep(x, mask=None):
        features = gc.tanh(x @ inner)
        kept = features if mask is None else gc.where(mask[:, None], features, 0)
        return gc.tanh(gc.sum(kept, 0) @ outer)

    mask = gc.constant(np.arange(5) < 3)
    outputs = [deep(x), deep(gc.flip(x, axis=0)), deep(x, mask), deep(x[:3])]
    (a, b, c, d), _ = differentiated(outputs, checksum(outputs[0]), feeds)
    assert CS(a) == pytest.approx(0.750611949, abs=1e-9)
    np.testing.assert_allclose(a, b, atol=1e-12)
    np.testing.assert_allclose(c, d, atol=1e-14)
    phi, rho = nn.Dense(2, 6, gc.tanh, seed=0), nn.Dense(6, 1, seed=1)
    sets = gc.constant(S(0, 8, 4, 2).astype(np.float32))
    target = gc.max(sets[..., :1], axis=1)
    learns(nn.mse(rho(gc.sum(phi(sets), 1)), target), phi.parameters() + rho.parameters())


@row("ATT-15", ATTENTION)
def test_att_15_soft_attention_over_an_image():
    """At every step a context is the mean of the cells of a feature map by weights that sum to 1;
    equal scores give the plain mean; gradients reach the kernel, which learns.
    """
    kernel = gc.variable(0.5 * S(0, 6, 1, 3, 3).astype(np.float32), "kernel")
    image = gc.constant(S(1, 1, 1, 6, 6).astype(np.float32))
    cells = gc.swapaxes(gc.reshape(gc.relu(nn.conv(image, kernel)), (1, 6, 16)), 1, 2)
    cell, head = nn.GRUCell(6, 6, seed=0), nn.Dense(6, 3, seed=1)

    def step(h, _):
        weights = nn.masked_softmax(nn.dot_score(h[:, None], cells))
        h = cell.step(h, cell.project((weights @ cells)[:, 0]))
        return h, (head(h), weights, (weights @ cells)[:, 0])

    _, (logits, weights, context) = gc.scan(step, cell.start(1), length=3)
    found = both([weights, context[0, 0], gc.mean(cells[0], 0)])
    np.testing.assert_allclose(found[0].sum(-1), 1, rtol=1e-6)
    np.testing.assert_allclose(found[1], found[2], rtol=1e-5)  # h starts at 0: equal scores
    loss = nn.cross_entropy(logits[:, 0], gc.constant(np.array([2, 0, 1])))
    assert np.any(run(gc.grad(loss, kernel)) != 0)
    learns(loss, [kernel, *cell.parameters(), *head.parameters()], steps=120)


@row("ATT-16", "graphc/ops/randomness/distributions.py")
def test_att_16_hard_attention():
    """Glances at one of 2 x 2 places: (R - b) times the slope of log p, plus the slope of R, is on
    the mean over draws what summing over all places gives, for the policy and for the reward's
    parameter; a baseline makes it vary less; ascent finds the best place.
    """
    logits, theta = (
        gc.placeholder("logits", (4,), "float64"),
        gc.placeholder("theta", (), "float64"),
    )
    image = np.array([[1.0, 2.5], [2.0, 3.0]])
    reward = gc.sqrt(gc.constant(image.ravel())) * theta
    exact = gc.grad(gc.sum(gc.softmax(logits) * reward), [logits, theta])
    draws = 4000
    places = gc.random.categorical(gc.random.key(5), logits, shape=(draws,))
    seen, log_p = gc.take(reward, places), gc.log_softmax(logits)

    def slopes(place, baseline):
        r = gc.take(reward, place)
        surrogate = gc.stop_gradient(r - baseline) * gc.take(log_p, place) + r
        return gc.grad(surrogate, [logits, theta])

    each = [gc.vmap(lambda place, b=b: slopes(place, b))(places) for b in (0.0, 3.0)]
    found = run([exact, *each, gc.mean(seen)], {logits: S(0, 4), theta: 2.0})
    for samples in found[1:3]:
        for sample, meant in zip(samples, found[0], strict=True):
            assert np.all(np.abs(sample.mean(0) - meant) < 4 * sample.std(0) / np.sqrt(draws))
    assert np.all(found[2][0].var(0) < found[1][0].var(0))
    reward = gc.constant(image.ravel().astype(np.float32))
    policy = gc.variable(np.zeros(4, np.float32), "policy")
    draw = gc.random.categorical(gc.random.Generator(0), gc.stop_gradient(policy), shape=(32,))
    seen = gc.take(reward, draw)
    surrogate = -gc.mean((seen - gc.mean(seen)) * gc.log_softmax(policy)[draw])
    step = gc.compile([], gc.mean(seen), updates=optim.Adam(0.1).updates(surrogate, [policy]))
    rewards = [float(step()) for _ in range(150)]
    assert np.mean(rewards[-20:]) > 2.8 > np.mean(rewards[:20])
