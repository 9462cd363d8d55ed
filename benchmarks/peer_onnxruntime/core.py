"""The core workloads that are inference."""

from workloads import core as wl

from peer_onnxruntime import vision


def ew_chain(g, d):
    t = g.Tanh(g.Add(g.Mul("x", g.constant(wl.A)), g.constant(wl.B)))
    return [g.Add(g.Mul(t, g.Sigmoid("x")), g.Exp(g.Neg(g.Mul("x", "x"))))]


def moments(g, axes):
    keep = g.ReduceMean("x", axes, keepdims=1)
    c = g.Sub("x", keep)
    return g.ReduceMean("x", axes, keepdims=0), g.ReduceMean(g.Mul(c, c), axes, keepdims=0)


def mlp(g, d):
    c, x = g.constant, "x"
    for i in "123":
        x = g.Gemm(x, c(d["W" + i]), c(d["b" + i]))
        x = x if i == "3" else g.Relu(x)
    return [x]


def transformer(g, d):
    p = {k: g.constant(d[k]) for k in wl.TRANSFORMER}
    shape = g.ints(1, 128, wl.HEADS, 32)
    n = g.LayerNormalization("x", p["g1"], p["b1"], epsilon=wl.EPS)
    q, k, v = (
        g.Reshape(
            g.Add(
                g.MatMul(n, g.constant(d["Wqkv"][:, i : i + 256])),
                g.constant(d["bqkv"][i : i + 256]),
            ),
            shape,
        )
        for i in (0, 256, 512)
    )
    q, k, v = (
        g.Transpose(q, perm=[0, 2, 1, 3]),
        g.Transpose(k, perm=[0, 2, 3, 1]),
        g.Transpose(v, perm=[0, 2, 1, 3]),
    )
    a = g.MatMul(g.Softmax(g.Mul(g.MatMul(q, k), g.constant(32**-0.5)), axis=-1), v)
    a = g.Reshape(g.Transpose(a, perm=[0, 2, 1, 3]), g.ints(1, 128, 256))
    h = g.Add("x", g.Add(g.MatMul(a, p["Wo"]), p["bo"]))
    n = g.LayerNormalization(h, p["g2"], p["b2"], epsilon=wl.EPS)
    u = g.Gelu(g.Add(g.MatMul(n, p["W1"]), p["c1"]), approximate="tanh")
    return [g.Add(h, g.Add(g.MatMul(u, p["W2"]), p["c2"]))]


WORKLOADS = {
    "ew_chain": ew_chain,
    "softmax_rows": lambda g, d: [g.Softmax("x", axis=1)],
    "layernorm_rows": lambda g, d: [
        g.LayerNormalization("x", g.constant(d["gamma"]), g.constant(d["beta"]), epsilon=wl.EPS)
    ],
    "logsumexp_all": lambda g, d: [
        g.ReduceLogSumExp("x", g.ints(*a), keepdims=0) for a in ((0, 1), (0,))
    ],
    "mean_var": lambda g, d: [*moments(g, g.ints(0, 1)), *moments(g, g.ints(0))],
    "gemm_1024": lambda g, d: [g.MatMul("A", "B")],
    "gemm_bias_relu": lambda g, d: [g.Relu(g.Gemm("x", "W", "b"))],
    "tiny_call": lambda g, d: [g.Add(g.Mul("x", g.constant(2)), g.constant(1))],
    "mlp_infer_b1": mlp,
    **vision.CORE,
    "transformer_infer": transformer,
}
