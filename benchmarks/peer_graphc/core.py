"""The core workloads."""

import numpy as np
from workloads import core as wl

import graphc as gc
from graphc import nn, optim
from peer_graphc import vision
from peer_graphc.steps import adam_updates, gradients, plain, reader, sgd_updates, zeros_like


def chain(x):
    return gc.tanh(wl.A * x + wl.B) * gc.sigmoid(x) + gc.exp(-x * x)


def softmax(x):
    e = gc.exp(x - gc.max(x, axis=-1, keepdims=True))
    return e / gc.sum(e, axis=-1, keepdims=True)


def layer_norm(x, g, b):
    c = x - gc.mean(x, axis=-1, keepdims=True)
    return c / gc.sqrt(gc.mean(c * c, axis=-1, keepdims=True) + wl.EPS) * g + b


def logsumexp(x):
    """Over everything, and over axis 0; that it is stable is the compiler's rule to apply."""
    return gc.log(gc.sum(gc.exp(x))), gc.log(gc.sum(gc.exp(x), axis=0))


def mean_var(x):
    return gc.mean(x), gc.var(x), gc.mean(x, axis=0), gc.var(x, axis=0)


def mlp(p, x):
    h = gc.maximum(x @ p[0] + p[1], 0)
    return gc.maximum(h @ p[2] + p[3], 0) @ p[4] + p[5]


def mlp_loss(p, x, y):
    return nn.cross_entropy(mlp(p, x), y)


def mlp_infer(d):
    x = d.placeholder("x")
    return d.step([x], [mlp(d.constants(wl.MLP), x)])


def mlp_train(d):
    p = d.variables(wl.MLP)
    states = zip(p, zeros_like(d, wl.MLP, "m"), zeros_like(d, wl.MLP, "v"), strict=True)
    x, y = d.placeholder("x"), d.placeholder("y")
    loss = mlp_loss(p, x, y)
    step = d.step([x, y], [loss], adam_updates(states, gc.grad(loss, p)))
    step.state = reader(p)
    return step


def adam_fused(d):
    p, g, m, v = d.variables("pgmv")
    step = d.step([], [], adam_updates([(p, m, v)], [g]))
    step.state = reader([p, m, v])
    return step


def digits_step(d):
    """The training step a newcomer writes: layers, loss and optimiser from the library."""
    x = gc.placeholder("x", ("batch", 784), gc.float32)
    y = gc.placeholder("y", ("batch",), gc.int64)
    model = nn.Sequential(nn.Dense(784, 512), gc.relu, nn.Dense(512, 10))
    loss = nn.cross_entropy(model(x), y)
    updates = optim.Adam(1e-3).updates(loss, model.parameters())
    return d.step([x, y], [loss], updates)


def lenet_loss(p, x, y):
    """Biases of convolutions belong to the channels, axis 1."""
    h = nn.relu(nn.conv(x, p[0], padding=2) + p[1].reshape((6, 1, 1)))
    h = nn.relu(nn.conv(nn.max_pool(h, 2), p[2]) + p[3].reshape((16, 1, 1)))
    h = nn.max_pool(h, 2).reshape((x.shape[0], 400))
    h = nn.relu(nn.relu(h @ p[4] + p[5]) @ p[6] + p[7])
    return nn.cross_entropy(h @ p[8] + p[9], y)


def lenet_train(d):
    p = d.variables(wl.LENET)
    x, y = d.placeholder("x"), d.placeholder("y")
    loss = lenet_loss(p, x, y)
    step = d.step([x, y], [loss], sgd_updates(d, wl.LENET, p, gc.grad(loss, p)))
    step.state = reader(p)
    return step


def batch_norm(x, g, b):
    """Over all axes but the channels."""
    shape = (x.shape[1], 1, 1)
    c = x - gc.mean(x, axis=(0, 2, 3), keepdims=True)
    scale = gc.rsqrt(gc.mean(c * c, axis=(0, 2, 3), keepdims=True) + wl.EPS) * g.reshape(shape)
    return c * scale + b.reshape(shape)


def block_loss(p, w):
    k1, g1, b1, k2, g2, b2, x = p
    h = nn.relu(batch_norm(nn.conv(x, k1, padding=1), g1, b1))
    h = batch_norm(nn.conv(h, k2, padding=1), g2, b2)
    return gc.sum(nn.relu(x + h) * w)


def lstm_loss(p, x, y):
    wx, wh, b = p

    def cell(state, z):
        h, c = state
        i, f, g, o = gc.split(z + h @ wh, 4, axis=1)
        c = gc.sigmoid(f) * c + gc.sigmoid(i) * gc.tanh(g)
        return (gc.sigmoid(o) * gc.tanh(c), c), None

    zero = gc.zeros(y.shape)
    (h, _), _ = gc.scan(cell, (zero, zero), x @ wx + b)
    return gc.mean((h - y) ** 2)


def encoder(p, x):
    g1, b1, wqkv, bqkv, wo, bo, g2, b2, w1, c1, w2, c2 = p
    n, t, dim = x.shape
    size = dim // wl.HEADS
    qkv = (layer_norm(x, g1, b1) @ wqkv + bqkv).reshape((n, t, 3, wl.HEADS, size))
    q, k, v = (qkv[:, :, i].transpose((0, 2, 1, 3)) for i in range(3))
    a = softmax(q @ k.transpose((0, 1, 3, 2)) * size**-0.5) @ v
    h = x + a.transpose((0, 2, 1, 3)).reshape((n, t, dim)) @ wo + bo
    u = layer_norm(h, g2, b2) @ w1 + c1
    gelu = 0.5 * u * (1 + gc.tanh((2 / np.pi) ** 0.5 * (u + 0.044715 * u * u * u)))
    return h + gelu @ w2 + c2


def transformer_infer(d):
    x = d.placeholder("x")
    return d.step([x], [encoder(d.constants(wl.TRANSFORMER), x)])


def hessian_mlp(theta, X, Y):
    w1, b1, w2, b2 = theta[:160], theta[160:176], theta[176:192], theta[192:]
    h = gc.tanh(X @ w1.reshape((10, 16)) + b1)
    error = h @ w2.reshape((16, 1)) + b2 - Y
    return gc.hessian(gc.mean(error * error), theta)


def hvp_mlp(*inputs):
    p, v, (x, y) = list(inputs[:6]), list(inputs[6:12]), inputs[12:]
    return gc.hvp(mlp_loss(p, x, y), p, v)


WORKLOADS = {
    "ew_chain": plain(chain, "x"),
    "ew_grad": gradients(lambda p: gc.sum(chain(p[0])), ["x"], value=False),
    "softmax_rows": plain(softmax, "x"),
    "layernorm_rows": plain(layer_norm, "x", "gamma", "beta"),
    "layernorm_grad": gradients(
        lambda p, w: gc.sum(layer_norm(*p) * w), ["x", "gamma", "beta"], "w", value=False
    ),
    "logsumexp_all": plain(logsumexp, "x"),
    "mean_var": plain(mean_var, "x"),
    "gemm_1024": plain(lambda a, b: a @ b, "A", "B"),
    "gemm_bias_relu": plain(lambda x, w, b: gc.maximum(x @ w + b, 0), "x", "W", "b"),
    "tiny_call": plain(lambda x: x * 2 + 1, "x"),
    "mlp_infer_b1": mlp_infer,
    "mlp_train": mlp_train,
    "lenet_train": lenet_train,
    "resnet_block_train": gradients(block_loss, wl.BLOCK, "w"),
    **vision.CORE,
    "lstm_train": gradients(lstm_loss, ["Wx", "Wh", "b"], "x", "y"),
    "transformer_infer": transformer_infer,
    "transformer_train": gradients(
        lambda p, x, w: gc.mean(encoder(p, x) * w), wl.TRANSFORMER, "x", "w"
    ),
    "hessian_mlp": plain(hessian_mlp, "theta", "X", "Y"),
    "hvp_mlp": plain(hvp_mlp, *wl.MLP, *("v" + k for k in wl.MLP), "x", "y"),
    "adam_fused": adam_fused,
    "digits_step": digits_step,
}
