"""Autoencoders (catalogue 5, A)."""

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim, probability, random
from tests.systems.catalogue import CS, S, both, row, run, symbols
from tests.systems.generating import CENTRED, EIGENVALUES, WIDE, constant, deployed, minimised
from tests.systems.sequences import differentiated, learns

FILE = "graphc/probability/autoencoders.py"


@row("GEN-01", FILE)
def test_gen_01_autoencoder(tmp_path):
    """Data of rank 2 pass a code of 2: the loss goes to 0, the cross-entropy of bits falls; encoder
    and decoder run as two libraries, each with its own weights alone; differences.
    """
    encoder, decoder = nn.Dense(4, 2, seed=0, **WIDE), nn.Dense(2, 4, seed=1, **WIDE)
    model = probability.Autoencoder(encoder, decoder)
    x = gc.placeholder("x", (12, 4), gc.float64)
    data = S(0, 12, 2) @ S(3, 2, 4)
    losses = learns(model.loss(x), model.parameters(), {x: data}, 400, 0.05, 1e-4)
    assert losses[-1] < 1e-5
    code = gc.placeholder("code", (12, 2), gc.float64)
    codes, text = deployed(tmp_path, "encoder", {x: data}, model.encode(x))
    restored, other = deployed(tmp_path, "decoder", {code: codes}, model.decode(code))
    np.testing.assert_allclose(restored, data, atol=0.02)
    np.testing.assert_array_equal(codes, run(model.encode(x), {x: data}))
    first, second = "double[4, 2]: weight", "double[2, 4]: weight"
    assert first in text and second not in text
    assert second in other and first not in other
    bits = (S(0, 6, 4) > 0) * 1.0
    coder = probability.Autoencoder(nn.Dense(4, 3, gc.tanh, seed=0), nn.Dense(3, 4, seed=1))
    b = gc.placeholder("b", (6, 4))
    learns(nn.binary_cross_entropy(coder(b), b), coder.parameters(), {b: bits}, 40)
    feeds = symbols(E=S(1, 4, 2), D=S(2, 2, 4), x=S(0, 3, 4))
    E, D, x = feeds
    plain = probability.Autoencoder(lambda x: gc.tanh(x @ E), lambda code: code @ D)
    bce = nn.binary_cross_entropy(plain(x), 0.5 + 0.5 * x)
    differentiated([plain(x)], plain.loss(x) + bce, feeds)


@row("GEN-02", FILE)
def test_gen_02_linear_autoencoder():
    """The least squared error is the sum of the two small eigenvalues, 1.355287437; UV is the
    projection of PCA, as it is with V = Uᵀ; differences.
    """
    top = np.linalg.eigh(CENTRED.T @ CENTRED)[1][:, 2:]
    X = constant(CENTRED)
    for tied in (False, True):
        U, V = gc.variable(S(1, 4, 2)), gc.variable(S(2, 2, 4))
        product = U @ (U.T if tied else V)
        loss = gc.sum((X - X @ product) ** 2)
        least = minimised(loss, [U] if tied else [U, V])
        assert least == pytest.approx(1.355287437, abs=1e-8)
        np.testing.assert_allclose(run(product), top @ top.T, atol=1e-4)
    assert least == pytest.approx(EIGENVALUES[:2].sum(), rel=1e-9)
    feeds = symbols(U=S(1, 4, 2), V=S(2, 2, 4))
    U, V = feeds
    differentiated([], gc.sum((X - X @ U @ V) ** 2), feeds)


@row("GEN-03", FILE)
def test_gen_03_tied_weights():
    """12.943929175, and 8.118705246 for the gradient, which is the sum of those of both uses;
    differences.
    """
    model = probability.TiedAutoencoder(3, 2, gc.sigmoid, **WIDE)
    feeds = symbols(x=S(0, 4, 3), W=S(1, 3, 2), b=S(2, 2), c=S(3, 3))
    x, model.weight, model.bias, model.output_bias = feeds
    loss = 0.5 * gc.sum((model(x) - x) ** 2)
    _, W, b, c = feeds
    other = gc.placeholder("other", (3, 2), gc.float64)
    apart = 0.5 * gc.sum((gc.sigmoid(x @ W + b) @ other.T + c - x) ** 2)
    (value,), grads = differentiated([loss], loss, feeds)
    assert value == pytest.approx(12.943929175, abs=1e-8)
    assert CS(grads[1]) == pytest.approx(8.118705246, abs=1e-8)
    parts = run(list(gc.grad(apart, [W, other])), {**feeds, other: feeds[W]})
    np.testing.assert_allclose(sum(parts), grads[1], atol=1e-12)
    fresh = probability.TiedAutoencoder(3, 2, gc.tanh, seed=0, **WIDE)
    assert fresh.parameter_count() == 3 * 2 + 2 + 3
    learns(fresh.loss(constant(S(0, 4, 3))), fresh.parameters(), part=0.7)


@row("GEN-04", FILE)
def test_gen_04_over_and_undercomplete():
    """A wide linear code copies its input; a narrow one can't, and with a penalty on codes or on
    slopes the wide one does not; differences.
    """
    X = np.random.default_rng(0).standard_normal((12, 3))
    errors, shift = [], []
    x = gc.placeholder("x", (12, 3), gc.float64)
    for codes, penalty in ((6, "none"), (2, "none"), (6, "l1"), (6, "slopes")):
        model = probability.TiedAutoencoder(3, codes, seed=0, **WIDE)
        code = model.encode(x)
        error = nn.mse(model.decode(code), x)
        extra = {
            "none": 0,
            "l1": 6 * gc.mean(gc.abs(code)),
            "slopes": gc.mean(probability.contraction(code, x)),
        }
        loss = error + 0.1 * extra[penalty]
        step = gc.compile([x], error, updates=optim.Adam(0.03).updates(loss, model.parameters()))
        errors.append([float(step(X)) for _ in range(300)][-1])
        shift.append(np.abs(model.weight.value @ model.weight.value.T - np.eye(3)))
    assert errors[0] < 1e-6 and shift[0].max() < 1e-2
    assert min(errors[1:]) > 1e-3 and min(s.max() for s in shift[1:]) > 0.03
    feeds = symbols(W=S(1, 3, 6), y=S(0, 4, 3))
    model.weight, y = feeds
    code = model.encode(y)
    penalties = gc.mean(gc.abs(code)) + gc.mean(probability.contraction(code, y))
    differentiated([code], model.loss(y) + 0.1 * penalties, feeds)


@row("GEN-05", "graphc/probability/distributions.py")
def test_gen_05_sparse_autoencoder():
    """-log p(x|z) - log p(z) with its Laplace prior; with λ = 0 the plain autoencoder; the larger
    λ, the more codes are small; differences.
    """
    feeds = symbols(z=S(1, 4, 3), lam=0.7)
    z, lam = feeds
    prior = -gc.sum(probability.laplace_log_density(z, lam))
    found, _ = differentiated([prior], prior, feeds)
    assert found[0] == pytest.approx(-12 * np.log(0.35) + 0.7 * np.abs(S(1, 4, 3)).sum())
    x, rate = gc.placeholder("x", (20, 4), gc.float64), gc.placeholder("rate", (), gc.float64)
    model = probability.Autoencoder(nn.Dense(4, 6, seed=0, **WIDE), nn.Dense(6, 4, seed=1, **WIDE))
    first = model.state_dict()
    code = model.encode(x)
    loss = gc.sum((x - model.decode(code)) ** 2) + rate * gc.sum(gc.abs(code))
    updates = optim.Adam(0.02).updates(loss, model.parameters())
    small = gc.mean(gc.abs(code) < 0.02)
    step = gc.compile([x, rate], [loss, small, nn.mse(model(x), x)], updates=updates)
    shares, X = [], S(0, 20, 4) * np.array([1, 1, 0.3, 0.3])
    for strength in (0.0, 0.3, 3.0):
        model.load_state_dict(first)
        steps = [step(X, strength) for _ in range(250)]
        shares.append(float(steps[-1][1]))
        assert steps[-1][0] < steps[0][0]
        if not strength:
            assert steps[0][0] == pytest.approx(80 * steps[0][2], rel=1e-12)
    assert shares[0] < shares[1] < shares[2]


@row("GEN-06", FILE)
def test_gen_06_denoising_autoencoder():
    """The best linear map from noisy input is C(C+s²I)⁻¹, its error .944444444; training on fresh
    noise or with parts masked lowers the error against clean input; differences.
    """
    C, s2 = np.diag([4.0, 1, 0.25]), 0.5
    W = gc.variable(np.zeros((3, 3)))
    error = W.T - gc.eye(3, dtype="float64")
    mean_square = gc.trace(error @ constant(C) @ error.T) + s2 * gc.sum(W * W)
    assert minimised(mean_square, [W]) == pytest.approx(0.944444444, abs=1e-9)
    best = C @ np.linalg.inv(C + s2 * np.eye(3))
    np.testing.assert_allclose(W.value, best, atol=1e-5)
    np.testing.assert_allclose(np.diag(best), [0.888889, 0.666667, 0.333333], atol=5e-7)
    generator = random.Generator(0)
    x = 2 * random.normal(generator, (4000, 3), dtype="float64") @ constant(np.diag([1, 0.5, 0.25]))
    noisy = nn.add_noise(x, s2**0.5, generator)
    fit, share = run(
        [gc.linalg.lstsq(noisy, x), gc.mean(probability.mask_out(x, 0.3, generator) == 0)]
    )
    np.testing.assert_allclose(fit, best, atol=0.06)
    assert share == pytest.approx(0.3, abs=4 * (0.21 / 12000) ** 0.5)
    model = probability.Autoencoder(nn.Dense(3, 4, gc.tanh, seed=0), nn.Dense(4, 3, seed=1))
    data = gc.constant(S(0, 30, 3).astype(np.float32))
    for seen in (probability.mask_out(data, 0.2, generator), nn.add_noise(data, 0.2, generator)):
        learns(model.loss(data, seen), model.parameters(), steps=100, part=0.8)
    feeds = symbols(W=S(1, 3, 2), x=S(0, 4, 3))
    tied = probability.TiedAutoencoder(3, 2, gc.tanh, **WIDE)
    tied.weight, x = feeds
    hidden = probability.mask_out(nn.add_noise(x, 0.3, random.key(1)), 0.3, random.key(2))
    differentiated([hidden], tied.loss(x, hidden), feeds)


@row("GEN-07", FILE)
def test_gen_07_contractive_autoencoder():
    """.171891661 for a sigmoid layer, equal to its closed form; gradients of the penalty by
    differences; it falls in training.
    """
    feeds = symbols(x=S(0, 1, 3), W=S(1, 3, 2), b=S(2, 2))
    x, W, b = feeds
    h = gc.sigmoid(x @ W + b)
    penalty = gc.sum(probability.contraction(h, x))
    closed = gc.sum((h * (1 - h)) ** 2 * gc.sum(W * W, 0))
    (value, same), _ = differentiated([penalty, closed], penalty, feeds)
    assert value == pytest.approx(0.171891661, abs=1e-9) == same
    with pytest.raises(gc.ShapeError, match=r"codes \(N, K\)"):
        probability.contraction(h[0], x)
    model = probability.TiedAutoencoder(3, 4, gc.sigmoid, seed=0, **WIDE)
    y = gc.placeholder("y", (8, 3), gc.float64)
    loss = gc.mean(probability.contraction(model.encode(y), y)) + model.loss(y)
    learns(loss, model.parameters(), {y: S(0, 8, 3)}, part=0.6)


@row("GEN-08", FILE)
def test_gen_08_predictive_sparse_decomposition():
    """15.371165617, its gradients by differences; turns of codes (a proximal step) and of weights
    (a gradient step) each lower the loss.
    """
    feeds = symbols(V=S(1, 2, 3), W=S(2, 3, 2), z=S(3, 4, 2), x=S(0, 4, 3))
    V, W, z, x = feeds
    loss = probability.predictive_sparse_loss(x, z, V, gc.sigmoid(x @ W), 0.1)
    (value,), _ = differentiated([loss], loss, feeds)
    assert value == pytest.approx(15.371165617, abs=1e-8)
    v = {name: gc.variable(a) for name, a in zip("VWz", list(feeds.values()), strict=False)}
    data, rate = constant(S(0, 4, 3)), 0.1
    whole = probability.predictive_sparse_loss(
        data, v["z"], v["V"], gc.sigmoid(data @ v["W"]), rate
    )
    smooth = whole - rate * gc.sum(gc.abs(v["z"]))
    codes = gc.compile([], whole, updates=optim.ISTA(0.05, rate).updates(smooth, [v["z"]]))
    weights = gc.compile([], whole, updates=optim.SGD(0.02).updates(whole, [v["V"], v["W"]]))
    losses = [float(f()) for _ in range(30) for f in (codes, weights)]
    assert (np.diff(losses) < 0).all() and losses[-1] < 0.3 * losses[0]


@row("GEN-09", FILE)
def test_gen_09_stacked_autoencoder():
    """Layer by layer, while earlier layers keep their bits; then all together go lower;
    differences.
    """
    X = constant(S(0, 16, 4) ** 3)
    layers = [probability.TiedAutoencoder(4, 3, gc.tanh, seed=0, **WIDE)]
    layers.append(probability.TiedAutoencoder(3, 2, gc.tanh, seed=1, **WIDE))
    learns(layers[0].loss(X), layers[0].parameters(), part=0.8)
    frozen = layers[0].state_dict()
    learns(layers[1].loss(layers[0].encode(X)), layers[1].parameters(), part=0.8)
    for name, array in layers[0].state_dict().items():
        np.testing.assert_array_equal(array, frozen[name])
    code = layers[1].encode(layers[0].encode(X))
    whole = nn.mse(layers[0].decode(layers[1].decode(code)), X)
    both_layers = layers[0].parameters() + layers[1].parameters()
    learns(whole, both_layers, part=0.9)
    feeds = symbols(A=S(1, 4, 3), B=S(2, 3, 2))
    layers[0].weight, layers[1].weight = feeds
    code = layers[1].encode(layers[0].encode(X))
    differentiated([code], nn.mse(layers[0].decode(layers[1].decode(code)), X), feeds)


@row("GEN-10", FILE)
def test_gen_10_convolutional_autoencoder():
    """Images of odd and even sizes come back in their size with output padding; on 1 by 1 images it
    is the dense one; differences; it learns.
    """
    for size in (5, 6):
        down = nn.Conv(1, 2, (3, 3), stride=2, padding="same", activation=gc.tanh, seed=0)
        up = nn.ConvTranspose(2, 1, (3, 3), 2, padding=1, output_padding=(size + 1) % 2, seed=1)
        model = probability.Autoencoder(down, up)
        assert model(gc.placeholder("x", ("batch", 1, size, size))).shape[2:] == (size, size)
    data = gc.constant(S(0, 3, 1, size, size).astype(np.float32))
    learns(model.loss(data), model.parameters(), part=0.8)
    feeds = symbols(x=S(0, 5, 3, 1, 1), A=S(1, 2, 3, 1, 1), B=S(2, 2, 3, 1, 1))
    x, A, B = feeds
    y = gc.tanh(nn.conv(x, A))
    loss = nn.mse(nn.conv_transpose(y, B), x)
    flat = x[..., 0, 0]
    dense = nn.mse(gc.tanh(flat @ A[..., 0, 0].T) @ B[..., 0, 0], flat)
    (a, b), _ = differentiated([loss, dense], loss, feeds)
    assert a == pytest.approx(b, rel=1e-13)
    assert both(loss, feeds) == pytest.approx(a)
