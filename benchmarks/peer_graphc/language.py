"""Transformers: inference with constant weights, caches and trained parameters in variables.

GPT-2's position beyond the caches means their last place ("clip"), as in JAX. A check of it between
the layers would have to come before the first write, so that a failed call changes nothing; every
cache would then be written elsewhere first and copied.
"""

from functools import partial

from workloads import language as wl

import graphc as gc
from graphc import nn
from peer_graphc.steps import reader, sgd_updates


def layer_norm(x, g, b, eps):
    c = x - gc.mean(x, axis=-1, keepdims=True)
    return c / gc.sqrt(gc.mean(c * c, axis=-1, keepdims=True) + eps) * g + b


def take(table, indices):
    return gc.take(table, indices, axis=0)


def attention(x, w, b, heads):
    n, t, dim = x.shape
    qkv = (x @ w + b).reshape((n, t, 3, heads, dim // heads))
    q, k, v = (qkv[:, :, i].transpose((0, 2, 1, 3)) for i in range(3))
    a = gc.softmax(q @ k.transpose((0, 1, 3, 2)) * (dim // heads) ** -0.5, axis=-1) @ v
    return a.transpose((0, 2, 1, 3)).reshape((n, t, dim))


def bert(d):
    ids, kinds = d.placeholder("ids"), d.placeholder("kinds")
    p = dict(zip(wl.BERT, d.constants(wl.BERT), strict=True))
    outputs = wl.bert(p, ids, kinds, take, layer_norm, attention, nn.gelu, gc.tanh)
    return d.step([ids, kinds], list(outputs))


def gpt2(d):
    token, position = d.placeholder("token"), d.placeholder("position")
    p = dict(zip(wl.GPT2, d.constants(wl.GPT2), strict=True))
    caches = dict(zip(wl.CACHES, d.variables(wl.CACHES), strict=True))
    updates = {}

    def write(name, row):
        """The cache with this token's row in its place."""
        cache = caches[name]
        row = row.reshape((12, 1, 64))
        updates[cache] = gc.dynamic_update_slice(cache, row, [position[0]], [1], mode="clip")
        return updates[cache]

    def cached_attention(x, w, b, heads, layer):
        q, k, v = gc.split((x @ w + b).reshape((3, heads, 64)), 3, axis=0)
        keys, values = write(f"k{layer}", k), write(f"v{layer}", v)
        scores = q.reshape((heads, 1, 64)) @ keys.transpose((0, 2, 1)) * 64**-0.5
        seen = gc.arange(wl.PLACES) <= position
        a = gc.softmax(gc.where(seen, scores, -gc.inf), axis=-1) @ values
        return a.reshape((1, heads * 64))

    gelu = partial(nn.gelu, approximate=True)
    logits = wl.gpt2(
        p, token, position, take, layer_norm, cached_attention, gelu, lambda x: x.transpose((1, 0))
    )
    step = d.step([token, position], [logits], updates)
    step.state = reader(caches.values())
    return step


def patches(x):
    n = x.shape[0]
    x = x.reshape((n, 3, 14, 16, 14, 16)).transpose((0, 2, 4, 1, 3, 5))
    return x.reshape((n, 196, 768))


def join(a, b):
    return gc.concat([gc.broadcast_to(a, (b.shape[0], 1, 192)), b], axis=1)


def vit_train(d):
    x, y = d.placeholder("x"), d.placeholder("y")
    p = d.variables(wl.VIT)
    named = dict(zip(wl.VIT, p, strict=True))
    logits = wl.vit(named, x, patches, join, layer_norm, attention, nn.gelu)
    loss = nn.cross_entropy(logits, y)
    step = d.step([x, y], [loss], sgd_updates(d, wl.VIT, p, gc.grad(loss, p)))
    step.state = reader(p)
    return step


WORKLOADS = {"bert_infer_b1": bert, "gpt2_decode_b1": gpt2, "vit_train": vit_train}
