"""Transformers; weights are arguments, caches and trained parameters are assigned to."""

import math

from tinygrad import Tensor
from workloads import language as wl

from peer_tinygrad.steps import jit, stateful


def layer_norm(x, g, b, eps):
    return x.layernorm(-1, eps) * g + b


def take(table, indices):
    return table[indices]


def gelu(x):
    return 0.5 * x * (1 + (x * math.sqrt(0.5)).erf())


def attention(x, w, b, heads):
    n, t, dim = x.shape
    qkv = (x @ w + b).reshape(n, t, 3, heads, dim // heads).permute(2, 0, 3, 1, 4)
    a = qkv[0].scaled_dot_product_attention(qkv[1], qkv[2])
    return a.transpose(1, 2).reshape(n, t, dim)


def bert(d):
    def net(ids, kinds, *weights):
        p = dict(zip(wl.BERT, weights, strict=True))
        return list(wl.bert(p, ids, kinds, take, layer_norm, attention, gelu, Tensor.tanh))

    return jit(net, d["ids"], d["kinds"], *(d[k] for k in wl.BERT))


def gpt2(d):
    caches = {k: Tensor(d[k]).realize() for k in wl.CACHES}

    def net(token, position, *weights):
        p = dict(zip(wl.GPT2, weights, strict=True))
        places = Tensor.arange(wl.PLACES)
        here, seen = (places == position).reshape(1, wl.PLACES, 1), places <= position

        def write(name, row):
            caches[name].assign(here.where(row.reshape(12, 1, 64), caches[name]).contiguous())
            return caches[name]

        def cached_attention(x, w, b, heads, layer):
            qkv = (x @ w + b).reshape(3, heads, 1, 64)
            keys, values = write(f"k{layer}", qkv[1]), write(f"v{layer}", qkv[2])
            scores = (qkv[0] @ keys.transpose(1, 2)) * 64**-0.5
            a = seen.where(scores, -math.inf).softmax(-1) @ values
            return a.reshape(1, heads * 64)

        shared = take, layer_norm, cached_attention, Tensor.gelu, Tensor.transpose
        return [wl.gpt2(p, token, position, *shared)]

    arguments = d["token"], d["position"], *(d[k] for k in wl.GPT2)
    return stateful(net, list(caches.values()), *arguments)


def patches(x):
    n = x.shape[0]
    return x.reshape(n, 3, 14, 16, 14, 16).permute(0, 2, 4, 1, 3, 5).reshape(n, 196, 768)


def join(a, b):
    return a.expand(b.shape[0], 1, 192).cat(b, dim=1)


def vit_train(d):
    p = [Tensor(d[k]).realize() for k in wl.VIT]
    m = [Tensor.zeros(*d[k].shape).contiguous().realize() for k in wl.VIT]

    def update(x, y):
        named = dict(zip(wl.VIT, p, strict=True))
        z = wl.vit(named, x, patches, join, layer_norm, attention, gelu)
        loss = z.sparse_categorical_crossentropy(y)
        for a, b, g in zip(p, m, loss.gradient(*p), strict=True):
            b.assign(0.9 * b + g)
            a.assign(a - wl.SGD_LR * b)
        return [loss, *m, *p]

    return stateful(update, p, d["x"], d["y"], also=m)


WORKLOADS = {"bert_infer_b1": bert, "gpt2_decode_b1": gpt2, "vit_train": vit_train}
