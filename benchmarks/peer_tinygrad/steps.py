"""How functions and gradients are recorded and replayed."""

import os

if "TINYGRAD_CC" in os.environ:
    os.environ["CC"] = os.environ["TINYGRAD_CC"]
from tinygrad import Device, Tensor, TinyJit


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


def grads(loss, names, *rest):
    def make(d):
        def f(*a):
            return list(loss(*a).gradient(*a[: len(names)]))

        return jit(f, *(d[k] for k in (*names, *rest)))

    return make
