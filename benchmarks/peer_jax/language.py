"""Transformers; weights are arguments, GPT-2's caches are donated."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from workloads import language as wl

from peer_jax.steps import block, train, xent

gelu = partial(jax.nn.gelu, approximate=False)


def layer_norm(x, g, b, eps):
    c = x - x.mean(-1, keepdims=True)
    return c * lax.rsqrt((c * c).mean(-1, keepdims=True) + eps) * g + b


def take(table, indices):
    return table[indices]


def attention(x, w, b, heads):
    n, t, dim = x.shape
    q, k, v = (x @ w + b).reshape(n, t, 3, heads, dim // heads).transpose(2, 0, 3, 1, 4)
    a = jax.nn.softmax(q @ k.swapaxes(2, 3) * (dim // heads) ** -0.5, -1) @ v
    return a.transpose(0, 2, 1, 3).reshape(n, t, dim)


def bert(d):
    @jax.jit
    def net(p, ids, kinds):
        return wl.bert(p, ids, kinds, take, layer_norm, attention, gelu, jnp.tanh)

    p = {k: d[k] for k in wl.BERT}
    return lambda: list(block(net(p, d["ids"], d["kinds"])))


def gpt2_step(caches, p, token, position):
    """(logits, new caches)."""
    caches = dict(caches)
    seen = jnp.arange(wl.PLACES) <= position

    def write(name, row):
        caches[name] = lax.dynamic_update_slice(caches[name], row[:, None], (0, position[0], 0))
        return caches[name]

    def cached_attention(x, w, b, heads, layer):
        q, k, v = (x @ w + b).reshape(3, heads, 64)
        keys, values = write(f"k{layer}", k), write(f"v{layer}", v)
        scores = jnp.einsum("hd,htd->ht", q, keys) * 64**-0.5
        a = jax.nn.softmax(jnp.where(seen, scores, -jnp.inf), -1)
        return jnp.einsum("ht,htd->hd", a, values).reshape(1, heads * 64)

    logits = wl.gpt2(
        p, token, position, take, layer_norm, cached_attention, jax.nn.gelu, jnp.transpose
    )
    return logits, caches


def gpt2(d):
    f = jax.jit(gpt2_step, donate_argnums=0)
    p, caches = {k: d[k] for k in wl.GPT2}, [{k: d.pop(k) for k in wl.CACHES}]

    def step():
        logits, caches[0] = block(f(caches[0], p, d["token"], d["position"]))
        return [logits]

    step.state = lambda: [caches[0][k] for k in wl.CACHES]
    return step


def patches(x):
    n = x.shape[0]
    return x.reshape(n, 3, 14, 16, 14, 16).transpose(0, 2, 4, 1, 3, 5).reshape(n, 196, 768)


def join(a, b):
    return jnp.concatenate([jnp.broadcast_to(a, (b.shape[0], 1, 192)), b], 1)


def vit_loss(p, x, y):
    named = dict(zip(wl.VIT, p, strict=True))
    return xent(wl.vit(named, x, patches, join, layer_norm, attention, gelu), y)


WORKLOADS = {
    "bert_infer_b1": bert,
    "gpt2_decode_b1": gpt2,
    "vit_train": train(vit_loss, list(wl.VIT), ("x", "y"), adam=False),
}
