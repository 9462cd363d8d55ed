"""Transformers: with the library's own attention; GPT-2's caches are written in place."""

from functools import partial

import torch
import torch.nn.functional as F
from workloads import language as wl

from peer_torch.steps import train


def layer_norm(x, g, b, eps):
    return F.layer_norm(x, g.shape, g, b, eps)


def take(table, indices):
    return F.embedding(indices, table)


def attention(x, w, b, heads):
    n, t, dim = x.shape
    q, k, v = (x @ w + b).view(n, t, 3, heads, dim // heads).permute(2, 0, 3, 1, 4)
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, t, dim)


def bert(d, jit):
    def net(p, ids, kinds):
        return wl.bert(p, ids, kinds, take, layer_norm, attention, F.gelu, torch.tanh)

    return jit.inference(net, {k: d[k] for k in wl.BERT}, d["ids"], d["kinds"])


def gpt2(d, jit):
    caches = {k: d[k].clone() for k in wl.CACHES}
    gelu = partial(F.gelu, approximate="tanh")

    def net(p, token, position, *stored):
        caches = dict(zip(wl.CACHES, stored, strict=True))
        seen = (torch.arange(wl.PLACES) <= position)[None]

        def cached_attention(x, w, b, heads, layer):
            q, k, v = (x @ w + b).view(3, 1, heads, 1, 64)
            keys, values = caches[f"k{layer}"], caches[f"v{layer}"]
            keys.index_copy_(1, position, k[0])
            values.index_copy_(1, position, v[0])
            a = F.scaled_dot_product_attention(q, keys[None], values[None], attn_mask=seen)
            return a.reshape(1, heads * 64)

        return wl.gpt2(p, token, position, take, layer_norm, cached_attention, gelu, torch.t)

    step = jit.inference(
        net, {k: d[k] for k in wl.GPT2}, d["token"], d["position"], *caches.values()
    )
    step.state = lambda: list(caches.values())
    return step


def patches(x):
    n = x.shape[0]
    return x.view(n, 3, 14, 16, 14, 16).permute(0, 2, 4, 1, 3, 5).reshape(n, 196, 768)


def join(a, b):
    return torch.cat([a.expand(b.shape[0], 1, 192), b], 1)


def vit_loss(p, x, y):
    named = dict(zip(wl.VIT, p, strict=True))
    return F.cross_entropy(wl.vit(named, x, patches, join, layer_norm, attention, F.gelu), y)


WORKLOADS = {
    "bert_infer_b1": bert,
    "gpt2_decode_b1": gpt2,
    "vit_train": train(vit_loss, list(wl.VIT), adam=False),
}
