"""Recurrent networks, unrolled, and the agent's network."""

from tinygrad import Tensor
from workloads import recurrent as wl
from workloads.core import ADAM_LR

from peer_tinygrad.steps import jit, stateful


def gradients(loss, names):
    """A workload returning the loss and its gradients."""

    def make(d):
        def f(x, y, *p):
            value = loss(p, x, y)
            return [value, *value.gradient(*p)]

        return jit(f, d["x"], d["y"], *(d[k] for k in names))

    return make


def zero():
    return Tensor.zeros(wl.ROWS, wl.UNITS)


def gru_loss(p, x, y):
    wx, wh, b, d = p
    inputs, h = x @ wx + b, zero()
    for t in range(wl.STEPS):
        ar, az, an = inputs[t].chunk(3, dim=1)
        cr, cz, cn = (h @ wh + d).chunk(3, dim=1)
        z = (az + cz).sigmoid()
        h = ((1 - z) * (an + (ar + cr).sigmoid() * cn).tanh() + z * h).contiguous()
    return ((h - y) ** 2).mean()


def lstm_states(x, wx, wh, b, reverse):
    inputs, h, c, states = x @ wx + b, zero(), zero(), []
    for t in reversed(range(wl.STEPS)) if reverse else range(wl.STEPS):
        i, f, g, o = (inputs[t] + h @ wh).chunk(4, dim=1)
        c = (f.sigmoid() * c + i.sigmoid() * g.tanh()).contiguous()
        h = (o.sigmoid() * c.tanh()).contiguous()
        states.append(h)
    return Tensor.stack(*(states[::-1] if reverse else states))


def bilstm_loss(p, x, y):
    h = lstm_states(x, *p[:3], False).cat(lstm_states(x, *p[3:], True), dim=2)
    return ((h - y) ** 2).mean()


def q_values(p, s):
    return ((s @ p[0] + p[1]).relu() @ p[2] + p[3]).relu() @ p[4] + p[5]


def dqn_train(d):
    p = [Tensor(d[k]).realize() for k in wl.DQN]
    m, v = ([Tensor.zeros(*d[k].shape).contiguous().realize() for k in wl.DQN] for _ in range(2))
    t = Tensor([0.0]).realize()

    def update(s, a, r, s2, end, *frozen):
        target = r + wl.DISCOUNT * (1 - end) * q_values(frozen, s2).max(1)
        e = (q_values(p, s).gather(1, a.reshape(32, 1)).reshape(32) - target).abs()
        loss = (e < 1).where(0.5 * e * e, e - 0.5).mean()
        t.assign(t + 1)
        for q, b, c, g in zip(p, m, v, loss.gradient(*p), strict=True):
            b.assign(0.9 * b + 0.1 * g)
            c.assign(0.999 * c + 0.001 * g * g)
            rate = ADAM_LR / (1 - 0.9**t)
            q.assign(q - rate * b / (c.sqrt() / (1 - 0.999**t).sqrt() + 1e-8))
        return [loss, t, *m, *v, *p]

    inputs = [d[k] for k in ("s", "a", "r", "s2", "end", *wl.TARGET)]
    return stateful(update, p, *inputs, also=[t, *m, *v])


WORKLOADS = {
    "gru_train": gradients(gru_loss, wl.GRU),
    "bilstm_train": gradients(bilstm_loss, wl.BILSTM),
    "dqn_train": dqn_train,
}
