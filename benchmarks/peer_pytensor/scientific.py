"""A Gaussian process, a stencil and k-means; loops are scans."""

import math

import pytensor
import pytensor.tensor as pt
from workloads import scientific as wl

from peer_pytensor.steps import f32, plain, value_and_grads


def gp_loss(p, x, y):
    ll, la, ln = p
    n = wl.GP_SIZE
    z = x / pt.exp(ll)
    s = pt.sqr(z).sum(1)
    distance = pt.maximum(s[:, None] + s - f32(2) * (z @ z.T), f32(0))
    noise = pt.exp(f32(2) * ln) * pt.eye(n, dtype="float32")
    low = pt.linalg.cholesky(pt.exp(f32(2) * la - f32(0.5) * distance) + noise)
    a = pt.linalg.solve_triangular(low, y, lower=True, b_ndim=1)
    constant = f32(n / 2 * math.log(2 * math.pi))
    return f32(0.5) * pt.sqr(a).sum() + pt.log(pt.diag(low)).sum() + constant


def roll(x, shift, axis):
    return pt.roll(x, shift, axis)


def single(x):
    """What shared definitions multiply by, without leaving float32."""
    return x.astype("float32")


def shallow_water(h, u, v):
    fields = pytensor.scan(
        lambda h, u, v: [single(x) for x in wl.step_water(h, u, v, roll)],
        outputs_info=[h, u, v],
        n_steps=wl.STEPS,
        return_updates=False,
    )
    return [x[-1] for x in fields]


def kmeans(x):
    def iterate(c, x):
        nearest = (pt.sqr(c).sum(1) - f32(2) * (x @ c.T)).argmin(1)
        member = pt.eq(nearest, pt.arange(wl.CENTRES)[:, None]).astype("float32")
        count = member.sum(1, keepdims=True)
        return pt.where(count > 0, member @ x / pt.maximum(count, f32(1)), c)

    start = pt.specify_shape(x[: wl.CENTRES], (wl.CENTRES, wl.WIDTH))
    return pytensor.scan(
        iterate,
        outputs_info=[start],
        non_sequences=[x],
        n_steps=wl.ITERATIONS,
        return_updates=False,
    )[-1]


WORKLOADS = {
    "gp_likelihood": value_and_grads(gp_loss, wl.GP, "X", "y"),
    "shallow_water": plain(shallow_water, "h", "u", "v"),
    "kmeans": plain(kmeans, "x"),
}
