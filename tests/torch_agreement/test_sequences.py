"""Layers for sequences beside PyTorch's: recurrent networks, attention, transformers, tables."""

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from tests.support.peer import agree, both_precisions, torch

F = torch.nn.functional
cases = pytest.mark.parametrize("case", range(12))
few = pytest.mark.parametrize("case", range(6))


def draw(*seed):
    return np.random.default_rng(seed)


def give(layer, **values):
    """Puts tensors in the places of variables: "norms.0.scale" names one."""
    for path, value in values.items():
        *way, last = path.split(".")
        part = layer
        for name in way:
            part = part[int(name)] if name.isdigit() else getattr(part, name)
        setattr(part, last, value)


def called(module, values, *args, **options):
    """What a module of PyTorch gives with these parameters."""
    return torch.func.functional_call(module, values, args, options)


def uniform(rng, *shape):
    return rng.uniform(-0.7, 0.7, shape)


RECURRENT = {
    "RNN": (nn.RNN, 1, {}),
    "ReLU": (nn.RNN, 1, {"activation": gc.relu}),
    "LSTM": (nn.LSTM, 4, {}),
    "GRU": (nn.GRU, 3, {"reset_after": True}),
}


@both_precisions
@cases
@pytest.mark.parametrize("kind", list(RECURRENT))
def test_recurrent_layers(kind, case, dtype):
    """All h and the last states, from given states, in one or both directions, for sequences of
    equal or unequal lengths. (Our GRU's gate z says how much is new, PyTorch's how much is kept.)
    """
    rng, (stack, blocks, options) = draw(1, case), RECURRENT[kind]
    steps, batch, inputs, size, layers = (int(k) for k in rng.integers(1, 5, 5))
    layers, twice = min(layers, 2), bool(rng.integers(2))
    each, states = 1 + twice, 2 if kind == "LSTM" else 1
    lengths = rng.integers(1, steps + 1, batch) if rng.integers(2) else None
    if lengths is not None:
        lengths[0] = steps
    start = [uniform(rng, layers * each, batch, size) for _ in range(states)]
    values = {"x": rng.standard_normal((steps, batch, inputs)), "h0": start[0]}
    if kind == "LSTM":
        values["c0"] = start[1]
    for k in range(layers * each):
        end = f"l{k // each}" + "_reverse" * (k % each)
        width = size * each if k >= each else inputs
        values[f"weight_ih_{end}"] = uniform(rng, blocks * size, width)
        values[f"weight_hh_{end}"] = uniform(rng, blocks * size, size)
        values[f"bias_ih_{end}"] = uniform(rng, blocks * size)
        values[f"bias_hh_{end}"] = uniform(rng, blocks * size)
    signs = np.repeat([1, -1, 1] if kind == "GRU" else np.ones(blocks), size).astype(dtype)

    def ours(x, h0, c0=None, **given):
        layer = stack(inputs, size, layers, twice, state_bias=True, dtype=dtype, **options)
        groups = zip(*[iter(given.values())] * 4, strict=True)
        for cell, weights in zip(layer.cells(), groups, strict=True):
            wi, wh, bi, bh = (
                gc.swapaxes(w * s, 0, -1) for w, s in zip(weights, turns, strict=True)
            )
            cell.input_weight, cell.state_weight, cell.bias, cell.state_bias = wi, wh, bi, bh
        first = [h0[k] if c0 is None else (h0[k], c0[k]) for k in range(layers * each)]
        h, last = layer(x, first, lengths)
        if kind == "LSTM":
            return [h, *(gc.stack(part) for part in zip(*last, strict=True))]
        return [h, gc.stack(last)]

    turns = [signs[:, None], signs[:, None], signs, signs]
    base = torch.nn.RNN if kind in ("RNN", "ReLU") else getattr(torch.nn, kind)
    how = {"nonlinearity": "relu"} if kind == "ReLU" else {}

    def theirs(x, h0, c0=None, **given):
        module = base(inputs, size, layers, bidirectional=twice, **how).to(x.dtype)
        first = h0 if c0 is None else (h0, c0)
        if lengths is not None:
            x = torch.nn.utils.rnn.pack_padded_sequence(
                x, torch.tensor(lengths), enforce_sorted=False
            )
        h, last = called(module, given, x, first)
        if lengths is not None:
            h, _ = torch.nn.utils.rnn.pad_packed_sequence(h)
        return [h, *(last if kind == "LSTM" else [last])]

    named = {"x": ("time", batch, inputs)} if rng.integers(2) and not twice else None
    agree(ours, theirs, dtype, named, **values)


@both_precisions
@cases
def test_scaled_dot_product_attention(case, dtype):
    rng = draw(2, case)
    lead = tuple(int(k) for k in rng.integers(1, 4, rng.integers(1, 3)))
    queries, keys, width, out = (int(k) for k in rng.integers(2, 7, 4))
    q, k = rng.standard_normal((*lead, queries, width)), rng.standard_normal((*lead, keys, width))
    mask = rng.random((1, *lead[1:], queries, keys)) < 0.6
    mask[..., 0] = True
    bias = rng.standard_normal((queries, keys))

    def ours(q, k, v, bias):
        return [
            nn.attention(q, k, v),
            nn.attention(q, k, v, mask),
            nn.attention(q, k, v, nn.causal_mask(queries, keys)),
            nn.masked_softmax(nn.scaled_dot_score(q, k) + bias) @ v,
            nn.tiled_attention(q, k, v, 1),
        ]

    def theirs(q, k, v, bias):
        attend = F.scaled_dot_product_attention
        return [
            attend(q, k, v),
            attend(q, k, v, torch.tensor(mask).expand(*lead, queries, keys)),
            attend(q, k, v, is_causal=True),
            attend(q, k, v, bias),
            attend(q, k, v),
        ]

    shapes = {"q": ("n", *q.shape[1:]), "k": ("n", *k.shape[1:]), "v": ("n", *k.shape[1:-1], out)}
    open_ = len(lead) > 1 and bool(rng.integers(2))
    v = rng.standard_normal((*lead, keys, out))
    agree(ours, theirs, dtype, shapes if open_ else None, q=q, k=k, v=v, bias=bias)


def attention_values(rng, size):
    """Weights as PyTorch lays them out: queries, keys and values below each other."""
    return {
        "in_proj_weight": uniform(rng, 3 * size, size),
        "in_proj_bias": uniform(rng, 3 * size),
        "out_proj.weight": uniform(rng, size, size),
        "out_proj.bias": uniform(rng, size),
    }


def give_self(layer, prefix, given):
    give(
        layer,
        **{
            f"{prefix}inputs.weight": given["in_proj_weight"].T,
            f"{prefix}inputs.bias": given["in_proj_bias"],
            f"{prefix}outputs.weight": given["out_proj.weight"].T,
            f"{prefix}outputs.bias": given["out_proj.bias"],
        },
    )


def give_cross(layer, prefix, given):
    weights, biases = (gc.split(given[f"in_proj_{kind}"], 3) for kind in ("weight", "bias"))
    for name, weight, bias in zip(("query", "key", "value"), weights, biases, strict=True):
        give(layer, **{f"{prefix}{name}.weight": weight.T, f"{prefix}{name}.bias": bias})
    give(layer, **{f"{prefix}outputs.weight": given["out_proj.weight"].T})
    give(layer, **{f"{prefix}outputs.bias": given["out_proj.bias"]})


@both_precisions
@cases
def test_multi_head_attention(case, dtype):
    """Of a sequence to itself, causal or not, and to another, with keys that are padding."""
    rng = draw(3, case)
    heads, each, batch, here, there = (int(k) for k in rng.integers(1, 5, 5))
    size, causal = heads * each, bool(case % 2)
    lengths, others = rng.integers(1, here + 1, batch), rng.integers(1, there + 1, batch)
    values = attention_values(rng, size)
    x, y = rng.standard_normal((batch, here, size)), rng.standard_normal((batch, there, size))

    def ours(x, y, **given):
        own, cross = nn.SelfAttention(size, heads, causal), nn.CrossAttention(size, heads)
        give_self(own, "", given)
        give_cross(cross, "", given)
        masks = nn.padding_mask(lengths, here), nn.padding_mask(others, there)
        return [own(x, masks[0]), cross(x, y, masks[1])]

    def theirs(x, y, **given):
        module = torch.nn.MultiheadAttention(size, heads, batch_first=True).to(x.dtype)
        later = torch.triu(torch.ones(here, here, dtype=torch.bool), 1) if causal else None
        out = [np.arange(s)[None] >= n[:, None] for s, n in ((here, lengths), (there, others))]
        own, cross = (torch.tensor(mask) for mask in out)
        plain = {"need_weights": False}
        return [
            called(module, given, x, x, x, key_padding_mask=own, attn_mask=later, **plain)[0],
            called(module, given, x, y, y, key_padding_mask=cross, **plain)[0],
        ]

    agree(ours, theirs, dtype, x=x, y=y, **values)


def block_values(rng, size, hidden, norms):
    values = {
        "linear1.weight": uniform(rng, hidden, size),
        "linear1.bias": uniform(rng, hidden),
        "linear2.weight": uniform(rng, size, hidden),
        "linear2.bias": uniform(rng, size),
    }
    for k in range(norms):
        values[f"norm{k + 1}.weight"] = uniform(rng, size) + 1
        values[f"norm{k + 1}.bias"] = uniform(rng, size)
    for part in ("self_attn", "multihead_attn")[: norms - 1]:
        values |= {f"{part}.{name}": a for name, a in attention_values(rng, size).items()}
    return values


def give_block(layer, given):
    parts = [{}, {}]
    for name, value in given.items():
        for part, prefix in zip(parts, ("self_attn.", "multihead_attn."), strict=True):
            if name.startswith(prefix):
                part[name.removeprefix(prefix)] = value
    give_self(layer, "attention.", parts[0])
    if parts[1]:
        give_cross(layer, "cross.", parts[1])
    for k, name in enumerate(("inner", "outer")):
        give(layer, **{f"network.{name}.weight": given[f"linear{k + 1}.weight"].T})
        give(layer, **{f"network.{name}.bias": given[f"linear{k + 1}.bias"]})
    for k in range(len(layer.norms)):
        give(layer, **{f"norms.{k}.scale": given[f"norm{k + 1}.weight"]})
        give(layer, **{f"norms.{k}.shift": given[f"norm{k + 1}.bias"]})


@both_precisions
@few
def test_transformer_blocks(case, dtype):
    """Encoder and decoder blocks, with norms before or after."""
    rng = draw(4, case)
    heads, batch, here, there = (int(k) for k in rng.integers(1, 4, 4))
    size, hidden, before, decodes = heads * 4, int(rng.integers(2, 7)), bool(case & 1), case >= 3
    values = block_values(rng, size, hidden, 2 + decodes)
    theirs_of = (torch.nn.TransformerEncoderLayer, torch.nn.TransformerDecoderLayer)[decodes]
    inputs = {"x": rng.standard_normal((batch, here, size))}
    if decodes:
        inputs["y"] = rng.standard_normal((batch, there, size))

    def ours(x, y=None, **given):
        if y is None:
            layer = nn.EncoderBlock(size, heads, hidden, nn.gelu, before)
            give_block(layer, given)
            return layer(x)
        layer = nn.DecoderBlock(size, heads, hidden, nn.gelu, before)
        give_block(layer, given)
        return layer(x, y)

    def theirs(x, y=None, **given):
        options = {"dropout": 0, "activation": "gelu", "batch_first": True, "norm_first": before}
        module = theirs_of(size, heads, hidden, **options).to(x.dtype)
        if y is None:
            return called(module, given, x)
        later = torch.triu(torch.ones(here, here, dtype=torch.bool), 1)
        return called(module, given, x, y, tgt_mask=later)

    agree(ours, theirs, dtype, **inputs, **values)


@both_precisions
@cases
def test_embedding(case, dtype):
    """Rows, and their sums and means over the last axis; a row's gradients add up."""
    rng = draw(5, case)
    count, size = (int(k) for k in rng.integers(1, 6, 2))
    words = rng.integers(0, count, (int(rng.integers(1, 4)), int(rng.integers(1, 8))))

    def ours(table, words):
        layer = nn.Embedding(count, size)
        layer.table = table
        rows = layer(words)
        return [rows, gc.sum(rows, 1), gc.mean(rows, 1)]

    def theirs(table, words):
        bags = [F.embedding_bag(words, table, mode=mode) for mode in ("sum", "mean")]
        return [F.embedding(words, table), *bags]

    shapes = {"words": ("n", "t")} if rng.integers(2) else None
    agree(ours, theirs, dtype, shapes, table=rng.standard_normal((count, size)), words=words)
