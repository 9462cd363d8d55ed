"""Differentiation of feed-forward graphs (catalogue 1, D)."""

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from tests.systems.catalogue import CS, S, both, check_gradients, row, symbols
from tests.systems.test_mlp_networks import LABELS, network


@row("MLP-44", "graphc/ops/linear/contraction.py")
def test_mlp_44_layer_vjp():
    """A layer's cotangents are (delta W^T) f'(z), A^T delta and column sums; no four-dimensional
    Jacobian is made.
    """
    feeds = symbols(A=S(0, 5, 4), W=S(1, 4, 3), b=S(2, 3), D=S(3, 5, 3))
    A, W, b, D = feeds
    z = gc.tanh(A) @ W + b
    dA, dW, db = gc.vjp([z], [A, W, b], [D])
    expected = [(D @ W.T) * (1 - gc.tanh(A) ** 2), gc.tanh(A).T @ D, gc.sum(D, axis=0)]
    for got, want in zip(*both([[dA, dW, db], expected], feeds), strict=True):
        np.testing.assert_allclose(got, want, atol=1e-13)
    check_gradients(gc.sum(z * D), feeds, 1e-8)
    from graphc.ir.walk import topological

    assert max(x.ndim for node in topological([dA, dW, db]) for x in node.outputs) <= 2


@row("MLP-45", "graphc/passes/derivatives/differentiate.py")
def test_mlp_45_scalar_graph():
    """Each cotangent of the small graph can be asked for by its node."""
    feeds = symbols(x=np.array(0.7), w=np.array(-0.4), v=np.array(1.3), y=np.array(0.9))
    x, w, v, y = feeds
    z = w * x
    h = gc.sigmoid(z)
    e = v * h
    loss = 0.5 * (y - e) ** 2
    eb = -(y - e)
    hb = eb * v
    zb = hb * h * (1 - h)
    found, expected = both(
        [gc.grad(loss, [e, v, h, z, w, x]), [eb, eb * h, hb, zb, zb * x, zb * w]], feeds
    )
    np.testing.assert_allclose(found, expected, atol=1e-15)


@row("MLP-46", "graphc/passes/derivatives/differentiate.py")
def test_mlp_46_fan_out():
    """x x + x has slope 2x + 1; a tied weight gets the sum of its uses."""
    feeds = symbols(x=np.array(1.7), W=S(0, 3, 3), u=S(1, 3))
    x, W, u = feeds
    tied = gc.grad(gc.sum(gc.tanh(u @ W) @ W), W)
    a, b = (gc.variable(S(0, 3, 3)) for _ in range(2))
    apart = gc.grad(gc.sum(gc.tanh(u @ a) @ b), [a, b])
    values = both([gc.grad(x * x + x, x), tied, *apart], feeds)
    assert values[0] == pytest.approx(2 * 1.7 + 1)
    np.testing.assert_allclose(values[1], values[2] + values[3], atol=1e-13)


@row("MLP-47", "graphc/passes/derivatives/jacobian.py")
def test_mlp_47_jacobians():
    """The printed checksum; by columns and by rows alike; a tanh layer's is diag(f') W."""
    feeds, logits, _ = network()
    X, W1, b1, *_ = feeds
    full = {mode: gc.jacobian(logits, X, mode=mode)[0, :, 0, :] for mode in ("forward", "reverse")}
    forward, reverse = both(list(full.values()), feeds)
    assert CS(reverse) == pytest.approx(0.314784713, abs=6e-10)
    np.testing.assert_allclose(forward, reverse, atol=1e-13)
    row0 = symbols(x=S(0, 4))
    (x,) = row0
    h = gc.tanh(x @ W1 + b1)
    layer, expected = both(
        [gc.jacobian(h, x), gc.expand_dims(1 - h * h, 1) * W1.T],
        row0 | {W1: feeds[W1], b1: feeds[b1]},
    )
    np.testing.assert_allclose(layer, expected, atol=1e-14)


@row("MLP-48", "graphc/linalg.py")
def test_mlp_48_matrix_identities():
    """x.a, products, W f(x), vec(PQR) by a Kronecker product, and a projection: idempotent, trace =
    rank.
    """
    feeds = symbols(x=S(0, 3), a=S(1, 3), P=S(2, 2, 3), Q=S(3, 3, 2), R=S(4, 2, 4), M=S(5, 5, 2))
    x, a, P, Q, R, M = feeds
    project = M @ gc.linalg.inv(M.T @ M) @ M.T
    direct = gc.ravel((P @ Q @ R).T)
    by_kron = gc.kron(R.T, P) @ gc.ravel(Q.T)
    jacobian = gc.jacobian(P @ gc.tanh(x), x)
    values = both(
        [gc.grad(gc.sum(x * a), x), a, direct, by_kron, jacobian, P * (1 - gc.tanh(x) ** 2),
         project @ project, project, gc.trace(project)],
        feeds,
    )  # fmt: skip
    for got, want in zip(values[:8:2], values[1:8:2], strict=True):
        np.testing.assert_allclose(got, want, atol=1e-12)
    assert values[8] == pytest.approx(2)
    check_gradients(gc.sum(gc.sin(P @ Q @ R)) + gc.sum(project**3), feeds)


@row("MLP-49", "graphc/passes/derivatives/jacobian.py")
def test_mlp_49_hessian():
    """Printed trace, extreme eigenvalues and checksum; symmetric; columns are Hessian-vector
    products; Taylor's error.
    """
    shapes = [(4, 6), (6,), (6, 3), (3,)]
    sizes = [int(np.prod(s)) for s in shapes]
    start = np.concatenate([S(k, *s).ravel() for k, s in enumerate(shapes, 1)])
    feeds = symbols(theta=start)
    (theta,) = feeds
    ends = np.cumsum([0, *sizes])
    W1, b1, W2, b2 = (
        gc.reshape(theta[int(a) : int(b)], s)
        for a, b, s in zip(ends[:-1], ends[1:], shapes, strict=True)
    )
    logits = gc.tanh(gc.constant(S(0, 5, 4)) @ W1 + b1) @ W2 + b2
    loss = nn.cross_entropy(logits, gc.constant(LABELS))
    direction = gc.constant(S(0, len(start)))
    H, Hv, g, value = both(
        [gc.hessian(loss, theta), gc.hvp(loss, theta, direction), gc.grad(loss, theta), loss], feeds
    )
    assert np.trace(H) == pytest.approx(4.286177167, abs=6e-10)
    w = np.linalg.eigvalsh(H)
    np.testing.assert_allclose([w[0], w[-1]], [-0.501469520, 1.520576070], atol=6e-10)
    assert CS(Hv) == pytest.approx(0.680678565, abs=6e-10)
    np.testing.assert_allclose(H, H.T, atol=1e-12)
    np.testing.assert_allclose(H @ S(0, len(start)), Hv, atol=1e-12)
    at = gc.compile([theta], loss)
    d = S(7, len(start)) / 10
    errors = [
        abs(at(start + s * d) - value - s * g @ d - s * s * d @ H @ d / 2) for s in (1e-1, 5e-2)
    ]
    assert 6 < errors[0] / errors[1] < 10


@row("MLP-50", "graphc/passes/derivatives/batch.py")
def test_mlp_50_per_sample_gradients():
    """The printed squared norms of each sample's gradient, by mapping the gradient over samples."""
    feeds, _, _ = network()
    X, *parameters = feeds
    W1, b1, W2, b2 = parameters

    def one(x, label):
        loss = nn.cross_entropy(gc.tanh(x @ W1 + b1) @ W2 + b2, label)
        return sum(gc.sum(g * g) for g in gc.grad(loss, parameters))

    norms = both(gc.vmap(one)(X, gc.constant(LABELS)), feeds)
    np.testing.assert_allclose(
        norms, [3.3405236, 3.6466151, 1.7556136, 5.2056542, 9.0549086], atol=6e-8
    )


@row("MLP-51", "graphc/executable.py")
def test_mlp_51_cost():
    """Reported operations of a layer are 2 B m m' forward and about twice that backward; parameters
    m m' + m'.
    """
    B, m, n = 32, 20, 12
    x, W, b = gc.placeholder("x", ("B", m)), gc.variable(S(0, m, n)), gc.variable(S(1, n))
    W, b = gc.variable(W.value.astype("f4")), gc.variable(b.value.astype("f4"))
    z = x @ W + b
    forward = gc.compile([x], z)
    assert forward.cost.at(B=B).flops == 2 * B * m * n + B * n
    assert forward.memory.variables == 4 * (m * n + n)
    hidden = gc.placeholder("h", ("B", m))
    h = gc.tanh(hidden)
    both_ways = gc.compile([hidden], gc.grad(gc.sum(gc.tanh(h @ W + b) ** 2), [hidden, W, b]))
    assert both_ways.cost.at(B=B).flops <= 4 * forward.cost.at(B=B).flops + 60 * B * (m + n)
    loops = gc.dump(gc.compile([hidden], [h, gc.grad(gc.sum(h), hidden)]), "loops")
    assert loops.count("tanh(") == 1


@row("MLP-52", "tests/systems/catalogue.py")
def test_mlp_52_gradient_check():
    """Central differences pass a right gradient and catch a wrong one."""
    feeds = symbols(x=S(0, 4))
    (x,) = feeds
    right = gc.custom_gradient(gc.sin, lambda xs, ys, gs: [gs[0] * gc.cos(xs[0])])
    wrong = gc.custom_gradient(gc.sin, lambda xs, ys, gs: [1.01 * gs[0] * gc.cos(xs[0])])
    check_gradients(gc.sum(right(x)), feeds)
    with pytest.raises(AssertionError, match="differences"):
        check_gradients(gc.sum(wrong(x)), feeds)


@row("MLP-53", "graphc/compile.py")
def test_mlp_53_diagnostics():
    """Any node can be fetched: dead units, gradient sizes, update ratios; ten classes start at ln
    10.
    """
    rng = np.random.default_rng(0)
    x = gc.placeholder("x", ("n", 20))
    w1 = gc.variable(rng.standard_normal((20, 30)).astype("f4"))
    b1 = gc.variable(np.where(np.arange(30) < 3, -1e3, 0).astype("f4"))
    w2 = gc.variable(np.zeros((30, 10), "f4"))
    h = gc.relu(x @ w1 + b1)
    loss = nn.cross_entropy(h @ w2, gc.zeros((x.shape[0],), dtype="int64"))
    grads = gc.grad(loss, [w1, w2])
    dead = gc.mean(gc.astype(gc.all(h == 0, axis=0), "float32"))
    ratio = 0.01 * gc.norm(grads[1]) / gc.norm(w1)
    found = gc.compile(
        [x], {"loss": loss, "dead": dead, "ratio": ratio, "sizes": [gc.norm(g) for g in grads]}
    )
    values = found(rng.standard_normal((64, 20)).astype("f4"))
    assert values["loss"] == pytest.approx(2.302585, abs=1e-5)
    assert values["dead"] == pytest.approx(0.1)
    assert values["sizes"][0] == 0 and values["sizes"][1] > 0
    assert 0 < values["ratio"] < 0.01
