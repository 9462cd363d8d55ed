"""The simpler ones of the core workloads."""

from workloads import core as wl

from peer_tinygrad.steps import grads, plain


def chain(x):
    return (wl.A * x + wl.B).tanh() * x.sigmoid() + (-x * x).exp()


def layer_norm(x, g, b):
    return x.layernorm(-1, wl.EPS) * g + b


def mlp(x, *p):
    return ((x @ p[0] + p[1]).relu() @ p[2] + p[3]).relu() @ p[4] + p[5]


WORKLOADS = {
    "ew_chain": plain(chain, "x"),
    "ew_grad": grads(lambda x: chain(x).sum(), ("x",)),
    "softmax_rows": plain(lambda x: x.softmax(1), "x"),
    "layernorm_rows": plain(layer_norm, "x", "gamma", "beta"),
    "layernorm_grad": grads(
        lambda x, g, b, w: (layer_norm(x, g, b) * w).sum(), ("x", "gamma", "beta"), "w"
    ),
    "logsumexp_all": plain(lambda x: (x.flatten().logsumexp(0), x.logsumexp(0)), "x"),
    "mean_var": plain(
        lambda x: (x.mean(), x.var(correction=0), x.mean(0), x.var(0, correction=0)), "x"
    ),
    "gemm_1024": plain(lambda a, b: a @ b, "A", "B"),
    "gemm_bias_relu": plain(lambda x, w, b: (x @ w + b).relu(), "x", "W", "b"),
    "tiny_call": plain(lambda x: x * 2 + 1, "x"),
    "mlp_infer_b1": plain(mlp, "x", *wl.MLP),
}
