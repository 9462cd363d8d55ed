"""PyTensor: mode NUMBA, float32, state in shared variables.

PyTensor has no pooling and no many-channel convolution, so the convolutional workloads are not
attempted.
"""

import numpy as np
import pytensor
import pytensor.tensor as pt
import workloads as wl
from pytensor.tensor.special import softmax

pytensor.config.floatX = "float32"
f32 = np.float32
NO_CONV = {"lenet_train", "resnet_block_train", "resnet18_infer_b1"}


def build(name, data):
    if name in NO_CONV:
        raise NotImplementedError("pytensor has no pooling and no many-channel convolution")
    return WORKLOADS[name](data)


def compile(inputs, outputs, args, updates=None):
    """The compiled step on fixed arguments."""
    f = pytensor.function(
        [pytensor.In(i, borrow=True) for i in inputs],
        [pytensor.Out(o, borrow=True) for o in outputs],
        updates=updates,
        mode="NUMBA",
        on_unused_input="ignore",
    )
    f.trust_input = True
    return lambda: f(*args)


def plain(f, *names):
    def make(d):
        args = [d[k] for k in names]
        inputs = [pt.tensor(k, dtype=d[k].dtype, shape=d[k].shape) for k in names]
        out = f(*inputs)
        return compile(inputs, out if isinstance(out, (tuple, list)) else [out], args)

    return make


def value_and_grads(loss, names, *rest):
    def f(*inputs):
        p = list(inputs[: len(names)])
        value = loss(p, *inputs[len(names) :])
        return [value, *pytensor.grad(value, p)]

    return plain(f, *names, *rest)


def chain(x):
    return pt.tanh(f32(wl.A) * x + f32(wl.B)) * pt.sigmoid(x) + pt.exp(-x * x)


def relu(x):
    return pt.maximum(x, f32(0))


def layer_norm(x, g, b):
    c = x - x.mean(-1, keepdims=True)
    return c / pt.sqrt(pt.sqr(c).mean(-1, keepdims=True) + f32(wl.EPS)) * g + b


def xent(z, y):
    z = z - z.max(1, keepdims=True)
    return (pt.log(pt.exp(z).sum(1)) - z[pt.arange(z.shape[0]), y]).mean()


def mlp(p, x):
    return relu(relu(x @ p[0] + p[1]) @ p[2] + p[3]) @ p[4] + p[5]


def mlp_loss(p, x, y):
    return xent(mlp(p, x), y)


def adam(p, g, m, v, t):
    """(new p, new m, new v)."""
    m, v = f32(0.9) * m + f32(0.1) * g, f32(0.999) * v + f32(0.001) * g * g
    return (
        p
        - f32(wl.ADAM_LR)
        / (1 - f32(0.9) ** t)
        * m
        / (pt.sqrt(v) / pt.sqrt(1 - f32(0.999) ** t) + f32(1e-8)),
        m,
        v,
    )


def digits_loss(p, x, y):
    return xent(relu(x @ p[0] + p[1]) @ p[2] + p[3], y)


def train(loss, names):
    """A workload of one Adam step; the state is the parameters."""

    def make(d):
        p = [pytensor.shared(d[k].copy()) for k in names]
        m, v = ([pytensor.shared(np.zeros_like(d[k])) for k in names] for _ in range(2))
        t = pytensor.shared(f32(0))
        x, y = pt.matrix("x", dtype="float32"), pt.lvector("y")
        value = loss(p, x, y)
        updates = [(t, t + f32(1))]
        for a, g, b, c in zip(p, pytensor.grad(value, p), m, v, strict=True):
            updates += zip((a, b, c), adam(a, g, b, c, t + f32(1)), strict=True)
        step = compile([x, y], [value], [d["x"], d["y"]], updates)
        step.state = lambda: [a.get_value() for a in p]
        return step

    return make


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
