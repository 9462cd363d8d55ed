"""The core workloads.

ew_chain            y = tanh(a*x + b) * sigmoid(x) + exp(-x*x).             Outputs: y
ew_grad             gradient of sum(y) of ew_chain with respect to x.       Outputs: dx
softmax_rows        softmax over the last axis.                             Outputs: y
layernorm_rows      LN(x; gamma, beta).                                     Outputs: y
layernorm_grad      gradients of sum(LN(x; gamma, beta) * w).        Outputs: dx, dgamma, dbeta
logsumexp_all       logsumexp over everything, and over axis 0.             Outputs: scalar, (4096,)
mean_var            mean and variance over everything, and over axis 0.     Outputs: m, v, m0, v0
gemm_1024           A @ B.                                                  Outputs: C
gemm_bias_relu      relu(x @ W + b).                                        Outputs: y
tiny_call           y = x*2 + 1 on 10 elements: the cost of a call.         Outputs: y
mlp_infer_b1        z = relu(relu(x@W1+b1)@W2+b2)@W3+b3, one row.           Outputs: z
mlp_train           one Adam step on xent(z, y), 128 rows.                  Outputs: loss;
                    state: the 6 parameters
lenet_train         conv(1->6, 5x5, pad 2) relu maxpool2 conv(6->16, 5x5) relu maxpool2 fc400-120
                    relu fc120-84 relu fc84-10, xent; one step of SGD with momentum:
                    m = 0.9*m + g; p -= 0.01*m.                             Outputs: loss;
                    state: the 10 parameters
resnet_block_train  out = relu(x + bn2(conv2(relu(bn1(conv1(x)))))); 3x3 convolutions with pad 1,
                    no bias; bn over (N, H, W) of the batch, eps 1e-5; loss = sum(out * w).
                    Outputs: loss, then its gradients for k1, g1, b1, k2, g2, b2, x
resnet18_infer_b1   in vision.py.
lstm_train          gates i, f, g, o = split(x[t]@Wx + h@Wh + b);
                    c = sigmoid(f)*c + sigmoid(i)*tanh(g); h = sigmoid(o)*tanh(c); h, c start at 0;
                    loss = mean((h_last - y)**2).                        Outputs: loss, dWx, dWh, db
transformer_infer   h = x + Attention(LN(x; g1, b1)); out = h + gelu(LN(h; g2, b2)@W1 + c1)@W2 + c2;
                    gelu in its tanh form; Attention: 8 heads, q, k, v = split(x@Wqkv + bqkv),
                    no mask, softmax(q k^T / sqrt(32)) v, then @Wo + bo.    Outputs: out
transformer_train   the same for 8 sequences; loss = mean(out * w).
                    Outputs: loss, then its 12 gradients in the order of TRANSFORMER
hessian_mlp         dense Hessian of mean((tanh(X@W1+b1)@W2+b2 - Y)**2) with respect to
                    theta = [W1 (10, 16), b1, W2 (16, 1), b2], 193 numbers. Outputs: (193, 193)
hvp_mlp             Hessian of the mlp_train loss times the direction v.
                    Outputs: 6 arrays like the parameters
adam_fused          one Adam step on 10M parameters with a constant gradient.
                    Outputs: none; state: p, m, v

Adam, step t = 1, 2, ...: m = 0.9*m + 0.1*g; v = 0.999*v + 0.001*g*g;
                          p -= lr / (1-0.9**t) * m / (sqrt(v) / sqrt(1-0.999**t) + 1e-8)
"""

import numpy as np

from workloads import vision

MLP = ["W1", "b1", "W2", "b2", "W3", "b3"]
DIGITS = ["W1", "b1", "W2", "b2"]
LENET = ["k1", "c1", "k2", "c2", "W1", "b1", "W2", "b2", "W3", "b3"]
BLOCK = ["k1", "g1", "b1", "k2", "g2", "b2", "x"]
TRANSFORMER = ["g1", "b1", "Wqkv", "bqkv", "Wo", "bo", "g2", "b2", "W1", "c1", "W2", "c2"]
HEADS = 8
EPS = 1e-5
A, B = 1.3, 0.2  # ew_chain's scalars
ADAM_LR, SGD_LR = 1e-4, 1e-2
# One whose float32 and float64 runs fall on the same side of every relu and maximum.
LENET_SEED = 1


def _elementwise(n):
    return {"x": n(4 << 20)}


def _rows(n):
    return {"x": n(8192, 1024)}


def _layernorm(n):
    return {"x": n(8192, 1024), "gamma": 1 + n(1024, scale=0.1), "beta": n(1024, scale=0.1)}


def _square(n):
    return {"x": n(4096, 4096) + np.float32(0.5)}


def _mlp_rows(n, rows):
    return {"x": n(rows, 784), **n.dense([784, 512, 512, 10])}


def _mlp_train(n):
    return {**_mlp_rows(n, 128), "y": n.labels(128)}


def _hvp(n):
    d = _mlp_train(n)
    return {**d, **{"v" + k: n(*d[k].shape) for k in MLP}}


def _lenet(n):
    return {
        "x": n(64, 1, 28, 28),
        "y": n.labels(64),
        "k1": n(6, 1, 5, 5, scale=0.2),
        "c1": n(6, scale=0.1),
        "k2": n(16, 6, 5, 5, scale=0.1),
        "c2": n(16, scale=0.1),
        **n.dense([400, 120, 84, 10]),
    }


def _block(n):
    images = {k: n(8, 64, 56, 56) for k in ("x", "w")}
    kernels = {k: n(64, 64, 3, 3, scale=0.06) for k in ("k1", "k2")}
    gains = {k: 1 + n(64, scale=0.1) for k in ("g1", "g2")}
    return {**images, **kernels, **gains, **{k: n(64, scale=0.1) for k in ("b1", "b2")}}


def _lstm(n):
    inputs = {"x": n(64, 32, 64), "y": n(32, 128)}
    return {
        **inputs,
        "Wx": n(64, 512, scale=0.1),
        "Wh": n(128, 512, scale=0.08),
        "b": n(512, scale=0.1),
    }


def _transformer(n, batch, d=256):
    return {
        "x": n(batch, 128, d),
        **{k: 1 + n(d, scale=0.1) for k in ("g1", "g2")},
        **{k: n(d, scale=0.1) for k in ("b1", "b2", "bo", "c2")},
        "Wqkv": n(d, 3 * d, scale=d**-0.5),
        "bqkv": n(3 * d, scale=0.1),
        "Wo": n(d, d, scale=d**-0.5),
        "W1": n(d, 4 * d, scale=d**-0.5),
        "c1": n(4 * d, scale=0.1),
        "W2": n(4 * d, d, scale=(4 * d) ** -0.5),
    }


def _adam(n, size=10_000_000):
    return {"p": n(size), "g": n(size), "m": n(size, scale=0.1), "v": np.square(n(size))}


DATA = {
    "ew_chain": _elementwise,
    "ew_grad": _elementwise,
    "softmax_rows": _rows,
    "layernorm_rows": _layernorm,
    "layernorm_grad": lambda n: {**_layernorm(n), "w": n(8192, 1024)},
    "logsumexp_all": _square,
    "mean_var": _square,
    "gemm_1024": lambda n: {"A": n(1024, 1024), "B": n(1024, 1024)},
    "gemm_bias_relu": lambda n: {"x": n(128, 784), "W": n(784, 512), "b": n(512)},
    "tiny_call": lambda n: {"x": n(10)},
    "mlp_infer_b1": lambda n: _mlp_rows(n, 1),
    "mlp_train": _mlp_train,
    "lenet_train": _lenet,
    "resnet_block_train": _block,
    **vision.CORE,
    "lstm_train": _lstm,
    "transformer_infer": lambda n: _transformer(n, 1),
    "transformer_train": lambda n: {**_transformer(n, 8), "w": n(8, 128, 256)},
    "hessian_mlp": lambda n: {"X": n(64, 10), "Y": n(64, 1), "theta": n(193, scale=0.3)},
    "hvp_mlp": _hvp,
    "adam_fused": _adam,
}
# Outside the comparison.
EXTRA = {"digits_step": lambda n: {"x": n(128, 784), "y": n.labels(128), **n.dense([784, 512, 10])}}
