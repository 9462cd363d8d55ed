"""Recurrent networks as scans, and the agent's network."""

from workloads import recurrent as wl

import graphc as gc
from graphc import nn
from peer_graphc.steps import adam_updates, gradients, reader, zeros_like


def gru_loss(p, x, y):
    wx, wh, b, d = p

    def cell(h, a):
        ar, az, an = gc.split(a, 3, axis=1)
        cr, cz, cn = gc.split(h @ wh + d, 3, axis=1)
        r, z = gc.sigmoid(ar + cr), gc.sigmoid(az + cz)
        return (1 - z) * gc.tanh(an + r * cn) + z * h, None

    h, _ = gc.scan(cell, gc.zeros(y.shape), x @ wx + b)
    return gc.mean((h - y) ** 2)


def lstm_states(x, wx, wh, b, reverse):
    """h after every step."""

    def cell(state, z):
        h, c = state
        i, f, g, o = gc.split(z + h @ wh, 4, axis=1)
        c = gc.sigmoid(f) * c + gc.sigmoid(i) * gc.tanh(g)
        h = gc.sigmoid(o) * gc.tanh(c)
        return (h, c), h

    zero = gc.zeros((x.shape[1], wl.UNITS))
    return gc.scan(cell, (zero, zero), x @ wx + b, reverse=reverse)[1]


def bilstm_loss(p, x, y):
    h = gc.concat([lstm_states(x, *p[:3], False), lstm_states(x, *p[3:], True)], axis=2)
    return gc.mean((h - y) ** 2)


def q_values(p, s):
    return nn.relu(nn.relu(s @ p[0] + p[1]) @ p[2] + p[3]) @ p[4] + p[5]


def dqn_train(d):
    p, frozen = d.variables(wl.DQN), d.variables(wl.TARGET)
    names = ("s", "a", "r", "s2", "end")
    inputs = s, a, r, s2, end = [d.placeholder(k) for k in names]
    target = r + wl.DISCOUNT * (1 - end) * gc.max(q_values(frozen, s2), axis=1)
    chosen = gc.take_along_axis(q_values(p, s), a[:, None], axis=1)[:, 0]
    loss = nn.huber(chosen, target)
    states = zip(p, zeros_like(d, wl.DQN, "m"), zeros_like(d, wl.DQN, "v"), strict=True)
    step = d.step(inputs, [loss], adam_updates(states, gc.grad(loss, p)))
    step.state = reader(p)
    return step


WORKLOADS = {
    "gru_train": gradients(gru_loss, wl.GRU, "x", "y"),
    "bilstm_train": gradients(bilstm_loss, wl.BILSTM, "x", "y"),
    "dqn_train": dqn_train,
}
