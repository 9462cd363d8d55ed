"""Transformers; weights are arguments, GPT-2's caches shared variables."""

from functools import partial

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.tensor.special import softmax
from workloads import language as wl

from peer_pytensor.steps import compile, f32, sgd, symbols, xent


def layer_norm(x, g, b, eps):
    c = x - x.mean(-1, keepdims=True)
    return c / pt.sqrt(pt.sqr(c).mean(-1, keepdims=True) + f32(eps)) * g + b


def take(table, indices):
    return table[indices]


def gelu(x):
    return f32(0.5) * x * (1 + pt.erf(x * f32(0.5**0.5)))


def gelu_tanh(x):
    return f32(0.5) * x * (1 + pt.tanh(f32((2 / np.pi) ** 0.5) * (x + f32(0.044715) * x * x * x)))


def attention(x, w, b, heads):
    n, t, dim = x.type.shape
    size = dim // heads
    qkv = (x @ w + b).reshape((n, t, 3, heads, size)).transpose(2, 0, 3, 1, 4)
    q, k, v = qkv[0], qkv[1], qkv[2]
    a = softmax(q @ k.transpose(0, 1, 3, 2) * f32(size**-0.5), axis=-1) @ v
    return a.transpose(0, 2, 1, 3).reshape((n, t, dim))


def bert(d):
    names = ["ids", "kinds", *wl.BERT]
    inputs = symbols(d, names)
    p = dict(zip(wl.BERT, inputs[2:], strict=True))
    out = wl.bert(p, *inputs[:2], take, layer_norm, attention, gelu, pt.tanh)
    return compile(inputs, list(out), [d[k] for k in names])


def gpt2(d):
    names = ["token", "position", *wl.GPT2]
    inputs = symbols(d, names)
    position = inputs[1]
    caches = {k: pytensor.shared(d[k].copy(), shape=d[k].shape) for k in wl.CACHES}
    updates = {}
    seen = pt.arange(wl.PLACES) <= position

    def write(name, row):
        updates[caches[name]] = pt.set_subtensor(caches[name][:, position[0]], row)
        return updates[caches[name]]

    def cached_attention(x, w, b, heads, layer):
        qkv = (x @ w + b).reshape((3, heads, 64))
        keys, values = write(f"k{layer}", qkv[1]), write(f"v{layer}", qkv[2])
        scores = qkv[0][:, None] @ keys.transpose(0, 2, 1) * f32(64**-0.5)
        a = softmax(pt.where(seen, scores, f32(-np.inf)), axis=-1) @ values
        return a.reshape((1, heads * 64))

    p = dict(zip(wl.GPT2, inputs[2:], strict=True))
    transpose = partial(pt.transpose, axes=(1, 0))
    shared = take, layer_norm, cached_attention, gelu_tanh, transpose
    logits = wl.gpt2(p, *inputs[:2], *shared)
    step = compile(inputs, [logits], [d[k] for k in names], list(updates.items()))
    step.state = lambda: [c.get_value() for c in caches.values()]
    return step


def patches(x):
    n = x.type.shape[0]
    x = x.reshape((n, 3, 14, 16, 14, 16)).transpose(0, 2, 4, 1, 3, 5)
    return x.reshape((n, 196, 768))


def join(a, b):
    return pt.concatenate([pt.broadcast_to(a, (b.type.shape[0], 1, 192)), b], axis=1)


def vit_train(d):
    p = [pytensor.shared(d[k].copy(), shape=d[k].shape) for k in wl.VIT]
    x, y = symbols(d, ["x", "y"])
    named = dict(zip(wl.VIT, p, strict=True))
    value = xent(wl.vit(named, x, patches, join, layer_norm, attention, gelu), y)
    step = compile([x, y], [value], [d["x"], d["y"]], sgd(p, pytensor.grad(value, p)))
    step.state = lambda: [a.get_value() for a in p]
    return step


WORKLOADS = {"bert_infer_b1": bert, "gpt2_decode_b1": gpt2, "vit_train": vit_train}
