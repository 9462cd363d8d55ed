"""Recurrent networks as lax.scan, and the agent's network."""

import jax
import jax.numpy as jnp
from jax import lax
from workloads import recurrent as wl

from peer_jax.steps import train, value_and_grads


def gru_loss(p, x, y):
    wx, wh, b, d = p

    def cell(h, a):
        ar, az, an = jnp.split(a, 3, 1)
        cr, cz, cn = jnp.split(h @ wh + d, 3, 1)
        r, z = jax.nn.sigmoid(ar + cr), jax.nn.sigmoid(az + cz)
        return (1 - z) * jnp.tanh(an + r * cn) + z * h, None

    h, _ = lax.scan(cell, jnp.zeros((wl.ROWS, wl.UNITS)), x @ wx + b)
    return ((h - y) ** 2).mean()


def lstm_states(x, wx, wh, b, reverse):
    def cell(s, z):
        h, c = s
        i, f, g, o = jnp.split(z + h @ wh, 4, 1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    zero = jnp.zeros((wl.ROWS, wl.UNITS))
    return lax.scan(cell, (zero, zero), x @ wx + b, reverse=reverse)[1]


def bilstm_loss(p, x, y):
    h = [lstm_states(x, *p[:3], False), lstm_states(x, *p[3:], True)]
    return ((jnp.concatenate(h, 2) - y) ** 2).mean()


def q_values(p, s):
    return jax.nn.relu(jax.nn.relu(s @ p[0] + p[1]) @ p[2] + p[3]) @ p[4] + p[5]


def dqn_loss(p, s, a, r, s2, end, *frozen):
    target = r + wl.DISCOUNT * (1 - end) * q_values(frozen, s2).max(1)
    e = jnp.abs(jnp.take_along_axis(q_values(p, s), a[:, None], 1)[:, 0] - target)
    return jnp.where(e < 1, 0.5 * e * e, e - 0.5).mean()


WORKLOADS = {
    "gru_train": value_and_grads(gru_loss, wl.GRU, "x", "y"),
    "bilstm_train": value_and_grads(bilstm_loss, wl.BILSTM, "x", "y"),
    "dqn_train": train(dqn_loss, wl.DQN, ("s", "a", "r", "s2", "end", *wl.TARGET), adam=True),
}
