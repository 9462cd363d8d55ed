"""A Gaussian process, a stencil and k-means; loops over steps are Python's."""

import math

import torch
from workloads import scientific as wl


def gp_loss(p, x, y):
    ll, la, ln = p
    n = x.shape[0]
    z = x / ll.exp()
    s = (z * z).sum(1)
    distance = (s[:, None] + s - 2 * (z @ z.T)).clamp_min(0)
    k = torch.exp(2 * la - 0.5 * distance) + torch.exp(2 * ln) * torch.eye(n, dtype=x.dtype)
    low = torch.linalg.cholesky(k)
    a = torch.linalg.solve_triangular(low, y[:, None], upper=False)
    return 0.5 * (a * a).sum() + low.diagonal().log().sum() + n / 2 * math.log(2 * math.pi)


def gp_likelihood(d, jit):
    p = [d[k].requires_grad_(not jit.compiled) for k in wl.GP]
    g = jit.gradients(gp_loss)

    def step():
        value, grads = g(p, d["X"], d["y"])
        return [value, *grads]

    return step


def shallow_water(d, jit):
    one = jit.function(lambda h, u, v: wl.step_water(h, u, v, torch.roll))

    @torch.no_grad()
    def step():
        fields = d["h"], d["u"], d["v"]
        for _ in range(wl.STEPS):
            fields = one(*fields)
        return list(fields)

    return step


def iterate(x, c):
    nearest = torch.addmm((c * c).sum(1), x, c.T, alpha=-2).argmin(1)
    count = torch.bincount(nearest, minlength=wl.CENTRES)[:, None]
    total = torch.zeros_like(c).index_add_(0, nearest, x)
    return torch.where(count > 0, total / count.clamp_min(1), c)


def kmeans(d, jit):
    def whole(x):
        c = x[: wl.CENTRES]
        for _ in range(wl.ITERATIONS):
            c = iterate(x, c)
        return c

    f, x = jit.function(whole), d["x"]
    return torch.no_grad()(lambda: [f(x)])


WORKLOADS = {"gp_likelihood": gp_likelihood, "shallow_water": shallow_water, "kmeans": kmeans}
