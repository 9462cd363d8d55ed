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


def stateful(f, state, *args, also=()):
    """The first of f's outputs, with `state` changed by every call; also what else f changes.

    The two recorded calls count for nothing: what they changed is put back.
    """
    kept = [*state, *also]
    before = [t.numpy().copy() for t in kept]
    whole = jit(f, *args)
    for t, value in zip(kept, before, strict=True):
        t.assign(Tensor(value)).realize()

    def step():
        return whole()[:1]

    step.canonical = whole.canonical
    step.state = lambda: [t.numpy().copy() for t in state]
    return step


def repeat(f, count, start, *rest):
    """f of (values, *rest), from `start` on, called so many times."""
    device = Device["CPU"]
    start, rest = ([Tensor(a).realize() for a in arrays] for arrays in (start, rest))

    @TinyJit
    def one(*values):
        out = [x.contiguous() for x in f(*values, *rest)]
        Tensor.realize(*out)
        return out

    def step():
        values = start
        for _ in range(count):
            # A recorded call writes where it wrote before, so its inputs must lie elsewhere.
            values = [x.clone().realize() for x in one(*values)]
        device.synchronize()
        return values

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
