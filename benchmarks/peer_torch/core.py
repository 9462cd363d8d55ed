"""The core workloads."""

import torch
import torch.nn.functional as F
from torch import nn
from workloads import core as wl

from peer_torch import vision
from peer_torch.steps import adam_update, plain, train


def chain(x):
    return torch.tanh(wl.A * x + wl.B) * torch.sigmoid(x) + torch.exp(-x * x)


def ew_grad(d, jit):
    x = d["x"].requires_grad_(not jit.compiled)
    g = jit.gradients(lambda p: chain(p[0]).sum())
    return lambda: g([x])[1]


def layernorm_grad(d, jit):
    p = [d[k].requires_grad_(not jit.compiled) for k in ("x", "gamma", "beta")]
    g = jit.gradients(lambda p, w: (F.layer_norm(p[0], (1024,), p[1], p[2], wl.EPS) * w).sum())
    return lambda: g(p, d["w"])[1]


def mean_var(x):
    v, m = torch.var_mean(x, correction=0)
    v0, m0 = torch.var_mean(x, 0, correction=0)
    return m, v, m0, v0


def mlp(p, x):
    h = torch.relu(torch.addmm(p[1], x, p[0]))
    return torch.addmm(p[5], torch.relu(torch.addmm(p[3], h, p[2])), p[4])


def mlp_loss(p, x, y):
    return F.cross_entropy(mlp(p, x), y)


def digits_loss(p, x, y):
    return F.cross_entropy(torch.addmm(p[3], torch.relu(torch.addmm(p[1], x, p[0])), p[2]), y)


def lenet_loss(p, x, y):
    h = F.max_pool2d(torch.relu(F.conv2d(x, p[0], p[1], padding=2)), 2)
    h = F.max_pool2d(torch.relu(F.conv2d(h, p[2], p[3])), 2).flatten(1)
    h = torch.relu(torch.addmm(p[5], h, p[4]))
    h = torch.relu(torch.addmm(p[7], h, p[6]))
    return F.cross_entropy(torch.addmm(p[9], h, p[8]), y)


def block_loss(p, w):
    k1, g1, b1, k2, g2, b2, x = p
    h = torch.relu(F.batch_norm(F.conv2d(x, k1, padding=1), None, None, g1, b1, True, 0.0, wl.EPS))
    h = F.batch_norm(F.conv2d(h, k2, padding=1), None, None, g2, b2, True, 0.0, wl.EPS)
    return (torch.relu(x + h) * w).sum()


def resnet_block_train(d, jit):
    p = [d[k].requires_grad_(not jit.compiled) for k in wl.BLOCK]
    g = jit.gradients(block_loss)

    def step():
        loss, grads = g(p, d["w"])
        return [loss, *grads]

    return step


def mlp_infer(d, jit):
    return jit.inference(
        lambda p, x: mlp([p[k] for k in wl.MLP], x), {k: d[k] for k in wl.MLP}, d["x"]
    )


def lstm_train(d, jit):
    if not jit.compiled:  # the library's own LSTM
        net = nn.LSTM(64, 128).to(d["x"].dtype)
        net.weight_ih_l0.data, net.weight_hh_l0.data = (
            d["Wx"].T.contiguous(),
            d["Wh"].T.contiguous(),
        )
        net.bias_ih_l0.data, net.bias_hh_l0.data = d["b"], torch.zeros_like(d["b"])
        net.bias_hh_l0.requires_grad_(False)
        p = [net.weight_ih_l0, net.weight_hh_l0, net.bias_ih_l0]

        def step():
            loss = F.mse_loss(net(d["x"])[0][-1], d["y"])
            a, b, c = torch.autograd.grad(loss, p)
            return [loss, a.T, b.T, c]

        return step

    def loss(p, x, y):  # dynamo does not take nn.LSTM; the loop over time is unrolled
        h = c = torch.zeros(32, 128)
        for z in (x @ p[0] + p[2]).unbind(0):
            i, f, g, o = (z + h @ p[1]).chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
        return F.mse_loss(h, y)

    g, p = jit.gradients(loss), [d[k] for k in ("Wx", "Wh", "b")]

    def step():
        value, grads = g(p, d["x"], d["y"])
        return [value, *grads]

    return step


def encoder(p, x):
    g1, b1, Wqkv, bqkv, Wo, bo, g2, b2, W1, c1, W2, c2 = p
    n, t, dim = x.shape
    q, k, v = (
        (F.layer_norm(x, (dim,), g1, b1, wl.EPS) @ Wqkv + bqkv)
        .view(n, t, 3, wl.HEADS, dim // wl.HEADS)
        .permute(2, 0, 3, 1, 4)
    )
    h = x + F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, t, dim) @ Wo + bo
    return (
        h + F.gelu(F.layer_norm(h, (dim,), g2, b2, wl.EPS) @ W1 + c1, approximate="tanh") @ W2 + c2
    )


def transformer_infer(d, jit):
    return jit.inference(
        lambda p, x: encoder([p[k] for k in wl.TRANSFORMER], x),
        {k: d[k] for k in wl.TRANSFORMER},
        d["x"],
    )


def transformer_train(d, jit):
    p = [d[k].requires_grad_(not jit.compiled) for k in wl.TRANSFORMER]
    g = jit.gradients(lambda p, x, w: (encoder(p, x) * w).mean())

    def step():
        loss, grads = g(p, d["x"], d["w"])
        return [loss, *grads]

    return step


def hessian_mlp(theta, X, Y):
    def loss(t):
        return (
            (
                torch.tanh(X @ t[:160].view(10, 16) + t[160:176]) @ t[176:192].view(16, 1)
                + t[192:]
                - Y
            )
            ** 2
        ).mean()

    return torch.func.hessian(loss)(theta)


def hvp_mlp(d, jit):
    def hvp(p, v, x, y):
        return torch.func.jvp(torch.func.grad(lambda p: mlp_loss(p, x, y)), (p,), (v,))[1]

    f, p, v = jit.function(hvp), [d[k] for k in wl.MLP], [d["v" + k] for k in wl.MLP]
    return (
        torch.no_grad()(lambda: f(p, v, d["x"], d["y"]))
        if jit.compiled
        else lambda: f(p, v, d["x"], d["y"])
    )


def adam_fused(d, jit):
    p, g, m, v = (d[k].clone() for k in "pgmv")
    if jit.compiled:
        t = torch.zeros(())

        @torch.compile(fullgraph=True)
        def update(p, g, m, v, t):
            t.add_(1)
            adam_update(p, g, m, v, t)

        step = torch.no_grad()(lambda: update(p, g, m, v, t) or [])
    else:
        p.grad = g
        opt = torch.optim.Adam([p], lr=wl.ADAM_LR, fused=True)
        opt.state[p] = {"step": torch.tensor(0.0), "exp_avg": m, "exp_avg_sq": v}

        def step():
            opt.step()
            return []

    step.state = lambda: [p, m, v]
    return step


WORKLOADS = {
    "ew_chain": plain(chain, "x"),
    "ew_grad": ew_grad,
    "softmax_rows": plain(lambda x: torch.softmax(x, 1), "x"),
    "layernorm_rows": plain(
        lambda x, g, b: F.layer_norm(x, (1024,), g, b, wl.EPS), "x", "gamma", "beta"
    ),
    "layernorm_grad": layernorm_grad,
    "logsumexp_all": plain(lambda x: (torch.logsumexp(x, (0, 1)), torch.logsumexp(x, 0)), "x"),
    "mean_var": plain(mean_var, "x"),
    "gemm_1024": plain(torch.mm, "A", "B"),
    "gemm_bias_relu": plain(lambda x, w, b: torch.relu(torch.addmm(b, x, w)), "x", "W", "b"),
    "tiny_call": plain(lambda x: x * 2 + 1, "x"),
    "mlp_infer_b1": mlp_infer,
    "mlp_train": train(mlp_loss, wl.MLP, adam=True),
    "digits_step": train(digits_loss, wl.DIGITS, adam=True),
    "lenet_train": train(lenet_loss, wl.LENET, adam=False),
    "resnet_block_train": resnet_block_train,
    **vision.CORE,
    "lstm_train": lstm_train,
    "transformer_infer": transformer_infer,
    "transformer_train": transformer_train,
    "hessian_mlp": plain(hessian_mlp, "theta", "X", "Y"),
    "hvp_mlp": hvp_mlp,
    "adam_fused": adam_fused,
}
