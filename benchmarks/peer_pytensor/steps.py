"""How functions, gradients and training steps are compiled; state in shared variables."""

import numpy as np
import pytensor
import pytensor.tensor as pt
from workloads.core import ADAM_LR, SGD_LR

pytensor.config.floatX = "float32"
f32 = np.float32


def compile(inputs, outputs, args, updates=None):
    """The compiled step on fixed arguments."""
    f = pytensor.function(
        [pytensor.In(i, borrow=True) for i in inputs],
        [pytensor.Out(o, borrow=True) for o in outputs],
        updates=updates,
        mode="NUMBA",
        on_unused_input="ignore",
    )
    f.trust_input = True
    return lambda: f(*args)


def symbols(d, names):
    """Inputs with the shapes of a workload's arrays."""
    return [pt.tensor(k, dtype=d[k].dtype, shape=d[k].shape) for k in names]


def plain(f, *names):
    def make(d):
        args = [d[k] for k in names]
        inputs = symbols(d, names)
        out = f(*inputs)
        return compile(inputs, out if isinstance(out, (tuple, list)) else [out], args)

    return make


def value_and_grads(loss, names, *rest):
    def f(*inputs):
        p = list(inputs[: len(names)])
        value = loss(p, *inputs[len(names) :])
        return [value, *pytensor.grad(value, p)]

    return plain(f, *names, *rest)


def relu(x):
    return pt.maximum(x, f32(0))


def xent(z, y):
    z = z - z.max(1, keepdims=True)
    return (pt.log(pt.exp(z).sum(1)) - z[pt.arange(z.shape[0]), y]).mean()


def adam(p, g, m, v, t):
    """(new p, new m, new v)."""
    m, v = f32(0.9) * m + f32(0.1) * g, f32(0.999) * v + f32(0.001) * g * g
    return (
        p
        - f32(ADAM_LR)
        / (1 - f32(0.9) ** t)
        * m
        / (pt.sqrt(v) / pt.sqrt(1 - f32(0.999) ** t) + f32(1e-8)),
        m,
        v,
    )


def sgd(p, grads):
    """Updates of one step with momentum."""
    updates = []
    for a, g in zip(p, grads, strict=True):
        m = pytensor.shared(np.zeros_like(a.get_value()), shape=a.type.shape)
        new = f32(0.9) * m + g
        updates += [(m, new), (a, a - f32(SGD_LR) * new)]
    return updates


def train(loss, names, inputs=("x", "y")):
    """A workload of one Adam step; the state is the parameters."""

    def make(d):
        p = [pytensor.shared(d[k].copy()) for k in names]
        m, v = ([pytensor.shared(np.zeros_like(d[k])) for k in names] for _ in range(2))
        t = pytensor.shared(f32(0))
        given = symbols(d, inputs)
        value = loss(p, *given)
        updates = [(t, t + f32(1))]
        for a, g, b, c in zip(p, pytensor.grad(value, p), m, v, strict=True):
            updates += zip((a, b, c), adam(a, g, b, c, t + f32(1)), strict=True)
        step = compile(given, [value], [d[k] for k in inputs], updates)
        step.state = lambda: [a.get_value() for a in p]
        return step

    return make
