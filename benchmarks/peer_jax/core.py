"""The core workloads."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from workloads import core as wl

from peer_jax import vision
from peer_jax.steps import adam_update, block, plain, train, value_and_grads, xent
from peer_jax.vision import conv, maxpool


def chain(x):
    return jnp.tanh(wl.A * x + wl.B) * jax.nn.sigmoid(x) + jnp.exp(-x * x)


def layer_norm(x, g, b):
    c = x - x.mean(-1, keepdims=True)
    return c * lax.rsqrt((c * c).mean(-1, keepdims=True) + wl.EPS) * g + b


def mean_var(x):
    return x.mean(), x.var(), x.mean(0), x.var(0)


def mlp(p, x):
    return jax.nn.relu(jax.nn.relu(x @ p[0] + p[1]) @ p[2] + p[3]) @ p[4] + p[5]


def mlp_loss(p, x, y):
    return xent(mlp(p, x), y)


def digits_loss(p, x, y):
    return xent(jax.nn.relu(x @ p[0] + p[1]) @ p[2] + p[3], y)


def lenet_loss(p, x, y):
    h = maxpool(jax.nn.relu(conv(x.transpose(0, 2, 3, 1), p[0], pad=2) + p[1]), 2, 2)
    h = maxpool(jax.nn.relu(conv(h, p[2]) + p[3]), 2, 2).transpose(0, 3, 1, 2).reshape(64, 400)
    h = jax.nn.relu(h @ p[4] + p[5])
    return xent(jax.nn.relu(h @ p[6] + p[7]) @ p[8] + p[9], y)


def batch_norm(x, g, b):
    c = x - x.mean((0, 1, 2))
    return c * lax.rsqrt((c * c).mean((0, 1, 2)) + wl.EPS) * g + b


def block_loss(p, w):
    k1, g1, b1, k2, g2, b2, x = p
    h = jax.nn.relu(batch_norm(conv(x, k1, pad=1), g1, b1))
    return (jax.nn.relu(x + batch_norm(conv(h, k2, pad=1), g2, b2)) * w).sum()


def resnet_block_train(d):
    d.update({k: jnp.array(d[k].transpose(0, 2, 3, 1)) for k in ("x", "w")})
    step = value_and_grads(block_loss, wl.BLOCK, "w")(d)
    step.canonical = lambda out: [*out[:-1], np.asarray(out[-1]).transpose(0, 3, 1, 2)]
    return step


def lstm_loss(p, x, y):
    wx, wh, b = p

    def cell(s, z):
        h, c = s
        i, f, g, o = jnp.split(z + h @ wh, 4, 1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

    zero = jnp.zeros((32, 128))
    (h, _), _ = lax.scan(cell, (zero, zero), x @ wx + b)
    return ((h - y) ** 2).mean()


def encoder(p, x):
    g1, b1, wqkv, bqkv, wo, bo, g2, b2, w1, c1, w2, c2 = p
    n, t, dim = x.shape
    q, k, v = (
        (layer_norm(x, g1, b1) @ wqkv + bqkv)
        .reshape(n, t, 3, wl.HEADS, dim // wl.HEADS)
        .transpose(2, 0, 3, 1, 4)
    )
    a = jax.nn.softmax(q @ k.swapaxes(2, 3) * (dim // wl.HEADS) ** -0.5, -1) @ v
    h = x + a.transpose(0, 2, 1, 3).reshape(n, t, dim) @ wo + bo
    return h + jax.nn.gelu(layer_norm(h, g2, b2) @ w1 + c1, approximate=True) @ w2 + c2


def hessian_mlp(theta, X, Y):
    def loss(t):
        return (
            (
                jnp.tanh(X @ t[:160].reshape(10, 16) + t[160:176]) @ t[176:192].reshape(16, 1)
                + t[192:]
                - Y
            )
            ** 2
        ).mean()

    return jax.hessian(loss)(theta)


def hvp_mlp(d):
    f = jax.jit(lambda p, v, x, y: jax.jvp(jax.grad(lambda p: mlp_loss(p, x, y)), (p,), (v,))[1])
    p, v = [d[k] for k in wl.MLP], [d["v" + k] for k in wl.MLP]
    return lambda: block(f(p, v, d["x"], d["y"]))


def adam_fused(d):
    f = jax.jit(
        lambda s, g: (*adam_update(s[0], g, s[1], s[2], s[3] + 1), s[3] + 1), donate_argnums=0
    )
    s = [(d["p"], d["m"], d["v"], jnp.float32(0))]

    def step():
        s[0] = block(f(s[0], d["g"]))
        return []

    step.state = lambda: s[0][:3]
    return step


WORKLOADS = {
    "ew_chain": plain(chain, "x"),
    "ew_grad": plain(jax.grad(lambda x: chain(x).sum()), "x"),
    "softmax_rows": plain(lambda x: jax.nn.softmax(x, 1), "x"),
    "layernorm_rows": plain(layer_norm, "x", "gamma", "beta"),
    "layernorm_grad": plain(
        jax.grad(lambda x, g, b, w: (layer_norm(x, g, b) * w).sum(), (0, 1, 2)),
        "x",
        "gamma",
        "beta",
        "w",
    ),
    "logsumexp_all": plain(lambda x: (jax.nn.logsumexp(x), jax.nn.logsumexp(x, 0)), "x"),
    "mean_var": plain(mean_var, "x"),
    "gemm_1024": plain(lambda a, b: a @ b, "A", "B"),
    "gemm_bias_relu": plain(lambda x, w, b: jax.nn.relu(x @ w + b), "x", "W", "b"),
    "tiny_call": plain(lambda x: x * 2 + 1, "x"),
    "mlp_infer_b1": plain(lambda x, *p: mlp(p, x), "x", *wl.MLP),
    "mlp_train": train(mlp_loss, wl.MLP, ("x", "y"), adam=True),
    "digits_step": train(digits_loss, wl.DIGITS, ("x", "y"), adam=True),
    "lenet_train": train(lenet_loss, wl.LENET, ("x", "y"), adam=False),
    "resnet_block_train": resnet_block_train,
    **vision.CORE,
    "lstm_train": value_and_grads(lstm_loss, ("Wx", "Wh", "b"), "x", "y"),
    "transformer_infer": plain(lambda x, *p: encoder(p, x), "x", *wl.TRANSFORMER),
    "transformer_train": value_and_grads(
        lambda p, x, w: (encoder(p, x) * w).mean(), wl.TRANSFORMER, "x", "w"
    ),
    "hessian_mlp": plain(hessian_mlp, "theta", "X", "Y"),
    "hvp_mlp": hvp_mlp,
    "adam_fused": adam_fused,
}
