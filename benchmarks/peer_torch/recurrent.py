"""Recurrent networks: the library's own when eager, unrolled when compiled; the agent's network."""

import torch
import torch.nn.functional as F
from torch import nn
from workloads import recurrent as wl

from peer_torch.steps import training_step

LIBRARY_NAMES = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")


def gradients(d, jit, loss, names):
    g, p = jit.gradients(loss), [d[k] for k in names]

    def step():
        value, grads = g(p, d["x"], d["y"])
        return [value, *grads]

    return step


def library(d, kind, names, loss, **options):
    """A step through torch's own layer; `names` gives Wx, Wh and biases, None for no bias."""
    net = kind(wl.INPUTS, wl.UNITS, **options).to(d["x"].dtype)
    p = []
    for (own, parameter), name in zip(net.named_parameters(), names, strict=True):
        if name is None:
            parameter.data.zero_()
            parameter.requires_grad_(False)
            continue
        parameter.data = d[name].T.contiguous() if own.startswith("weight") else d[name]
        p.append(parameter)

    def step():
        value = loss(net(d["x"])[0], d["y"])
        grads = torch.autograd.grad(value, p)
        return [value, *(g.T if g.ndim == 2 else g for g in grads)]

    return step


def gru_loss(p, x, y):
    wx, wh, b, d = p
    h = torch.zeros(wl.ROWS, wl.UNITS)
    for a in (x @ wx + b).unbind(0):
        ar, az, an = a.chunk(3, 1)
        cr, cz, cn = (h @ wh + d).chunk(3, 1)
        r, z = torch.sigmoid(ar + cr), torch.sigmoid(az + cz)
        h = (1 - z) * torch.tanh(an + r * cn) + z * h
    return F.mse_loss(h, y)


def gru_train(d, jit):
    if jit.compiled:
        return gradients(d, jit, gru_loss, wl.GRU)
    return library(d, nn.GRU, wl.GRU, lambda h, y: F.mse_loss(h[-1], y))


def lstm_states(x, wx, wh, b, reverse):
    h = c = torch.zeros(wl.ROWS, wl.UNITS)
    steps = (x @ wx + b).unbind(0)
    states = []
    for z in reversed(steps) if reverse else steps:
        i, f, g, o = (z + h @ wh).chunk(4, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        states.append(h)
    return torch.stack(states[::-1] if reverse else states)


def bilstm_loss(p, x, y):
    h = [lstm_states(x, *p[:3], False), lstm_states(x, *p[3:], True)]
    return F.mse_loss(torch.cat(h, 2), y)


def bilstm_train(d, jit):
    if jit.compiled:
        return gradients(d, jit, bilstm_loss, wl.BILSTM)
    names = [name for half in (wl.BILSTM[:3], wl.BILSTM[3:]) for name in (*half, None)]
    return library(d, nn.LSTM, names, F.mse_loss, bidirectional=True)


def q_values(p, s):
    h = torch.relu(torch.addmm(p[1], s, p[0]))
    return torch.addmm(p[5], torch.relu(torch.addmm(p[3], h, p[2])), p[4])


def dqn_loss(p, s, a, r, s2, end, *frozen):
    with torch.no_grad():
        target = r + wl.DISCOUNT * (1 - end) * q_values(frozen, s2).amax(1)
    chosen = q_values(p, s).gather(1, a[:, None])[:, 0]
    return F.smooth_l1_loss(chosen, target)


def dqn_train(d, jit):
    inputs = [d[k] for k in ("s", "a", "r", "s2", "end", *wl.TARGET)]
    return training_step(dqn_loss, [d[k].clone() for k in wl.DQN], inputs, jit, adam=True)


WORKLOADS = {"gru_train": gru_train, "bilstm_train": bilstm_train, "dqn_train": dqn_train}
