"""Transformers with random weights, over a peer's own operations.

bert_infer_b1    BERT-base as in `bert`: word, position and segment embeddings, 12 layers, norms
                 after the sums with 1e-12 beneath the root, gelu with erf, 12 heads, no mask.
                 ids and segments are (1, 128).  Outputs: hidden (1, 128, 768), pooled (1, 768)
gpt2_decode_b1   one token of GPT-2 small as in `gpt2`: 12 layers, norms before the products,
                 gelu in its tanh form, 12 heads, the embedding's transpose as the last layer. The
                 token stands at `position` = 511, an argument; its key and value are written at
                 that place of each layer's k{i}, v{i} (12 heads, 512 places, 64), and it attends
                 to the places 0..position. Every call is the same step, for the same position.
                 Outputs: logits (1, 50257); state: k0, v0, k1, ... (where the peer can, in place)
vit_train        ViT-Ti/16 as in `vit` on 8 images of 224x224: 197 tokens of 192, 3 heads, 12
                 layers, gelu with erf; xent over 1000 classes; SGD with momentum:
                 m = 0.9*m + g; p -= 0.01*m.  Outputs: loss; state: the parameters, as in VIT

A peer gives `attention(x, weight, bias, heads)`: q, k, v = split(x @ weight + bias), then
softmax(q k^T / sqrt(64)) v of every head, heads joined again; for `gpt2` it also takes the number
of the layer. `p` holds the parameters by name; layer i's begin with "l{i}.".
"""

LAYERS = 12
TOKENS = 128  # of BERT's one row
PLACES = 512  # of GPT-2's caches
POSITION = PLACES - 1  # the last place: the whole cache is read
BERT_EPS, EPS = 1e-12, 1e-5
SGD_LR = 1e-2


def block_shapes(d):
    """{name: shape} of one layer's parameters."""
    return {
        "g1": (d,),
        "b1": (d,),
        "Wqkv": (d, 3 * d),
        "bqkv": (3 * d,),
        "Wo": (d, d),
        "bo": (d,),
        "g2": (d,),
        "b2": (d,),
        "W1": (d, 4 * d),
        "c1": (4 * d,),
        "W2": (4 * d, d),
        "c2": (d,),
    }


def _layers(d):
    return {f"l{i}.{k}": shape for i in range(LAYERS) for k, shape in block_shapes(d).items()}


BERT = {
    "words": (30522, 768),
    "positions": (512, 768),
    "segments": (2, 768),
    "g": (768,),
    "b": (768,),
    **_layers(768),
    "Wp": (768, 768),
    "bp": (768,),
}
GPT2 = {"words": (50257, 768), "positions": (1024, 768), **_layers(768), "g": (768,), "b": (768,)}
VIT = {
    "patch": (768, 192),
    "bpatch": (192,),
    "class": (1, 1, 192),
    "positions": (1, 197, 192),
    **_layers(192),
    "g": (192,),
    "b": (192,),
    "head": (192, 1000),
    "bhead": (1000,),
}
CACHES = [f"{kind}{i}" for i in range(LAYERS) for kind in "kv"]


class Layer:
    """The parameters of one layer: `Layer(p, 3)["Wo"]` is p["l3.Wo"]."""

    def __init__(self, p, i):
        self.p, self.prefix = p, f"l{i}."

    def __getitem__(self, name):
        return self.p[self.prefix + name]


def bert(p, ids, segments, take, layer_norm, attention, gelu, tanh):
    """(hidden, pooled); take(table, indices) reads rows, layer_norm(x, g, b, eps)."""
    tokens = take(p["words"], ids) + take(p["segments"], segments)
    x = layer_norm(tokens + p["positions"][:TOKENS], p["g"], p["b"], BERT_EPS)
    for i in range(LAYERS):
        q = Layer(p, i)
        a = attention(x, q["Wqkv"], q["bqkv"], 12) @ q["Wo"] + q["bo"]
        x = layer_norm(x + a, q["g1"], q["b1"], BERT_EPS)
        u = gelu(x @ q["W1"] + q["c1"]) @ q["W2"] + q["c2"]
        x = layer_norm(x + u, q["g2"], q["b2"], BERT_EPS)
    return x, tanh(x[:, 0] @ p["Wp"] + p["bp"])


def pre_norm(x, q, heads, layer_norm, attention, gelu):
    """One layer that normalises before its products."""
    n = layer_norm(x, q["g1"], q["b1"], EPS)
    x = x + attention(n, q["Wqkv"], q["bqkv"], heads) @ q["Wo"] + q["bo"]
    u = layer_norm(x, q["g2"], q["b2"], EPS) @ q["W1"] + q["c1"]
    return x + gelu(u) @ q["W2"] + q["c2"]


def gpt2(p, token, position, take, layer_norm, attention, gelu, transpose):
    """The logits; token and position are (1,), rows are (1, 768)."""
    x = take(p["words"], token) + take(p["positions"], position)
    for i in range(LAYERS):

        def cached(x, w, b, heads, i=i):
            return attention(x, w, b, heads, i)

        x = pre_norm(x, Layer(p, i), 12, layer_norm, cached, gelu)
    return layer_norm(x, p["g"], p["b"], EPS) @ transpose(p["words"])


def vit(p, x, patches, join, layer_norm, attention, gelu):
    """Logits of ViT-Ti/16.

    patches: images to (N, 196, 768), the pixels of a 16x16 patch in the order (channel, row,
    column); join(a, b): `a` repeated for every image, then b along axis 1.
    """
    x = patches(x) @ p["patch"] + p["bpatch"]
    x = join(p["class"], x) + p["positions"]
    for i in range(LAYERS):
        x = pre_norm(x, Layer(p, i), 3, layer_norm, attention, gelu)
    return layer_norm(x[:, 0], p["g"], p["b"], EPS) @ p["head"] + p["bhead"]


def _parameters(n, shapes):
    """Random values by what a name stands for: gains near 1, small biases, scaled weights."""
    made = {}
    for name, shape in shapes.items():
        last = name.rpartition(".")[2]
        if last in ("g", "g1", "g2"):
            made[name] = n.gain(*shape)
        elif last in ("words", "positions", "segments", "class"):
            made[name] = n(*shape, scale=0.1)
        else:
            made[name] = n.shift(*shape) if len(shape) == 1 else n.weight(*shape)
    return made


def _bert(n):
    ids = {"ids": n.labels(1, 128, classes=30522), "kinds": n.labels(1, 128, classes=2)}
    return {**ids, **_parameters(n, BERT)}


def _gpt2(n):
    caches = {name: n(12, PLACES, 64, scale=0.5) for name in CACHES}
    token, position = n.labels(1, classes=50257), n.labels(1, classes=1) + POSITION
    return {"token": token, "position": position, **caches, **_parameters(n, GPT2)}


def _vit(n):
    return {"x": n(8, 3, 224, 224), "y": n.labels(8, classes=1000), **_parameters(n, VIT)}


DATA = {"bert_infer_b1": _bert, "gpt2_decode_b1": _gpt2, "vit_train": _vit}
