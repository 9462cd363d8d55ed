"""A stencil and k-means, a recorded step called again and again; there is no Cholesky factor."""

from tinygrad import Tensor
from workloads import scientific as wl

from peer_tinygrad.steps import repeat


def shallow_water(d):
    def one(h, u, v):
        return list(wl.step_water(h, u, v, Tensor.roll))

    return repeat(one, wl.STEPS, [d["h"], d["u"], d["v"]])


def kmeans(d):
    def one(c, x):
        nearest = ((c * c).sum(1) - 2 * (x @ c.T)).argmin(1)
        member = nearest.one_hot(wl.CENTRES).float()
        count = member.sum(0).reshape(wl.CENTRES, 1)
        return [(count > 0).where(member.T @ x / count.maximum(1), c)]

    return repeat(one, wl.ITERATIONS, [d["x"][: wl.CENTRES]], d["x"])


WORKLOADS = {"shallow_water": shallow_water, "kmeans": kmeans}
