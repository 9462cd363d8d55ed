"""tinygrad: TinyJit on the CPU device, which needs clang (run.py names it in TINYGRAD_CC).

The simpler workloads only.
"""

import os

if "TINYGRAD_CC" in os.environ:
    os.environ["CC"] = os.environ["TINYGRAD_CC"]
import workloads as wl
from tinygrad import Device, Tensor, TinyJit


def build(name, data):
    if name not in WORKLOADS:
        raise NotImplementedError("not attempted with tinygrad")
    return WORKLOADS[name](data)


def jit(f, *args):
    @TinyJit
    def g(*a):
        out = f(*a)
        Tensor.realize(*out)
        return out

    device = Device["CPU"]
    args = [Tensor(a).realize() for a in args]
    for _ in range(2):  # TinyJit records on the second call and replays from the third
        g(*args)

    def step():
        out = g(*args)
        device.synchronize()
        return out

    step.canonical = lambda out: [o.numpy() for o in out]
    return step


def plain(f, *names):
    def make(d):
        return jit(
            lambda *a: out if isinstance(out := f(*a), (tuple, list)) else [out],
            *(d[k] for k in names),
        )

    return make


def chain(x):
    return (wl.A * x + wl.B).tanh() * x.sigmoid() + (-x * x).exp()


def layer_norm(x, g, b):
    return x.layernorm(-1, wl.EPS) * g + b


def grads(loss, names, *rest):
    def make(d):
        def f(*a):
            return list(loss(*a).gradient(*a[: len(names)]))

        return jit(f, *(d[k] for k in (*names, *rest)))

    return make


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
