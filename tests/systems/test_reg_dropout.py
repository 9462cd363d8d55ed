"""Dropout and its kin (catalogue 8, C)."""

import itertools
import math

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim, random
from graphc.nn.dropout import alpha_correction
from tests.systems.catalogue import S, both, check_gradients, row, run, symbols

WIDE = {"dtype": "float64"}


@row("REG-25", "graphc/nn/dropout.py")
def test_reg_25_inverted_dropout():
    """Kept entries are doubled at p=.5, each sample has a mask of its own, the mean is kept, the
    gradient has the same mask; x itself in eval; training.
    """
    (x,) = feeds = symbols(x=np.ones((200, 50)))
    y = nn.dropout(x, 0.5, random.key(0))
    value, slope = both([y, gc.grad(gc.sum(y), x)], feeds)
    assert set(np.unique(value)) == {0.0, 2.0}
    assert (value[0] != value[1]).any()
    assert abs(value.mean() - 1) < 4 / math.sqrt(value.size)
    np.testing.assert_array_equal(slope, value)
    kept = run(nn.dropout(x, 0.1, random.key(0)), feeds)
    assert abs((kept > 0).mean() - 0.9) < 4 * math.sqrt(0.09 / kept.size)
    layer = nn.Dropout(0.5, random.Generator(1))
    assert layer.eval()(x) is x
    first, last = nn.Dense(3, 8, gc.tanh, seed=0, **WIDE), nn.Dense(8, 1, seed=1, **WIDE)
    model = nn.Sequential(first, layer, last)
    (X, t) = data = symbols(X=S(0, 10, 3), t=S(1, 10, 1))
    loss = nn.mse(model.train()(X), t)
    step = gc.compile([X, t], loss, updates=optim.SGD(0.1).updates(loss, model.parameters()))
    losses = [float(step(*data.values())) for _ in range(60)]
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:10])
    fixed = gc.sum(nn.dropout(gc.tanh(X), 0.5, random.key(3)) ** 2)
    check_gradients(fixed, {X: data[X]})


@row("REG-26", "graphc/nn/dropout.py")
def test_reg_26_committee_of_masks():
    """For two linear layers of 5 units, weights times keep give exactly the mean over all 2^10
    masks, weighed by their probabilities.
    """
    keep = 0.7
    masks = np.array(list(itertools.product([0.0, 1.0], repeat=10)))
    (x, W, v, M) = feeds = symbols(x=S(0, 5), W=S(1, 5, 5), v=S(2, 5), M=masks)
    every = gc.vmap(lambda m: ((x * m[:5]) @ W * m[5:]) @ v)(M)
    chance = gc.prod(M * keep + (1 - M) * (1 - keep), axis=1)
    scaled = (x @ (W * keep)) @ (v * keep)
    committee, single, total = both([gc.sum(chance * every), scaled, gc.sum(chance)], feeds)
    np.testing.assert_allclose([committee, total], [single, 1], rtol=1e-12)


@row("REG-27", "graphc/nn/dropout.py")
def test_reg_27_dropout_in_linear_regression():
    """The penalised loss is 26.957317030, which is the mean over all masks of inputs."""
    X, y, w, p = S(0, 20, 3) ** 3, S(5, 20), np.array([0.5, -1, 2]), 0.3
    (Xs, ys, ws) = feeds = symbols(X=X, y=y, w=w)
    penalty = p * (1 - p) * gc.sum(ws**2 * gc.sum(Xs**2, 0))
    loss = gc.sum((ys - (1 - p) * (Xs @ ws)) ** 2) + penalty
    assert abs(float(both(loss, feeds)) - 26.957317030) < 1e-9
    # Rows are independent, so one mask for all rows has the same mean.
    masks = np.array(list(itertools.product([0.0, 1.0], repeat=3)))
    each = gc.vmap(lambda m: gc.sum((ys - (Xs * m) @ ws) ** 2))(gc.constant(masks))
    chance = np.prod(np.where(masks == 1, 1 - p, p), axis=1)
    np.testing.assert_allclose(run(gc.sum(each * gc.constant(chance)), feeds), 26.957317030)
    draws = gc.vmap(lambda k: gc.sum((ys - (1 - p) * (nn.dropout(Xs, p, k) @ ws)) ** 2))
    found = run(draws(random.split(random.key(0), 4000)), feeds)
    assert abs(found.mean() - 26.957317030) < 4 * found.std() / math.sqrt(4000)


@row("REG-28", "graphc/nn/dropout.py")
def test_reg_28_mc_dropout():
    """Passes in parallel are those of a loop over keys; dropout goes on in an otherwise finished
    net; the mean nears the closed one.
    """
    (x, w) = feeds = symbols(x=S(0, 4, 6), w=S(1, 6, 2))
    f = lambda key: nn.dropout(x, 0.5, key) @ w  # noqa: E731
    keys = random.split(random.key(2), 200)
    mean, variance = both(nn.sampled(f, random.key(2), 200), feeds)
    k = gc.placeholder("k", (4,), gc.uint32)
    one = gc.compile([k, *feeds], f(k))
    loop = np.array([one(key, *feeds.values()) for key in run(keys)])
    np.testing.assert_allclose([mean, variance], [loop.mean(0), loop.var(0)], atol=1e-12)
    assert (abs(mean - S(0, 4, 6) @ S(1, 6, 2)) < 4 * np.sqrt(variance / 200)).all()
    model = nn.Sequential(nn.BatchNorm(6, **WIDE), nn.Dropout(0.5, random.Generator(0)))
    nn.eval_with_dropout(model)
    predict = gc.compile([x], model(x))
    first, second = predict(S(0, 4, 6)), predict(S(0, 4, 6))
    assert (first != second).any()
    np.testing.assert_allclose(
        first[first != 0], (2 * S(0, 4, 6) / math.sqrt(1 + 1e-5))[first != 0]
    )


@row("REG-29", "graphc/nn/dropout.py")
def test_reg_29_alpha_dropout():
    """Factors and summands as printed for keep .95, .9, .5; mean 0 and variance 1 are kept."""
    printed = {
        0.05: (0.954844476, 0.083935572),
        0.1: (0.921284516, 0.161970970),
        0.5: (0.886404895, 0.779193931),
    }
    for rate, pair in printed.items():
        assert alpha_correction(rate) == pytest.approx(pair, abs=1e-9)
    (x,) = feeds = symbols(x=np.random.default_rng(0).standard_normal(40_000))
    ys = [nn.alpha_dropout(x, rate, random.key(1)) for rate in printed]
    for y in both(ys, feeds):
        assert abs(y.mean()) < 4 / math.sqrt(y.size)
        assert abs(y.var() - 1) < 4 * np.std(y**2) / math.sqrt(y.size)
    (small,) = feeds = symbols(x=S(0, 12))
    check_gradients(gc.sum(nn.alpha_dropout(small, 0.3, random.key(2)) ** 2), feeds)


@row("REG-30", "graphc/nn/dropout.py")
def test_reg_30_drop_path():
    """Rate 0 is the full net; a dropped sample is exactly the skip path; the mean is kept; rates
    grow linearly; a dropped branch is not computed (one that would fail does not); training.
    """
    (x,) = feeds = symbols(x=S(0, 4000, 3))
    branch = gc.tanh(x)
    assert nn.drop_path(branch, 0.0, random.key(0)) is branch
    y = both(x + nn.drop_path(branch, 0.25, random.key(0)), feeds)
    dropped = (y == S(0, 4000, 3)).all(1)
    np.testing.assert_allclose(
        y[~dropped], (S(0, 4000, 3) + np.tanh(S(0, 4000, 3)) / 0.75)[~dropped]
    )
    assert abs(dropped.mean() - 0.25) < 4 * math.sqrt(0.25 * 0.75 / 4000)
    np.testing.assert_allclose(nn.linear_rates(0.2, 4), [0.05, 0.1, 0.15, 0.2])
    (z, place, key) = symbols(z=S(0, 3), place=np.int64(0), key=np.zeros(4, np.uint32))
    once = gc.compile([z, place, key], nn.skip_branch(z, lambda z: z[place] + z, 0.5, key))
    seen = set()
    for words in run(random.split(random.key(0), 12)):
        kept = not np.array_equal(once(S(0, 3), 0, words), S(0, 3))
        seen.add(kept)
        if kept:
            with pytest.raises(gc.IndexRangeError):
                once(S(0, 3), 7, words)
        else:
            np.testing.assert_array_equal(once(S(0, 3), 7, words), S(0, 3))
    assert seen == {True, False}
    (v, t) = data = symbols(v=S(0, 6, 3), t=S(1, 6, 3))
    w = gc.variable(S(2, 3, 3))
    loss = nn.mse(v + nn.drop_path(gc.tanh(v @ w), 0.3, random.key(4)), t)
    check_gradients(loss, data)
    step = gc.compile([v, t], loss, updates=optim.SGD(0.2).updates(loss, [w]))
    losses = [float(step(*data.values())) for _ in range(30)]
    assert losses[-1] < 0.9 * losses[0]


@row("REG-31", "graphc/nn/dropout.py")
def test_reg_31_width():
    """512 survivors at keep .5 need a width of 1024, of which 512 stay on average."""
    width = nn.width_for(512, 0.5)
    assert width == 1024
    kept = run(nn.dropout(gc.ones((400, width)), 0.5, random.key(0))) > 0
    assert abs(kept.sum(1).mean() - 512) < 4 * math.sqrt(width / 4 / 400)
