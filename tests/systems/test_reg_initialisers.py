"""First values of weights (catalogue 8, A)."""

import math

import numpy as np
import pytest

import graphc as gc
from graphc import init, nn, optim, random
from tests.systems.catalogue import S, both, row, run, symbols

WIDE = {"dtype": "float64"}


def moments(x, variance, fourth=3.0, errors=4):
    """Holds mean and variance of independent draws to so many standard errors; `fourth` is the
    fourth moment over the squared variance.
    """
    x = np.asarray(x, np.float64).ravel()
    assert abs(x.mean()) < errors * math.sqrt(variance / x.size)
    assert abs(x.var() - variance) < errors * variance * math.sqrt((fourth - 1) / x.size)


@row("REG-01", "graphc/init/initialisers.py")
def test_reg_01_constants():
    """Units that start equal stay equal under training; units that start apart do not become so."""
    X, t = gc.constant(S(0, 6, 3)), gc.constant(S(1, 6, 1))

    def trained(first):
        w, v = gc.variable(first), gc.variable(np.full((4, 1), 0.3))
        loss = nn.mse(gc.tanh(X @ w) @ v, t)
        step = gc.compile([], loss, updates=optim.SGD(0.1).updates(loss, [w, v]))
        losses = [float(step()) for _ in range(20)]
        assert losses[-1] < losses[0]
        return run(w)

    w = trained(init.constant((3, 4), 0.2, "float64"))
    assert np.ptp(w, axis=0).max() > 1e-3
    np.testing.assert_allclose(w, w[:, :1] @ np.ones((1, 4)), rtol=1e-13)
    assert np.ptp(trained(init.normal((3, 4), 0, **WIDE)), axis=1).min() > 1e-3
    assert not init.zeros((2, 2)).any()


@row("REG-02", "graphc/ops/randomness/distributions.py")
def test_reg_02_uniform_normal_truncated():
    """Moments of keyed draws within 4 standard errors; the truncated variance is .7737413035."""
    n, key = 40_000, random.split(random.key(3), 3)
    flat, bell, cut = both(
        [
            random.uniform(key[0], n, -0.01, 0.01, "float64"),
            random.normal(key[1], n, 0, 0.3, "float64"),
            random.truncated_normal(key[2], n, **WIDE),
        ]
    )
    inside, edge = math.erf(math.sqrt(2)), math.exp(-2) / math.sqrt(2 * math.pi)
    variance = 1 - 4 * edge / inside
    np.testing.assert_allclose(
        [variance, math.sqrt(variance)], [0.7737413035, 0.8796256610], atol=1e-10
    )
    moments(flat, 0.01**2 / 3, 1.8)
    moments(bell, 0.09)
    moments(cut, variance, 2.4)
    moments(init.truncated_normal((n,), 0, std=0.5), 0.25 * variance, 2.4)
    assert np.abs(cut).max() <= 2 and np.abs(flat).max() <= 0.01


@row("REG-03", "graphc/init/initialisers.py")
def test_reg_03_lecun():
    """Variance 1/J; net inputs of standard normal inputs have variance 1."""
    for first, fourth in ((init.lecun_normal, 3), (init.lecun_uniform, 1.8)):
        moments(first((200, 300), 1), 1 / 200, fourth)
    x = gc.placeholder("x", (500, 200), gc.float64)
    layer = nn.Dense(200, 100, weights=init.lecun_normal, seed=2, **WIDE)
    s = both(layer(x), {x: np.random.default_rng(0).standard_normal((500, 200))})
    # Rows share the weights, so both counts of independent terms bound the error.
    assert abs(s.var() - 1) < 4 * math.sqrt(2 * (1 / 500 + 1 / 100 / 2))


@row("REG-04", "graphc/init/scaling.py")
def test_reg_04_backward_variant():
    """Variance 1/I; the gradient's mean square is kept on its way back; LeCun for J=I."""
    moments(init.variance_scaling((200, 300), 1, fan="outputs"), 1 / 300)
    moments(init.variance_scaling((200, 300), 1, fan="outputs", flat=True), 1 / 300, 1.8)
    np.testing.assert_array_equal(
        init.variance_scaling((50, 50), 3, fan="outputs"), init.lecun_normal((50, 50), 3)
    )
    x = gc.placeholder("x", (400, 100), gc.float64)
    d = gc.constant(np.random.default_rng(1).standard_normal((400, 300)))
    w = gc.constant(init.variance_scaling((100, 300), 2, fan="outputs", **WIDE))
    back = both(gc.vjp(x @ w, x, d), {x: np.zeros((400, 100))})
    assert abs(np.mean(back**2) - 1) < 4 * math.sqrt(2 * (1 / 400 + 1 / 100))


@row("REG-05", "graphc/init/initialisers.py")
def test_reg_05_glorot():
    """300 to 500: variance .0025; ten linear layers of 512 keep both variances within 10 %."""
    moments(init.glorot_normal((300, 500), 0), 0.0025)
    moments(init.glorot_uniform((300, 500), 0), 0.0025, 1.8)
    x = gc.placeholder("x", (256, 512), gc.float32)
    net = nn.Sequential(*(nn.Dense(512, 512, bias=False, seed=k) for k in range(10)))
    rng = np.random.default_rng(0)
    y = net(x)
    back = gc.vjp(y, x, gc.constant(rng.standard_normal((256, 512), np.float32)))
    values = both([gc.var(y), gc.var(back)], {x: rng.standard_normal((256, 512), np.float32)})
    np.testing.assert_allclose(values, 1, atol=0.1)


@row("REG-06", "graphc/init/initialisers.py")
def test_reg_06_he():
    """Variance 2/J; over twenty ReLU layers of 512 the mean square changes by a factor a layer that
    is 1 on average, within 4 standard errors (each layer's weights move it by the root of 5/512).
    """
    moments(init.he_normal((300, 200), 0), 2 / 300)
    moments(init.he_uniform((300, 200), 0), 2 / 300, 1.8)
    x = gc.placeholder("x", (256, 512), gc.float32)
    h, sizes = x, []
    for k in range(20):
        first = init.lecun_normal if k == 0 else init.he_normal
        h = nn.Dense(512, 512, bias=False, weights=first, seed=k)(h)
        sizes.append(gc.mean(h * h))
        h = gc.relu(h)
    start = np.random.default_rng(0).standard_normal((256, 512), np.float32)
    found = run(gc.stack(sizes), {x: start})
    np.testing.assert_allclose(found[:6], 1, atol=0.2)
    assert abs(np.mean(found[1:] / found[:-1]) - 1) < 4 * math.sqrt(5 / 512 / 19)


@row("REG-07", "graphc/init/scaling.py")
def test_reg_07_library_default():
    """100 inputs: bound .1, variance .003333."""
    w = init.fan_in_uniform((100, 400), 0)
    assert 0.0999 < np.abs(w).max() <= 0.1
    moments(w, 1 / 300, 1.8)


@row("REG-08", "graphc/init/scaling.py")
def test_reg_08_gain():
    """E f(Z)² of nine activations as printed; a tanh net with that gain keeps its mean square."""
    printed = {
        gc.relu: 0.5, gc.tanh: 0.3942944904, gc.sigmoid: 0.2933790359, nn.selu: 1.0,
        gc.elu: 0.6449454175, gc.leaky_relu: 0.50005, gc.gelu: 0.4252214826, nn.swish: 0.3557755198,
    }  # fmt: skip
    found = both([init.mean_square(f) for f in printed])
    np.testing.assert_allclose(found, list(printed.values()), atol=1e-10)
    gain = float(run(init.gain_squared(gc.tanh)))
    assert gain == pytest.approx(1 / 0.3942944904, rel=1e-9)
    x = gc.placeholder("x", (256, 512), gc.float32)
    h = x
    for k in range(6):
        w = init.variance_scaling((512, 512), k, gain if k else 1.0)
        h = (gc.tanh(h) if k else h) @ gc.constant(w)
    start = np.random.default_rng(0).standard_normal((256, 512), np.float32)
    assert float(run(gc.mean(h * h), {x: start})) == pytest.approx(1, abs=0.15)


@row("REG-09", "graphc/init/initialisers.py")
def test_reg_09_orthogonal():
    """WᵀW = I to 1e-12; every singular value of ten linear layers is 1; the gain scales."""
    layers = [init.orthogonal((20, 20), k, **WIDE) for k in range(10)]
    tall = init.orthogonal((20, 8), 0, gain=3.0, **WIDE)
    np.testing.assert_allclose(layers[0].T @ layers[0], np.eye(20), atol=1e-12)
    np.testing.assert_allclose(tall.T @ tall, 9 * np.eye(8), atol=1e-12)
    y = gc.placeholder("x", (20, 20), gc.float64)
    feeds = {y: np.eye(20)}
    for w in layers:
        y = y @ gc.constant(w)
    np.testing.assert_allclose(np.linalg.svd(run(y, feeds))[1], 1, atol=1e-12)


@row("REG-10", "graphc/init/scaling.py")
def test_reg_10_data_dependent():
    """After one call on a batch each net input has variance 1 there; weights stay orthogonal."""
    x = gc.placeholder("x", ("batch", 6), gc.float64)
    layers = [nn.Dense(6, 8, **WIDE), nn.Dense(8, 8, **WIDE), nn.Dense(8, 3, **WIDE)]
    nets = [layers[0](x)]
    for layer in layers[1:]:
        nets.append(layer(gc.tanh(nets[-1])))
    weights = {layer.weight: z for layer, z in zip(layers, nets, strict=True)}
    batch = 3 * S(0, 40, 6) + 1
    start = gc.compile([x], None, updates=init.lsuv(weights, seed=0))
    start(batch)
    np.testing.assert_allclose(run([gc.var(z) for z in nets], {x: batch}), 1, rtol=1e-12)
    square = run(layers[1].weight)
    np.testing.assert_allclose(square.T @ square / (square[0] @ square[0]), np.eye(8), atol=1e-12)


@row("REG-11", "graphc/init/scaling.py")
def test_reg_11_biases():
    """A bias of log priors (.7, .2, .1): cross-entropy .801818553 with zero weights."""
    last = nn.Dense(4, 3, weights=lambda shape, seed, dtype: init.zeros(shape, dtype), **WIDE)
    state = last.state_dict()
    last.load_state_dict(state | {"bias": init.log_prior([7, 2, 1], "float64")})
    x = gc.placeholder("x", (10, 4), gc.float64)
    loss = nn.cross_entropy(last(x), gc.constant(np.repeat([0, 1, 2], [7, 2, 1])))
    assert float(both(loss, {x: S(0, 10, 4)})) == pytest.approx(0.801818553, abs=1e-9)
    (b,) = feeds = symbols(b=init.constant((4,), 0.1, "float64"))
    assert (run(gc.grad(gc.sum(gc.relu(b)), b), feeds) == 1).all()


@row("REG-12", "graphc/ops/randomness/generator.py")
def test_reg_12_streams():
    """Equal bits from run to run, for 1 and 2 threads and on `cpu` as on `reference`; streams of a
    split key and shifted draws do not correlate; a bad draw is drawn again.
    """
    n = 20_000
    keys = random.split(random.key(5), 3)
    out = [random.normal(keys[k], (n,), dtype="float64") for k in range(3)]
    before = gc.get_num_threads()
    try:
        found = []
        for threads in (1, 2):
            gc.set_num_threads(threads)
            found.append(run(out))
    finally:
        gc.set_num_threads(before)
    found.append(run(out))
    a, b, c = found[0]
    for other in found[1:]:
        for x, y in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(x, y)
    words = random.bits(keys[0], (100,))
    np.testing.assert_array_equal(run(words), run(words, target="reference"))
    for x, y in ((a, b), (b, c), (a, c), (a[1:], a[:-1]), (a * a, b * b)):
        assert abs(np.corrcoef(x, y)[0, 1]) < 4 / math.sqrt(n)
    number = gc.placeholder("number", (), gc.int64)
    draw = gc.compile([number], random.normal(random.key(number), (3,)))
    accepted = next(w for w in map(draw, range(1000)) if np.abs(w).max() < 0.5)
    assert np.abs(accepted).max() < 0.5 < np.abs(draw(0)).max()


@row("REG-13", "graphc/init/initialisers.py")
def test_reg_13_bad_scales():
    """Large weights saturate tanh, tiny ones (sd .1 at width 20) vanish: gradient norms fall
    geometrically towards the input; LeCun's stay.
    """
    rng = np.random.default_rng(0)
    x = gc.placeholder("x", (50, 20), gc.float64)

    def norms(std):
        hidden = [x]
        for k in range(8):
            w = gc.constant(init.normal((20, 20), k, std=std, dtype="float64"))
            hidden.append(gc.tanh(hidden[-1] @ w))
        grads = gc.grad(gc.sum(hidden[-1]), hidden[:-1])
        return gc.stack([gc.norm(g) for g in grads])

    tiny, good = run([norms(0.1), norms(math.sqrt(1 / 20))], {x: rng.standard_normal((50, 20))})
    assert tiny[0] < 1e-2 * tiny[-1] and (tiny[:-1] < 0.8 * tiny[1:]).all()
    assert 0.05 < good[0] / good[-1] < 20
    pre = rng.standard_normal((50, 20)) @ init.normal((20, 20), 0, std=20.0)
    large = run(gc.grad(gc.sum(gc.tanh(x)), x), {x: pre})
    assert np.median(large) < 1e-6
