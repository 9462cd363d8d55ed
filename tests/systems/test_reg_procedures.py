"""Procedures around training (catalogue 8, D)."""

import math

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim, random
from tests.systems.catalogue import S, both, check_gradients, row, run, symbols

WIDE = {"dtype": "float64"}
X, T = S(0, 16, 3), S(1, 16, 2)


def two_layers(hidden=5):
    return nn.Dense(3, hidden, gc.tanh, seed=0, **WIDE), nn.Dense(hidden, 2, seed=1, **WIDE)


def trainer(model, optimiser, parameters=None):
    """A step of training on X, T."""
    loss = nn.mse(model(gc.constant(X)), gc.constant(T))
    updates = optimiser.updates(loss, parameters or model.named_parameters())
    return gc.compile([], loss, updates=updates)


@row("REG-32", "graphc/nn/early_stopping.py")
def test_reg_32_early_stopping():
    """Stops after `patience` calls without a lower loss; the best weights come back bit for bit."""
    model = nn.Sequential(*two_layers())
    step = trainer(model, optim.SGD(0.1))
    stop, snapshots, ended = nn.EarlyStopping(model, patience=3), [], []
    for loss in (3.0, 1.0, 2.0, 1.0, 0.9, 1.5, 1.5, 1.5):
        step()
        snapshots.append(model.state_dict())
        ended.append(stop(loss))
    assert ended == [False] * 7 + [True]
    stop.restore()
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, snapshots[4][name])
        assert (array != snapshots[7][name]).any()


@row("REG-33", "graphc/ops/randomness/choosing.py")
def test_reg_33_bagging():
    """Fits of bootstrap samples in parallel are those of a loop; the mean of M estimates with
    uncorrelated errors has a variance of 1/M of theirs.
    """
    rng = np.random.default_rng(0)
    features = rng.standard_normal((30, 2))
    (x, y) = feeds = symbols(x=features, y=features @ [1.0, -2] + rng.standard_normal(30))

    def fit(key):
        rows = random.choice(key, 30, (30,))
        a, b = gc.take(x, rows, axis=0), gc.take(y, rows, axis=0)
        return gc.linalg.solve(a.T @ a, a.T @ b)

    keys = random.split(random.key(0), 8)
    found = both(gc.vmap(fit)(keys), feeds)
    key = gc.placeholder("key", (4,), gc.uint32)
    one = gc.compile([key, *feeds], fit(key))
    loop = np.array([one(k, *feeds.values()) for k in run(keys)])
    np.testing.assert_allclose(found, loop, rtol=1e-10)
    assert np.ptp(found, axis=0).min() > 0.01
    errors = random.normal(random.key(1), (4000, 8), dtype="float64")
    variance = float(run(gc.var(gc.mean(errors, 1))))
    assert abs(variance - 1 / 8) < 4 / 8 * math.sqrt(2 / 4000)


@row("REG-34", "graphc/nn/layer.py")
def test_reg_34_fine_tuning():
    """Only the new head moves; the frozen layer stays bit for bit and costs no gradient."""
    body, _ = two_layers(64)
    head = nn.Dense(64, 2, seed=7, **WIDE)
    model = nn.Sequential(body, head)
    before = body.state_dict()
    step = trainer(model, optim.Adam(0.02), head.named_parameters())
    whole = trainer(model, optim.Adam(0.02))
    losses = [float(step()) for _ in range(30)]
    assert losses[-1] < losses[0]
    for name, array in body.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    assert step.cost.at().flops < 0.7 * whole.cost.at().flops


@row("REG-35", "graphc/nn/layer.py")
def test_reg_35_tying():
    """A matrix used twice gets the sum of both gradients, is stored once, and stays one under
    every optimiser.
    """
    (w, x) = feeds = symbols(w=S(1, 3, 3), x=X)
    hidden = gc.tanh(x @ w)
    check_gradients(gc.sum((hidden @ w.T - x) ** 2), feeds)
    for optimiser in (optim.SGD(0.05, momentum=0.9), optim.Adam(0.02)):
        layer = nn.Dense(3, 3, gc.tanh, bias=False, seed=0, **WIDE)
        model = nn.Sequential(layer, layer)
        error = nn.mse(gc.matmul(model(gc.constant(X)), layer.weight.T), gc.constant(X))
        assert list(model.state_dict()) == ["0.weight"]
        updates = optimiser.updates(error, model.named_parameters())
        step = gc.compile([], error, updates=updates)
        losses = [float(step()) for _ in range(40)]
        assert losses[-1] < losses[0]
        f = gc.compile([x], model(x))
        assert f.memory.at().variables == 9 * 8
        w_now = layer.weight.value
        np.testing.assert_allclose(f(X), np.tanh(np.tanh(X @ w_now) @ w_now), atol=1e-12)


@row("REG-36", "graphc/nn/growing.py")
def test_reg_36_cascade_correlation():
    """2.016888436 and its gradient as printed, with a sign for each output; XOR is solved by units
    that are trained, frozen, and followed by least squares on a growing graph.
    """
    (w, x) = feeds = symbols(w=np.array([0.5, -1]), x=S(0, 6, 2))
    score = nn.correlation(gc.tanh(x @ w), gc.constant(S(3, 6, 2)))
    value, slope = both([score, gc.grad(score, w)], feeds)
    assert float(value) == pytest.approx(2.016888436, abs=1e-9)
    np.testing.assert_allclose(slope, [0.76870815, -1.05808981], atol=1e-8)
    check_gradients(score, {w: feeds[w], x: feeds[x]})
    corners = np.array([[0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1.0]])
    goal = np.array([[0], [1], [1], [0.0]])
    features, errors, units = gc.constant(corners), [], []
    for k in range(2):
        out = gc.linalg.lstsq(features, gc.constant(goal))
        error = features @ out - gc.constant(goal)
        errors.append(float(run(gc.sum(error * error))))
        v = gc.variable(S(3 + k, features.shape[1]), f"unit{k}")
        unit = gc.tanh(features @ v)
        fixed = gc.constant(run(error))
        updates = optim.SGD(0.5).updates(-nn.correlation(unit, fixed), [v])
        step = gc.compile([], None, updates=updates)
        for _ in range(60):
            step()
        units.append((v, v.value))
        features = gc.concat([features, gc.reshape(unit, (4, 1))], axis=1)
    out = gc.linalg.lstsq(features, gc.constant(goal))
    errors.append(float(run(gc.sum((features @ out - gc.constant(goal)) ** 2))))
    assert errors[0] == pytest.approx(1) and errors[-1] < 1e-6
    assert all((v.value == kept).all() for v, kept in units)


@row("REG-37", "graphc/nn/growing.py")
def test_reg_37_growing():
    """New units change nothing at first; the optimiser's slots of the old weights are kept; then
    the wider net trains on.
    """
    first, second = two_layers()
    optimiser = optim.Adam(0.02)
    step = trainer(nn.Sequential(first, second), optimiser)
    losses = [float(step()) for _ in range(10)]
    wide = nn.widened(first, second, 3, seed=5)
    (x,) = feeds = symbols(x=X)
    before, after = run([second(first(x)), wide[1](wide[0](x))], feeds)
    np.testing.assert_allclose(after, before, atol=1e-12)
    again = optim.Adam(0.02)
    on = trainer(nn.Sequential(*wide), again)
    again.load_state_dict(nn.grown_slots(optimiser.state_dict(), again.state_dict()))
    slots = again.state_dict()
    for name, array in optimiser.state_dict().items():
        np.testing.assert_array_equal(slots[name][tuple(map(slice, array.shape))], array)
    more = [float(on()) for _ in range(30)]
    assert more[0] < losses[-1] and more[-1] < more[0]
    assert wide[1].weight.value[5:].any()


@row("REG-41", "graphc/nn/normalisation.py")
def test_reg_41_standardisation():
    """Mean 0 and deviation 1 on the training set; a constant feature gives 0; both are stored with
    the model, and applied to other rows; images are resized to one size.
    """
    data = np.concatenate([5 * X + 3, np.full((16, 1), 2.5)], axis=1)
    layer = nn.Standardise(data, "float64")
    (x,) = feeds = symbols(x=data)
    y = both(layer(x), feeds)
    np.testing.assert_allclose(y.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(y.std(0), [1, 1, 1, 0], atol=1e-12)
    model = nn.Sequential(layer, nn.Dense(4, 1, seed=0, **WIDE))
    assert list(model.state_dict()) == ["0.mean", "0.deviation", "1.weight", "1.bias"]
    assert list(model.named_parameters()) == ["1.weight", "1.bias"]
    other = nn.Standardise(np.ones((2, 4)), "float64")
    other.load_state_dict(layer.state_dict())
    np.testing.assert_array_equal(run(other(x), feeds), y)
    (image,) = feeds = symbols(image=np.array([[0, 1.0]]).reshape(1, 1, 1, 2))
    wide, near = both([nn.resize(image, (1, 4)), nn.resize(image, (1, 4), "nearest")], feeds)
    np.testing.assert_allclose(wide.ravel(), [0, 0.25, 0.75, 1])
    np.testing.assert_array_equal(near.ravel(), [0, 0, 1, 1])


@row("REG-42", "graphc/optim/optimiser.py")
def test_reg_42_training_recipe():
    """The loss of an untrained softmax is ln 10; four samples are learnt by heart; of a grid of
    rates, handed in at run time, the highest explode and the best is inside.
    """
    labels = np.array([3, 1, 4, 1])
    x = gc.constant(S(0, 4, 3))
    model = nn.Sequential(nn.Dense(3, 32, gc.tanh, seed=0, **WIDE), nn.Dense(32, 10, **WIDE))
    state = model.state_dict()
    state["1.weight"] *= 1e-3
    rate = gc.placeholder("rate", (), gc.float64)
    loss = nn.cross_entropy(model(x), gc.constant(labels))
    updates = optim.SGD(rate).updates(loss, model.named_parameters())
    step = gc.compile([rate], loss, updates=updates)
    ends = {}
    for k in range(-4, 4):
        model.load_state_dict(state)
        losses = [float(step(10.0**k)) for _ in range(60)]
        assert losses[0] == pytest.approx(math.log(10), abs=1e-2)
        exploded = not max(losses) <= 3 * losses[0]
        ends[k] = math.inf if exploded else losses[-1]
    best = min(ends, key=ends.__getitem__)
    assert ends[3] == math.inf and ends[-4] > 2.2 and -4 < best < 3
    model.load_state_dict(state)
    for _ in range(300):
        last = float(step(10.0**best))
    assert last < 0.05
