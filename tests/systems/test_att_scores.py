"""Attention: scores, heads and masks (catalogue 4, A)."""

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from tests.systems.catalogue import CS, S, both, row, run, symbols
from tests.systems.sequences import checksum, differentiated, learns

WHERE = "graphc/nn/attention.py"


def qkv(**more):
    return symbols(q=S(0, 4, 3), k=S(1, 4, 3), v=S(2, 4, 3), **more)


def expect(y, feeds, printed):
    """CS of y as printed; gradients of CS(y) by differences."""
    (value,), _ = differentiated([y], checksum(y), feeds)
    assert CS(value) == pytest.approx(printed, abs=1e-9)
    return value


def fits(parameters, forward):
    """Trainable arrays let an output follow a target: the loss falls."""
    weights = [gc.variable(p.astype(np.float32)) for p in parameters]
    y = forward(*weights)
    target = gc.constant(np.tanh(S(8, *y.shape)).astype(np.float32))
    learns(nn.mse(y, target), weights, part=0.8)


@row("ATT-01", WHERE)
def test_att_01_kernel_regression():
    """Gaussian and box estimates as printed; a wide kernel gives the mean; gradients by differences
    for Gaussian and Laplace kernels; values can be learnt.
    """
    feeds = symbols(x=np.array([1.5]), at=np.arange(3.0), y=np.array([0.0, 1.0, 4.0]))
    x, at, y = feeds
    smooth = nn.kernel_regression(x, at, y)
    laplace = nn.kernel_regression(x, at, y, 0.7, "laplace")
    box, wide = nn.kernel_regression(x, at, y, 0.6, "box"), nn.kernel_regression(x, at, y, 1e6)
    found, _ = differentiated([smooth, box, wide, laplace], gc.sum(smooth * laplace), feeds)
    weights = np.exp(-np.abs(1.5 - np.arange(3)) / 0.7)
    np.testing.assert_allclose(
        np.ravel(found), [2.111593991, 2.5, 5 / 3, weights @ [0, 1, 4] / weights.sum()], atol=1e-9
    )
    points = gc.constant(np.arange(4, dtype=np.float32))
    fits([S(0, 4)], lambda w: nn.kernel_regression(points, points, w))


@row("ATT-02", WHERE)
def test_att_02_dot_product():
    """CS as printed; the same as kernel regression with weights exp(q.k)."""
    feeds = qkv()
    q, k, v = feeds
    y = expect(nn.masked_softmax(nn.dot_score(q, k)) @ v, feeds, 3.663386070)
    kernel = np.exp(S(0, 4, 3) @ S(1, 4, 3).T)
    np.testing.assert_allclose(y, kernel @ S(2, 4, 3) / kernel.sum(1, keepdims=True), rtol=1e-12)
    fits([S(0, 4, 3)], lambda w: nn.masked_softmax(nn.dot_score(w, w)) @ w)


@row("ATT-03", WHERE)
def test_att_03_scaled_dot_product():
    """CS as printed; for normal entries q.k has variance p and the scaled score variance 1."""
    feeds = qkv()
    expect(nn.attention(*feeds), feeds, 2.452888838)
    p, count = 16, 4000
    keys = gc.random.split(gc.random.key(1))
    a = gc.random.normal(keys[0], (count, 1, p), dtype="float64")
    b = gc.random.normal(keys[1], (count, 1, p), dtype="float64")
    found = run([gc.var(nn.dot_score(a, b)), gc.var(nn.scaled_dot_score(a, b))])
    # A product of two normals summed over p has fourth moment 3 p^2 + 6 p.
    error = np.sqrt((2 + 6 / p) / count)
    np.testing.assert_allclose(found, [p, 1], rtol=4 * error)
    fits([S(0, 4, 3)], lambda w: nn.attention(w, w, w))


@row("ATT-04", WHERE)
def test_att_04_bilinear_score():
    """CS as printed; with the identity it is the dot product."""
    feeds = qkv(W=S(3, 3, 3))
    q, k, v, W = feeds
    expect(nn.masked_softmax(nn.bilinear_score(q, k, W)) @ v, feeds, 0.952553278)
    same = [nn.bilinear_score(q, k, gc.eye(3, dtype="float64")), nn.dot_score(q, k)]
    np.testing.assert_array_equal(*run(same, qkv_of(feeds)))
    fits([S(0, 4, 3), S(3, 3, 3)], lambda x, w: nn.masked_softmax(nn.bilinear_score(x, x, w)) @ x)


def qkv_of(feeds):
    return {x: feeds[x] for x in list(feeds)[:2]}


@row("ATT-05", WHERE)
def test_att_05_low_rank_score():
    """CS as printed; equal to the bilinear score of U V'; r (ds + dh) parameters."""
    feeds = qkv(U=S(3, 3, 2), V=S(4, 3, 2))
    q, k, v, U, V = feeds
    score = nn.low_rank_score(q, k, U, V)
    expect(nn.masked_softmax(score) @ v, feeds, 0.746280267)
    used = {x: a for x, a in feeds.items() if x is not v}
    a, b = run([score, nn.bilinear_score(q, k, U @ V.T)], used)
    np.testing.assert_allclose(a, b, atol=1e-13)
    assert feeds[U].size + feeds[V].size == 2 * (3 + 3)
    fits(
        [S(3, 3, 2), S(4, 3, 2)],
        lambda u, w: (
            nn.masked_softmax(
                nn.low_rank_score(*[gc.constant(S(0, 4, 3).astype(np.float32))] * 2, u, w)
            )
            @ gc.constant(S(2, 4, 3).astype(np.float32))
        ),
    )


@row("ATT-06", WHERE)
def test_att_06_additive_score():
    """CS as printed, with the outer vector that makes a score a number."""
    feeds = qkv(W1=S(3, 3, 5), W2=S(4, 3, 5), u=S(5, 5))
    q, k, v, W1, W2, u = feeds
    score = nn.additive_score(q, k, W1, W2, u)
    assert score.shape == (4, 4)
    expect(nn.masked_softmax(score) @ v, feeds, -0.055269309)
    x = gc.constant(S(0, 4, 3).astype(np.float32))
    fits(
        [S(3, 3, 5), S(4, 3, 5), S(5, 5), S(2, 4, 3)],
        lambda a, b, c, y: nn.masked_softmax(nn.additive_score(x, x, a, b, c)) @ y,
    )


@row("ATT-07", WHERE)
def test_att_07_attention_of_convolved_features():
    """CS as printed for rectified 1 by 1 features; the same from convolutions of length 1."""
    feeds = symbols(h=S(0, 4, 3), Wk=S(1, 3, 3), Wq=S(2, 3, 3), Wv=S(3, 3, 3))
    h, Wk, Wq, Wv = feeds
    k, q, v = (gc.relu(h @ W) for W in (Wk, Wq, Wv))
    y = nn.masked_softmax(nn.dot_score(q, k)) @ v
    value = expect(y, feeds, -0.010500208)
    k, q, v = (gc.relu(nn.conv(h.T[None], W.T[:, :, None])[0].T) for W in (Wk, Wq, Wv))
    other = run(nn.masked_softmax(nn.dot_score(q, k)) @ v, feeds)
    np.testing.assert_allclose(other, value, atol=1e-13)
    fits([S(1, 3, 3), S(2, 3, 3)], lambda a, b: nn.masked_softmax(nn.dot_score(a, b)) @ gc.relu(a))


@row("ATT-08", WHERE)
def test_att_08_self_attention():
    """Rows permuted before are rows permuted after; scores that depend on the distance alone, and
    sharply, make it a convolution; it learns.
    """
    layer = nn.SelfAttention(4, 2, seed=0, dtype="float64")
    x = gc.placeholder("x", (5, 4), gc.float64)
    order = np.array([3, 0, 4, 1, 2])
    a, b = both([layer(x)[gc.constant(order)], layer(x[gc.constant(order)])], {x: S(0, 5, 4)})
    np.testing.assert_allclose(a, b, atol=1e-13)
    place = gc.arange(5)
    far = gc.where(gc.equal(place[:, None] - place, 1), 0.0, -1e9).astype(gc.float64)
    before = run(nn.masked_softmax(far) @ x, {x: S(0, 5, 4)})
    np.testing.assert_allclose(before[1:], S(0, 5, 4)[:-1])
    small = nn.SelfAttention(4, 2, seed=0)
    data = gc.constant(S(0, 5, 4).astype(np.float32))
    learns(nn.mse(small(data), gc.flip(data, axis=1)), small.parameters())


def heads(causal):
    """The multi-head fixture: the layer with its weights as arguments, and the input."""
    feeds = symbols(x=S(0, 2, 3, 4), Wqkv=S(1, 4, 12), Wo=S(2, 4, 4), bqkv=S(5, 12), bo=S(6, 4))
    x, Wqkv, Wo, bqkv, bo = feeds
    layer = nn.SelfAttention(4, 2, causal, dtype="float64")
    layer.inputs.weight, layer.inputs.bias = Wqkv, bqkv
    layer.outputs.weight, layer.outputs.bias = Wo, bo
    return feeds, layer(x)


@row("ATT-09", WHERE)
def test_att_09_multi_head():
    """CS as printed, without and with the causal mask; gradients by differences; it learns."""
    for causal, printed in ((False, 0.021468951), (True, -1.069874129)):
        feeds, y = heads(causal)
        expect(y, feeds, printed)
    layer = nn.SelfAttention(4, 2, causal=True, seed=1)
    x = gc.constant(S(0, 2, 3, 4).astype(np.float32))
    learns(nn.mse(layer(x), gc.roll(x, 1, axis=1)), layer.parameters())


@row("ATT-10", WHERE)
def test_att_10_causal_mask():
    """CS as printed, no NaN in the first row; the Jacobian of an output by later inputs is zero."""
    feeds = qkv()
    q, k, v = feeds
    y = nn.attention(q, k, v, nn.causal_mask(4))
    assert np.isfinite(expect(y, feeds, 3.136999690)).all()
    jacobian = run(gc.jacobian(gc.sum(y, 1), k), feeds)
    sizes = np.abs(jacobian).max(axis=2)
    assert np.all(sizes[np.triu_indices(4, 1)] == 0) and np.all(sizes[3] > 0)
    weights = [S(0, 4, 3), S(1, 4, 3)]
    fits(weights, lambda a, b: nn.attention(a, a, b, nn.causal_mask(4)))


@row("ATT-11", WHERE)
def test_att_11_padding_mask():
    """A padded sequence gives what it gives alone; a row without keys is zero, and no gradient is
    NaN.
    """
    feeds = symbols(q=S(0, 3, 4, 3), k=S(1, 3, 4, 3), v=S(2, 3, 4, 3))
    q, k, v = feeds
    y = nn.attention(q, k, v, nn.padding_mask([4, 2, 0], 4))
    alone = nn.attention(q[1], k[1, :2], v[1, :2])
    (value, one), grads = differentiated([y, alone], checksum(y), feeds)
    np.testing.assert_allclose(value[1], one, atol=1e-14)
    assert np.all(value[2] == 0)
    for g in grads:
        assert np.isfinite(g).all() and np.all(g[2] == 0)
    assert np.all(grads[2][1, 2:] == 0) and np.any(grads[2][1, :2] != 0)
    mask = nn.padding_mask([3], 4)[0]
    fits([S(0, 4, 3), S(1, 4, 3)], lambda a, b: nn.attention(a, a, b, mask))
