"""Penalties (catalogue 8, B)."""

import math

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim, random
from graphc.nn import penalties
from tests.systems.catalogue import CS, S, both, check_gradients, row, run, symbols
from tests.systems.quadratic import path

WIDE = {"dtype": "float64"}


@row("REG-14", "graphc/nn/penalties.py")
def test_reg_14_regularised_risk():
    """Gradients of a penalty with a rate for each layer and none for biases; the joint loss
    falls, and weights end smaller than without.
    """
    feeds = symbols(a=S(0, 3, 4), b=S(1, 4, 2))
    a, b = feeds
    check_gradients(1e-6 * penalties.l2(a) + 0.1 * penalties.l2(b), feeds)
    ends = []
    for rates in ((0, 0), (0.01, 0.1)):
        first, second = nn.Dense(3, 6, gc.tanh, seed=0, **WIDE), nn.Dense(6, 1, seed=1, **WIDE)
        risk = nn.mse(second(first(gc.constant(S(0, 10, 3)))), gc.constant(S(1, 10, 1)))
        weights = (first.weight, second.weight)
        parts = [r * penalties.l2(w) for r, w in zip(rates, weights, strict=True)]
        loss = risk + parts[0] + parts[1]
        model = nn.Sequential(first, second)
        step = gc.compile([], loss, updates=optim.SGD(0.2).updates(loss, model.parameters()))
        losses = [float(step()) for _ in range(60)]
        assert losses[-1] < losses[0]
        assert run(gc.norm(gc.grad(parts[0] + parts[1], first.bias))) == 0
        ends.append(np.linalg.norm(second.weight.value))
    assert ends[1] < 0.9 * ends[0]


@row("REG-15", "graphc/optim/rules.py")
def test_reg_15_l2():
    """Decay without a loss: .9047921471; Q with λ=.1: printed; the limit (H+λI)⁻¹Hw0; as a
    penalty or as weight decay.
    """
    w = gc.variable(np.ones(1))
    nothing = gc.sum(0.0 * w)
    updates = optim.SGD(0.1, weight_decay=0.01).updates(nothing, [w])
    step = gc.compile([], None, updates=updates)
    for _ in range(100):
        step()
    assert float(w.value[0]) == pytest.approx(0.9047921471, abs=1e-10)
    decay = path(lambda: optim.SGD(0.05, weight_decay=0.1))
    np.testing.assert_allclose(decay[-1], [0.3297845861, 0.0008831856], atol=1e-10)
    Q = lambda w: gc.sum(gc.constant(np.array([1.0, 5.0])) * w**2)  # noqa: E731
    penalised = path(lambda: optim.SGD(0.05), f=lambda w: Q(w) + 0.1 * penalties.l2(w))
    np.testing.assert_allclose(penalised, decay, atol=1e-14)
    centre = gc.constant(np.array([2.0, -1.0]))
    shifted = lambda w: Q(w - centre) + 0.1 * penalties.l2(w)  # noqa: E731
    end = path(lambda: optim.SGD(0.09), 150, shifted)[-1]
    np.testing.assert_allclose(end, np.array([2, 10]) * [2, -1] / np.array([2.1, 10.1]), atol=1e-9)


@row("REG-16", "graphc/nn/penalties.py")
def test_reg_16_lp():
    """p=2 is twice the L2 of REG-15; p below 1 has a finite gradient, 0 at 0; differences."""
    (w,) = feeds = symbols(w=np.array([0.5, -2.0, 1.5]))
    two, half = both([penalties.lp(w, 2), penalties.l2(w)], feeds)
    assert float(two) == pytest.approx(2 * float(half), rel=1e-12)
    for p in (0.5, 1.0, 3.0):
        check_gradients(penalties.lp(w, p), feeds)
    values = both(
        [penalties.lp(w, 0.5), gc.grad(penalties.lp(w, 0.5), w)], {w: np.array([0, 4.0, -1])}
    )
    np.testing.assert_allclose(values[0], 3)
    np.testing.assert_allclose(values[1], [0, 0.25, -0.5])


@row("REG-17", "graphc/nn/penalties.py")
def test_reg_17_map_priors():
    """Minus the log of each prior but for a constant; Cauchy's gradient at .5 is .8; a flat prior
    gives maximum likelihood, a normal one ridge regression.
    """
    (w,) = feeds = symbols(w=np.array([0.5, -1.2, 0.0]))
    found = both([penalties.l2(w), penalties.lp(w), penalties.cauchy(w)], feeds)
    v = feeds[w]
    log_priors = [-v * v / 2, -abs(v), -np.log(np.pi * (1 + v * v)) + math.log(math.pi)]
    np.testing.assert_allclose(found, [-p.sum() for p in log_priors], rtol=1e-12)
    assert run(gc.grad(penalties.cauchy(w), w), feeds)[0] == pytest.approx(0.8)
    check_gradients(penalties.cauchy(w), feeds)
    X, y = S(0, 8, 2) ** 3, S(4, 8)
    for rate in (0.0, 0.7):
        loss = lambda w, rate=rate: (  # noqa: E731
            0.5 * gc.sum((gc.constant(X) @ w - gc.constant(y)) ** 2) + rate * penalties.l2(w)
        )
        end = path(lambda: optim.SGD(0.2), 300, loss)[-1]
        np.testing.assert_allclose(end, np.linalg.solve(X.T @ X + rate * np.eye(2), X.T @ y))


@row("REG-18", "graphc/nn/penalties.py")
def test_reg_18_weight_elimination():
    """At w = w0: one half, slope 2.5; small weights go, large ones stay."""
    (w,) = feeds = symbols(w=np.array([0.2]))
    y = penalties.weight_elimination(w)
    np.testing.assert_allclose(both([y, gc.grad(y, w)[0]], feeds), [0.5, 2.5])
    check_gradients(y, feeds)

    def f(w):
        error = gc.sum((w - gc.constant(GOALS)) ** 2)
        return 0.02 * penalties.weight_elimination(w) + 0.1 * error

    small, large = path(lambda: optim.SGD(0.2), 200, f, GOALS)[-1]
    assert abs(small) < 0.6 * GOALS[0] and large > 0.95 * GOALS[1]


GOALS = np.array([0.1, 2.0])


@row("REG-19", "graphc/nn/penalties.py")
def test_reg_19_soft_weight_sharing():
    """1.426971464 and its gradient as printed; gradients for the mixture; learning it."""
    feeds = symbols(
        w=np.array([0.1, -0.2, 1]), a=np.zeros(2), m=np.array([0.0, 1]), s=np.log([0.2, 0.5])
    )
    y = penalties.soft_sharing(*feeds)
    value, *slopes = both([y, *gc.grad(y, list(feeds))], feeds)
    assert float(value) == pytest.approx(1.426971464, abs=1e-9)
    np.testing.assert_allclose(slopes[0], [1.99787384, -4.99286027, 0.000232914], atol=1e-8)
    check_gradients(y, feeds)
    w = gc.constant(np.array([0.1, -0.1, 0.05, 1.1, 0.95]))
    mixture = [gc.variable(x) for x in (np.zeros(2), np.array([0.3, 0.7]), np.zeros(2))]
    loss = penalties.soft_sharing(w, *mixture)
    step = gc.compile([], loss, updates=optim.SGD(0.02).updates(loss, mixture))
    losses = [float(step()) for _ in range(100)]
    assert losses[-1] < losses[0] - 1


@row("REG-20", "graphc/nn/penalties.py")
def test_reg_20_normalised_penalty():
    """At each of 20 steps the penalty's part has .3 times the norm of the loss's; at ∇Ω=0 the plain
    step; the loss falls.
    """
    w, b = gc.variable(S(0, 3)), gc.variable(np.array(0.3))
    named = {"w": w, "b": b}
    loss = gc.sum((gc.constant(S(1, 8, 3)) @ w + b - gc.constant(S(2, 8))) ** 2)
    plain, omega = (
        dict(zip(named, gc.grad(f, [w, b]), strict=True)) for f in (loss, penalties.l2(w))
    )
    mixed = penalties.scaled_penalty(plain, omega, 0.3)
    added = gc.norm(mixed["w"] - plain["w"])
    whole = gc.sqrt(gc.sum(plain["w"] ** 2) + plain["b"] ** 2)
    updates = optim.SGD(0.01).apply(mixed, named)
    step = gc.compile([], [loss, added / whole], updates=updates)
    found = np.array([step() for _ in range(20)])
    np.testing.assert_allclose(found[:, 1], 0.3, rtol=1e-12)
    assert found[-1, 0] < found[0, 0]
    w.value = np.zeros(3)
    flat, same = both([mixed["w"], plain["w"]])
    np.testing.assert_array_equal(flat, same)


@row("REG-21", "graphc/nn/dropout.py")
def test_reg_21_noise():
    """Inputs with noise of deviation s: for a linear net the mean loss is the loss plus s²|w|²; so
    it is with noise on outputs (plus s²) and, with the inputs' squares, on weights.
    """
    s, n = 0.3, 4000
    (X, w, t) = feeds = symbols(X=S(0, 10, 3), w=np.array([0.5, -1, 2]), t=S(1, 10))
    plain = nn.mse(X @ w, t)
    noisy = [
        lambda k: nn.mse(nn.add_noise(X, s, k) @ w, t),
        lambda k: nn.mse(nn.add_noise(X @ w, s, k), t),
        lambda k: nn.mse(X @ nn.add_noise(w, s, k), t),
    ]
    extra = [s**2 * 5.25, s**2, s**2 * (S(0, 10, 3) ** 2).sum(1).mean()]
    keys = random.split(random.key(0), n)
    base, *draws = run([plain, *(gc.vmap(f)(keys) for f in noisy)], feeds)
    for found, more in zip(draws, extra, strict=True):
        assert abs(found.mean() - base - more) < 4 * found.std() / math.sqrt(n)
    tikhonov = s**2 * penalties.smoothness(X @ w, X) / 10
    np.testing.assert_allclose(both(tikhonov, feeds), extra[0])
    check_gradients(nn.mse(gc.tanh(nn.add_noise(X, s, random.key(1))) @ w, t), feeds)


@row("REG-22", "graphc/nn/penalties.py")
def test_reg_22_smoothness():
    """f=tanh(wx): f_xx and w's derivative of its square, a third derivative, as printed."""
    (w, x) = feeds = symbols(w=2.0, x=0.3)
    f = gc.tanh(w * x)
    penalty = penalties.smoothness(f, x, order=2)
    second = gc.grad(gc.grad(f, x), x)
    found = both([second, penalty, gc.grad(penalty, w)], feeds)
    np.testing.assert_allclose(found, [-3.057220234, 3.057220234**2, 20.100097627], rtol=1e-9)
    check_gradients(penalty, feeds, 1e-4)
    check_gradients(penalties.smoothness(f, x), feeds)


@row("REG-23", "graphc/nn/penalties.py")
def test_reg_23_flat_minimum_search():
    """Nats as printed for a tanh unit and for a 3-2-2 net, with gradients; both falls."""
    (w,) = feeds = symbols(w=np.array([0.3, -0.2]))
    a = gc.tanh(gc.sum(w * gc.constant(np.array([1, 0.5]))))
    y = penalties.flatness(gc.reshape(a, (1,)), [w], 0.1)
    value, slope = both([y, gc.grad(y, w)], feeds)
    assert float(value) == pytest.approx(2.916259986, abs=1e-9)
    np.testing.assert_allclose(slope, [-0.78950128, -0.39475064], atol=1e-8)
    parts = S(1, 10)
    (W1, W2) = feeds = symbols(W1=parts[:6].reshape(2, 3), W2=parts[6:].reshape(2, 2))
    out = W2 @ gc.tanh(W1 @ gc.constant(np.array([1, 0.5, -1])))
    y = penalties.flatness(out, [W1, W2], 0.1)
    value, *slopes = both([y, *gc.grad(y, [W1, W2])], feeds)
    assert float(value) == pytest.approx(24.695212619, abs=1e-8)
    assert CS(np.concatenate([g.ravel() for g in slopes])) == pytest.approx(-6.373478064, abs=1e-8)
    check_gradients(y, feeds)


@row("REG-24", "graphc/nn/penalties.py")
def test_reg_24_covariate_shift():
    """Risks weighted by d/(1-d): with weights 1 and no anchor plain regression, with a strong
    anchor the old weights; the doubly robust mean needs one of its two models to be right.
    """
    X, y, old = S(0, 12, 2), S(3, 12), np.array([1.0, -1])

    def fitted(logits, rate):
        weights = gc.exp(gc.constant(logits))  # d / (1 - d) for d = sigmoid(logits)
        loss = lambda w: (  # noqa: E731
            gc.mean(weights * (gc.constant(X) @ w - gc.constant(y)) ** 2)
            + rate * penalties.l2(w - gc.constant(old))
        )
        return path(lambda: optim.SGD(0.5 / (1 + rate)), 100, loss)[-1]

    np.testing.assert_allclose(fitted(np.zeros(12), 0), np.linalg.lstsq(X, y)[0], atol=1e-6)
    np.testing.assert_allclose(fitted(np.zeros(12), 1e6), old, atol=1e-5)
    odds = np.exp(S(5, 12))
    D = np.diag(odds)
    np.testing.assert_allclose(
        fitted(S(5, 12), 0), np.linalg.solve(X.T @ D @ X, X.T @ D @ y), atol=1e-6
    )
    ratio = odds / odds.mean()
    feeds = symbols(y=y, ratio=ratio, model=S(7, 12), guess=S(9, 12) + 2)
    goal, true, model, guess = feeds

    def estimate(q, m):
        return gc.mean(q * (goal - m)) + gc.mean(true * m)

    pairs = [(true, model), (guess, goal), (guess, model)]
    robust, also, wrong = both([estimate(*pair) for pair in pairs], feeds)
    np.testing.assert_allclose([robust, also], np.mean(ratio * y), rtol=1e-12)
    assert abs(wrong - robust) > 0.1
