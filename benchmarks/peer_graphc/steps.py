"""What the graphs of all workloads share: their inputs, gradients, Adam."""

import math

import numpy as np
from workloads.core import ADAM_LR, SGD_LR

import graphc as gc

# Inputs whose first axis is the batch, or whatever there are many of: symbolic if asked for.
ROWS = ("x", "y", "w", "A", "X", "Y")


class Inputs:
    """A workload's arrays, as symbols of a graph and as arguments of the compiled step."""

    def __init__(self, arrays, symbolic):
        self.arrays, self.symbolic = arrays, symbolic

    def placeholder(self, name):
        shape = self.arrays[name].shape
        if self.symbolic and name in ROWS:
            shape = ("rows", *shape[1:])
        return gc.placeholder(name, shape, getattr(gc, self.arrays[name].dtype.name))

    def variables(self, names):
        return [gc.variable(self.arrays[k], name=k) for k in names]

    def constants(self, names):
        return [gc.constant(self.arrays[k]) for k in names]

    def step(self, placeholders, outputs, updates=None):
        """`outputs` compiled, as a call without arguments."""
        arguments = [self.arrays[p.name] for p in placeholders]
        compiled = gc.compile(placeholders, list(outputs), updates=updates)
        return lambda: compiled(*arguments)


def several(out):
    return out if isinstance(out, (tuple, list)) else [out]


def plain(f, *names):
    """A workload that is just f of some inputs."""

    def make(d):
        inputs = [d.placeholder(k) for k in names]
        return d.step(inputs, several(f(*inputs)))

    return make


def gradients(loss, names, *rest, value=True):
    """A workload returning a loss (if `value`) and its gradients for `names`."""

    def f(*inputs):
        p = list(inputs[: len(names)])
        result = loss(p, *inputs[len(names) :])
        return [result, *gc.grad(result, p)] if value else gc.grad(result, p)

    return plain(f, *names, *rest)


def reader(variables):
    """A function giving the present values of variables; compiled when first called."""
    return lambda: gc.compile([], list(variables))()


def adam(p, g, m, v, t):
    """(new p, new m, new v); t is the number of this step."""
    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
    first, second = (-gc.expm1(t * math.log(beta)) for beta in (0.9, 0.999))  # 1 - beta**t, exactly
    return p - ADAM_LR / first * m / (gc.sqrt(v) / gc.sqrt(second) + 1e-8), m, v


def adam_updates(states, grads):
    """Updates of one Adam step on (p, m, v) triples of variables."""
    t = gc.variable(np.float32(0), name="t", trainable=False)
    updates = {t: t + 1}
    for state, g in zip(states, grads, strict=True):
        p, m, v = state
        updates |= zip(state, adam(p, g, m, v, t + 1), strict=True)
    return updates


def zeros_like(d, names, prefix):
    return [
        gc.variable(np.zeros_like(d.arrays[k]), name=prefix + k, trainable=False) for k in names
    ]


def sgd_updates(d, names, parameters, grads):
    """Updates of one step with momentum; the momenta start at zero."""
    updates = {}
    for p, m, g in zip(parameters, zeros_like(d, names, "m"), grads, strict=True):
        new = 0.9 * m + g
        updates |= {m: new, p: p - SGD_LR * new}
    return updates
