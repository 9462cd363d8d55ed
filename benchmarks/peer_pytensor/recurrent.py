"""Recurrent networks as scans, and the agent's network."""

import pytensor
import pytensor.tensor as pt
from workloads import recurrent as wl

from peer_pytensor.steps import f32, relu, train, value_and_grads

UNITS = wl.UNITS


def zero():
    return pt.zeros((wl.ROWS, UNITS), dtype="float32")


def parts(x, count):
    return [x[:, k * UNITS : (k + 1) * UNITS] for k in range(count)]


def gru_loss(p, x, y):
    wx, wh, b, d = p

    def cell(a, h, wh, d):
        ar, az, an = parts(a, 3)
        cr, cz, cn = parts(h @ wh + d, 3)
        z = pt.sigmoid(az + cz)
        return (1 - z) * pt.tanh(an + pt.sigmoid(ar + cr) * cn) + z * h

    h = pytensor.scan(
        cell,
        sequences=[x @ wx + b],
        outputs_info=[zero()],
        non_sequences=[wh, d],
        return_updates=False,
    )
    return pt.sqr(h[-1] - y).mean()


def lstm_states(x, wx, wh, b, reverse):
    def cell(z, h, c, wh):
        i, f, g, o = parts(z + h @ wh, 4)
        c = pt.sigmoid(f) * c + pt.sigmoid(i) * pt.tanh(g)
        return pt.sigmoid(o) * pt.tanh(c), c

    h, _ = pytensor.scan(
        cell,
        sequences=[x @ wx + b],
        outputs_info=[zero(), zero()],
        non_sequences=[wh],
        go_backwards=reverse,
        return_updates=False,
    )
    return h[::-1] if reverse else h


def bilstm_loss(p, x, y):
    h = [lstm_states(x, *p[:3], False), lstm_states(x, *p[3:], True)]
    return pt.sqr(pt.concatenate(h, axis=2) - y).mean()


def q_values(p, s):
    return relu(relu(s @ p[0] + p[1]) @ p[2] + p[3]) @ p[4] + p[5]


def dqn_loss(p, s, a, r, s2, end, *frozen):
    target = r + f32(wl.DISCOUNT) * (1 - end) * q_values(frozen, s2).max(1)
    e = pt.abs(q_values(p, s)[pt.arange(32), a] - target)
    return pt.where(e < 1, f32(0.5) * e * e, e - f32(0.5)).mean()


INPUTS = ("s", "a", "r", "s2", "end", *wl.TARGET)
WORKLOADS = {
    "gru_train": value_and_grads(gru_loss, wl.GRU, "x", "y"),
    "bilstm_train": value_and_grads(bilstm_loss, wl.BILSTM, "x", "y"),
    "dqn_train": train(dqn_loss, wl.DQN, INPUTS),
}
