"""Recurrent networks and the network of a small agent.

gru_train     r, z, n = the thirds of a = x[t]@Wx + b and of c = h@Wh + d;
              r = sigmoid(a_r + c_r); z = sigmoid(a_z + c_z); n = tanh(a_n + r*c_n);
              h = (1 - z)*n + z*h, starting at 0; loss = mean((h_last - y)**2); 64 steps of 32 rows,
              64 inputs, 128 units.                  Outputs: loss, dWx, dWh, db, dd
bilstm_train  two LSTMs as in lstm_train, one from the first step to the last with Wx, Wh, b, one
              from the last to the first with Vx, Vh, c; loss = mean((join(h[t], k[t]) - y[t])**2)
              over all 64 steps, h and k their states after step t.
                                                     Outputs: loss, dWx, dWh, db, dVx, dVh, dc
dqn_train     q(s) = relu(relu(s@W1+b1)@W2+b2)@W3+b3, 4-64-64-2; 32 transitions (s, a, r, s2, end);
              t = r + 0.99 * (1 - end) * max over actions of q(s2) by the parameters of the target
              network, T*; loss = mean huber(q(s)[a] - t), huber(e) = e*e/2 if |e| < 1 else
              |e| - 1/2; one Adam step.              Outputs: loss; state: the 6 parameters
"""

import numpy as np

STEPS, ROWS, INPUTS, UNITS = 64, 32, 64, 128
GRU = ["Wx", "Wh", "b", "d"]
BILSTM = ["Wx", "Wh", "b", "Vx", "Vh", "c"]
DQN = ["W1", "b1", "W2", "b2", "W3", "b3"]
TARGET = ["T" + name for name in DQN]
DISCOUNT = 0.99


def _sequence(n):
    return {"x": n(STEPS, ROWS, INPUTS)}


def _weights(n, gates):
    return (
        n(INPUTS, gates * UNITS, scale=0.1),
        n(UNITS, gates * UNITS, scale=0.08),
        n.shift(gates * UNITS),
    )


def _gru(n):
    d = {**_sequence(n), "y": n(ROWS, UNITS), "d": n.shift(3 * UNITS)}
    return d | dict(zip(GRU[:3], _weights(n, 3), strict=True))


def _bilstm(n):
    d = {**_sequence(n), "y": n(STEPS, ROWS, 2 * UNITS)}
    return d | dict(zip(BILSTM, (*_weights(n, 4), *_weights(n, 4)), strict=True))


def _dqn(n):
    sizes = [4, 64, 64, 2]
    return {
        "s": n(32, 4),
        "a": n.labels(32, classes=2),
        "r": n(32),
        "s2": n(32, 4),
        "end": (n(32) > 1).astype(np.float32),
        **n.dense(sizes),
        **{"T" + k: v for k, v in n.dense(sizes).items()},
    }


DATA = {"gru_train": _gru, "bilstm_train": _bilstm, "dqn_train": _dqn}
