"""What normalisers are blind to, and nets that normalise themselves (catalogue 8, F)."""

import math

import numpy as np

import graphc as gc
from graphc import init, nn, optim, random
from graphc.nn.activations import SELU_ALPHA, SELU_SCALE
from graphc.nn.self_normalising import selu_moments
from tests.systems.catalogue import S, both, check_gradients, row, run, symbols

WIDE = {"dtype": "float64"}


def net_inputs(kind, x, w):
    """Normalised net inputs, without epsilon."""
    if kind == "weights":
        return x @ nn.weight_norm(w, gc.constant(np.ones(4)), axis=1)
    axes = {"batch": 0, "layer": 1}
    return nn.normalise(x @ w, axes[kind], 0.0) if kind in axes else nn.selu(x @ w)


@row("REG-56", "graphc/nn/normalisation.py")
def test_reg_56_invariances():
    """All 24 cells of the table: what scaling and re-centring of weights and of data changes."""
    x, w = np.random.default_rng(0).standard_normal((2, 6, 4))
    w = w[:4] + 0.1
    column = np.array([2.0, 1, 1, 1])
    case = np.array([[3.0], [1], [1], [1], [1], [1]])
    changes = [
        (x, 3 * w), (x, w + S(1, 4)[:, None]), (x, w * column),
        (3 * x, w), (x + S(2, 4), w), (x * case, w),
    ]  # fmt: skip
    table = {"batch": "yny yyn", "weights": "yny nnn", "layer": "yyn yny", "none": "nnn nnn"}
    feeds = symbols(x=x, w=w)
    for kind, cells in table.items():
        f = gc.compile(list(feeds), net_inputs(kind, *feeds))
        same = [np.allclose(f(x, w), f(*changed), atol=1e-9) for changed in changes]
        assert same == [c == "y" for c in cells.replace(" ", "")], kind


@row("REG-57", "graphc/nn/self_normalising.py")
def test_reg_57_moment_map():
    """Printed values of the map, 60 steps to (0, 1), its Jacobian there, the exact constants; sums
    of J selu outputs have a skewness of J^-½ times one's.
    """
    (m, v, *_) = feeds = symbols(
        m=np.array([0, 0.1, 0.5]), v=np.array([1, 1.2, 2]),
        total=np.array([0, 0.3, 0]), squares=np.array([1, 0.9, 1]),
    )  # fmt: skip
    means, variances = both(selu_moments(*feeds), feeds)
    np.testing.assert_allclose(means, [0, 0.0364927035, 0.0896120838], atol=1e-10)
    np.testing.assert_allclose(variances, [1, 1.0716549212, 1.7144780717], atol=1e-10)
    last, _ = gc.scan(lambda c, _: (selu_moments(*c), None), (m[2], v[2]), length=60)
    slopes = [gc.grad(gc.sum(y), [m, v]) for y in selu_moments(m, v, 0.0, 1.0)]
    end, jacobian = both([gc.stack(last), [g[0] for row in slopes for g in row]], feeds)
    np.testing.assert_allclose(end, [0, 1], atol=3e-7)
    jacobian = np.reshape(jacobian, (2, 2))
    np.testing.assert_allclose(jacobian, [[0, 0.0888347551], [0, 0.7826478832]], atol=1e-10)
    assert abs(np.linalg.norm(jacobian, 2) - 0.7876733605) < 1e-10
    half = math.erfc(math.sqrt(0.5)) * math.exp(0.5)
    alpha = -math.sqrt(2 / math.pi) / (half - 1)
    assert abs(alpha - SELU_ALPHA) < 1e-13
    squared = 1 + alpha**2 * (1 - 2 * half + math.exp(2) * math.erfc(math.sqrt(2)))
    assert abs(math.sqrt(2 / squared) - SELU_SCALE) < 1e-13
    a = run(nn.selu(random.normal(random.key(1), (20_000, 64), **WIDE)))
    one = np.mean(a**3)
    for J in (4, 16, 64):
        s = a[:, :J].sum(1) / math.sqrt(J)
        assert abs(np.mean(s**3) - one / math.sqrt(J)) < 4 * math.sqrt(np.var(s**3) / len(s))


@row("REG-58", "graphc/nn/dropout.py")
def test_reg_58_snn_training():
    """Five selu layers of 512 keep mean 0 and variance 1 where tanh shrinks and relu leaves 0; 8
    layers with alpha dropout train.
    """
    x = gc.placeholder("x", (200, 512), gc.float32)

    def layers(f):
        h, found = x, []
        for k in range(5):
            h = f(h @ gc.constant(init.lecun_normal((512, 512), k)))
            found.append(gc.stack([gc.mean(h), gc.var(h)]))
        return gc.stack(found)

    start = np.random.default_rng(0).standard_normal((200, 512), np.float32)
    selu, tanh, relu = run([layers(f) for f in (nn.selu, gc.tanh, gc.relu)], {x: start})
    np.testing.assert_allclose(selu, [[0, 1]] * 5, atol=0.15)
    assert (np.diff(tanh[:, 1]) < 0).all() and tanh[-1, 1] < 0.3
    assert relu[0, 0] > 0.35 and (relu[:, 0] > 0.05).all()
    generator, steps = random.Generator(0), []
    for k in range(8):
        steps += [nn.Dense(12 if k else 3, 12, nn.selu, weights=init.lecun_normal, seed=k, **WIDE)]
        steps += [nn.AlphaDropout(0.05, generator)]
    model = nn.Sequential(*steps, nn.Dense(12, 1, weights=init.lecun_normal, seed=9, **WIDE))
    (X, t) = feeds = symbols(X=S(0, 20, 3), t=S(1, 20, 1))
    loss = nn.mse(model(X), t)
    step = gc.compile([X, t], loss, updates=optim.SGD(0.02).updates(loss, model.parameters()))
    losses = [float(step(*feeds.values())) for _ in range(100)]
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:10])
    check_gradients(nn.mse(model.eval()(X), t), feeds, count=3)
