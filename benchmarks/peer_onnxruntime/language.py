"""Transformers with constant weights.

GPT-2's caches come out one token longer than they went in: ONNX has no state.
"""

from functools import partial

import numpy as np
import onnxruntime as ort
from workloads import language as wl

from peer_onnxruntime.graph import Constant


class Weights:
    """The parameters as constants, made when asked for; `raw` are their values."""

    def __init__(self, g, arrays):
        self.g, self.raw = g, arrays

    def __getitem__(self, name):
        return Constant(self.g, self.raw[name])


def take(g, table, indices):
    return g.Gather(table, indices)


def layer_norm(g, x, gain, shift, eps):
    return g.LayerNormalization(x, gain, shift, epsilon=eps)


def heads_of(g, x, w, b, heads):
    """q, k, v as (tokens, heads, size), by three products."""
    dim = w.value.shape[0]
    for i in range(3):
        part = slice(i * dim, (i + 1) * dim)
        y = g.Add(g.MatMul(x, g.constant(w.value[:, part])), g.constant(b.value[part]))
        yield g.Reshape(y, g.ints(-1, heads, dim // heads))


def attend(g, q, k, v, shape):
    """q (heads, tokens, size), k (heads, size, places), v (heads, places, size); to `shape`."""
    a = g.MatMul(g.Softmax(g.Mul(g.MatMul(q, k), g.constant(64**-0.5)), axis=-1), v)
    return g.Reshape(g.Transpose(a, perm=[1, 0, 2]), g.ints(*shape))


def bert(g, d):
    def attention(x, w, b, heads):
        q, k, v = heads_of(g, x, w, b, heads)
        q, v = (g.Transpose(a, perm=[1, 0, 2]) for a in (q, v))
        return attend(g, q, g.Transpose(k, perm=[1, 2, 0]), v, (1, wl.TOKENS, 768))

    shared = partial(take, g), partial(layer_norm, g), attention
    return list(wl.bert(Weights(g, d), "ids", "kinds", *shared, g.Gelu, g.Tanh))


def gpt2(g, d):
    """The logits, then the caches with this token's rows behind those of the tokens before."""
    longer = {}

    def cached_attention(x, w, b, heads, layer):
        q, k, v = (g.Transpose(a, perm=[1, 0, 2]) for a in heads_of(g, x, w, b, heads))
        keys = longer[f"k{layer}"] = g.Concat(f"k{layer}", k, axis=1)
        values = longer[f"v{layer}"] = g.Concat(f"v{layer}", v, axis=1)
        return attend(g, q, g.Transpose(keys, perm=[0, 2, 1]), values, (1, heads * 64))

    logits = wl.gpt2(
        Weights(g, d),
        "token",
        "position",
        partial(take, g),
        partial(layer_norm, g),
        cached_attention,
        partial(g.Gelu, approximate="tanh"),
        lambda words: Constant(g, words.value.T),
    )
    return [logits, *(longer[name] for name in wl.CACHES)]


def without_last(inputs):
    """The caches as they are before this token."""
    return {k: v[:, :-1].copy() if k in wl.CACHES else v for k, v in inputs.items()}


def decoding(run, inputs, outputs):
    """The step of `gpt2`; its state is what the caches would be for the next token."""
    given = [inputs[name] for name in wl.CACHES]
    values = {k: ort.OrtValue.ortvalue_from_numpy(v) for k, v in without_last(inputs).items()}
    caches = []

    def step():
        logits, *caches[:] = run.run_with_ort_values(outputs, values)
        return [logits]

    step.canonical = lambda out: [o.numpy() for o in out]
    step.state = lambda: [c.numpy() for c in caches] or [np.array(c) for c in given]
    return step


WORKLOADS = {"bert_infer_b1": bert, "gpt2_decode_b1": gpt2}
