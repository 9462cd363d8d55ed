"""How functions, gradients and training steps are compiled and called."""

import jax
import jax.numpy as jnp
from workloads.core import ADAM_LR, SGD_LR

block = jax.block_until_ready


def plain(f, *names):
    def make(d):
        g, args = jax.jit(f), [d[k] for k in names]

        def step():
            out = block(g(*args))
            return out if isinstance(out, (tuple, list)) else [out]

        return step

    return make


def value_and_grads(loss, names, *rest):
    """A workload returning the loss and its gradients."""

    def make(d):
        g, p, args = jax.jit(jax.value_and_grad(loss)), [d[k] for k in names], [d[k] for k in rest]

        def step():
            value, grads = block(g(p, *args))
            return [value, *grads]

        return step

    return make


def xent(z, y):
    return (jax.nn.logsumexp(z, 1) - jnp.take_along_axis(z, y[:, None], 1)[:, 0]).mean()


def adam_update(p, g, m, v, t):
    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
    return p - ADAM_LR / (1 - 0.9**t) * m / (jnp.sqrt(v) / jnp.sqrt(1 - 0.999**t) + 1e-8), m, v


def train(loss, names, inputs, adam):
    """A training step on some inputs; the state is donated."""

    def make(d):
        def update(s, *inputs):
            p, m, v, t = s
            t = t + 1
            value, g = jax.value_and_grad(loss)(p, *inputs)
            if adam:
                updated = [adam_update(*a, t) for a in zip(p, g, m, v, strict=True)]
                p, m, v = map(list, zip(*updated, strict=True))
            else:
                m = [0.9 * a + b for a, b in zip(m, g, strict=True)]
                p = [a - SGD_LR * b for a, b in zip(p, m, strict=True)]
            return value, (p, m, v, t)

        f = jax.jit(update, donate_argnums=0)
        p, args = [jnp.array(d[k]) for k in names], [d[k] for k in inputs]
        zeros = [jnp.zeros_like(q) for q in p]
        s = [(p, zeros, [jnp.zeros_like(q) for q in p] if adam else [], jnp.float32(0))]

        def step():
            value, s[0] = block(f(s[0], *args))
            return [value]

        step.state = lambda: s[0][0]
        return step

    return make
