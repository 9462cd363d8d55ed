"""A Gaussian process, a stencil and k-means."""

import math

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.linalg import solve_triangular
from workloads import scientific as wl

from peer_jax.steps import plain, value_and_grads


def gp_loss(p, x, y):
    ll, la, ln = p
    n = x.shape[0]
    z = x / jnp.exp(ll)
    s = (z * z).sum(1)
    distance = jnp.maximum(s[:, None] + s - 2 * (z @ z.T), 0)
    k = jnp.exp(2 * la - 0.5 * distance) + jnp.exp(2 * ln) * jnp.eye(n)
    low = jnp.linalg.cholesky(k)
    a = solve_triangular(low, y, lower=True)
    return 0.5 * (a * a).sum() + jnp.log(jnp.diag(low)).sum() + n / 2 * math.log(2 * math.pi)


def shallow_water(h, u, v):
    return lax.fori_loop(0, wl.STEPS, lambda _, fields: wl.step_water(*fields, jnp.roll), (h, u, v))


def kmeans(x):
    def iterate(_, c):
        nearest = ((c * c).sum(1) - 2 * (x @ c.T)).argmin(1)
        member = jax.nn.one_hot(nearest, wl.CENTRES)
        count = member.sum(0)[:, None]
        return jnp.where(count > 0, member.T @ x / jnp.maximum(count, 1), c)

    return lax.fori_loop(0, wl.ITERATIONS, iterate, x[: wl.CENTRES])


WORKLOADS = {
    "gp_likelihood": value_and_grads(gp_loss, wl.GP, "X", "y"),
    "shallow_water": plain(shallow_water, "h", "u", "v"),
    "kmeans": plain(kmeans, "x"),
}
