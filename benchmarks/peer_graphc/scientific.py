"""A Gaussian process, a stencil and k-means."""

import math

from workloads import scientific as wl

import graphc as gc
from peer_graphc.steps import gradients, plain


def gp_loss(p, x, y):
    ll, la, ln = p
    n = x.shape[0]
    z = x / gc.exp(ll)
    s = gc.sum(z * z, axis=1)
    distance = gc.maximum(s.reshape((n, 1)) + s - 2 * (z @ z.transpose((1, 0))), 0)
    k = gc.exp(2 * la - 0.5 * distance) + gc.exp(2 * ln) * gc.eye(n)
    low = gc.linalg.cholesky(k)
    a = gc.linalg.triangular_solve(low, y.reshape((n, 1)))
    return 0.5 * gc.sum(a * a) + gc.sum(gc.log(gc.diagonal(low)) + 0.5 * math.log(2 * math.pi))


def shallow_water(h, u, v):
    fields, _ = gc.scan(
        lambda fields, _: (wl.step_water(*fields, gc.roll), None), (h, u, v), length=wl.STEPS
    )
    return fields


def kmeans(x):
    def iterate(c, _):
        nearest = gc.argmin(gc.sum(c * c, axis=1) - 2 * (x @ c.transpose((1, 0))), axis=1)
        member = gc.one_hot(nearest, wl.CENTRES)
        count = gc.sum(member, axis=0).reshape((wl.CENTRES, 1))
        total = member.transpose((1, 0)) @ x
        return gc.where(count > 0, total / gc.maximum(count, 1), c), None

    return gc.scan(iterate, gc.take(x, gc.arange(wl.CENTRES), axis=0), length=wl.ITERATIONS)[0]


WORKLOADS = {
    "gp_likelihood": gradients(gp_loss, wl.GP, "X", "y"),
    "shallow_water": plain(shallow_water, "h", "u", "v"),
    "kmeans": plain(kmeans, "x"),
}
