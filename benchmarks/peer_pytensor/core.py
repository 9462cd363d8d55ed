"""The core workloads without convolutions."""

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.tensor.special import softmax
from workloads import core as wl

from peer_pytensor.steps import adam, compile, f32, plain, relu, train, value_and_grads, xent


def chain(x):
    return pt.tanh(f32(wl.A) * x + f32(wl.B)) * pt.sigmoid(x) + pt.exp(-x * x)


def layer_norm(x, g, b):
    c = x - x.mean(-1, keepdims=True)
    return c / pt.sqrt(pt.sqr(c).mean(-1, keepdims=True) + f32(wl.EPS)) * g + b


def mlp(p, x):
    return relu(relu(x @ p[0] + p[1]) @ p[2] + p[3]) @ p[4] + p[5]


def mlp_loss(p, x, y):
    return xent(mlp(p, x), y)


def digits_loss(p, x, y):
    return xent(relu(x @ p[0] + p[1]) @ p[2] + p[3], y)


def adam_fused(d):
    p, g, m, v = (pytensor.shared(d[k].copy()) for k in "pgmv")
    t = pytensor.shared(f32(0))
    changes = zip((p, m, v), adam(p, g, m, v, t + f32(1)), strict=True)
    step = compile([], [], [], [(t, t + f32(1)), *changes])
    step.state = lambda: [a.get_value() for a in (p, m, v)]
    return step


def lstm_loss(p, x, y):
    wx, wh, b = p
    zero = pt.zeros((32, 128), dtype="float32")

    def cell(z, h, c, wh):
        z = z + h @ wh
        i, f, g, o = (z[:, k * 128 : (k + 1) * 128] for k in range(4))
        c = pt.sigmoid(f) * c + pt.sigmoid(i) * pt.tanh(g)
        return pt.sigmoid(o) * pt.tanh(c), c

    (h, _) = pytensor.scan(
        cell,
        sequences=[x @ wx + b],
        outputs_info=[zero, zero],
        non_sequences=[wh],
        return_updates=False,
    )
    return pt.sqr(h[-1] - y).mean()


def encoder(p, x):
    g1, b1, wqkv, bqkv, wo, bo, g2, b2, w1, c1, w2, c2 = p
    n, t, dim = x.type.shape
    size = dim // wl.HEADS
    qkv = (
        (layer_norm(x, g1, b1) @ wqkv + bqkv)
        .reshape((n, t, 3, wl.HEADS, size))
        .transpose(2, 0, 3, 1, 4)
    )
    q, k, v = qkv[0], qkv[1], qkv[2]
    a = softmax(q @ k.transpose(0, 1, 3, 2) * f32(size**-0.5), axis=-1) @ v
    h = x + a.transpose(0, 2, 1, 3).reshape((n, t, dim)) @ wo + bo
    u = layer_norm(h, g2, b2) @ w1 + c1
    return (
        h
        + (f32(0.5) * u * (1 + pt.tanh(f32((2 / np.pi) ** 0.5) * (u + f32(0.044715) * u * u * u))))
        @ w2
        + c2
    )


def hessian_mlp(theta, X, Y):
    t = theta
    loss = pt.sqr(
        pt.tanh(X @ t[:160].reshape((10, 16)) + t[160:176]) @ t[176:192].reshape((16, 1))
        + t[192:]
        - Y
    ).mean()
    return pytensor.gradient.hessian(loss, theta)


def hvp_mlp(*a):
    p, v, (x, y) = list(a[:6]), a[6:12], a[12:]
    g = pytensor.grad(mlp_loss(p, x, y), p)
    slope = sum((a * b).sum() for a, b in zip(g, v, strict=True))
    return pytensor.grad(slope, p, consider_constant=list(v))


WORKLOADS = {
    "ew_chain": plain(chain, "x"),
    "ew_grad": plain(lambda x: pytensor.grad(chain(x).sum(), x), "x"),
    "softmax_rows": plain(lambda x: softmax(x, axis=1), "x"),
    "layernorm_rows": plain(layer_norm, "x", "gamma", "beta"),
    "layernorm_grad": plain(
        lambda x, g, b, w: pytensor.grad((layer_norm(x, g, b) * w).sum(), [x, g, b]),
        "x",
        "gamma",
        "beta",
        "w",
    ),
    "logsumexp_all": plain(lambda x: (pt.logsumexp(x), pt.logsumexp(x, axis=0)), "x"),
    "mean_var": plain(lambda x: (x.mean(), x.var(), x.mean(0), x.var(0)), "x"),
    "gemm_1024": plain(lambda a, b: a @ b, "A", "B"),
    "gemm_bias_relu": plain(lambda x, w, b: relu(x @ w + b), "x", "W", "b"),
    "tiny_call": plain(lambda x: x * f32(2) + f32(1), "x"),
    "mlp_infer_b1": plain(lambda x, *p: mlp(p, x), "x", *wl.MLP),
    "mlp_train": train(mlp_loss, wl.MLP),
    "digits_step": train(digits_loss, wl.DIGITS),
    "lstm_train": value_and_grads(lstm_loss, ("Wx", "Wh", "b"), "x", "y"),
    "transformer_infer": plain(lambda x, *p: encoder(p, x), "x", *wl.TRANSFORMER),
    "transformer_train": value_and_grads(
        lambda p, x, w: (encoder(p, x) * w).mean(), wl.TRANSFORMER, "x", "w"
    ),
    "hessian_mlp": plain(hessian_mlp, "theta", "X", "Y"),
    "hvp_mlp": plain(hvp_mlp, *wl.MLP, *("v" + k for k in wl.MLP), "x", "y"),
    "adam_fused": adam_fused,
}
