"""Computations outside of neural networks.

gp_likelihood   K = exp(2*la) * exp(-0.5 * |(X[i] - X[j]) / exp(ll)|**2) + exp(2*ln) * identity for
                512 points of 8 numbers; L = cholesky(K);
                loss = 0.5 * y^T K^-1 y + sum(log(diag(L))) + 256 * log(2 pi).
                Outputs: loss, its gradients for ll (8,), la, ln
shallow_water   1000 steps of the shallow water equations on a turning plane, periodic 256x256
                staggered grid, u on eastern faces, v on northern ones. E, W take the neighbour to
                the east, west (axis 1), N, S to the north, south (axis 0):
                u += F*(v + E(v) + S(v) + E(S(v)))/4 - C*(E(h) - h)
                v -= F*(u + N(u) + W(u) + N(W(u)))/4 + C*(N(h) - h)         with the new u
                p = u*(1 + (h + E(h))/2); q = v*(1 + (h + N(h))/2)          with the new u, v
                h -= C*(p - W(p) + q - S(q))
                from u = v = 0. One call does all steps.  Outputs: h, u, v
kmeans          20 iterations of Lloyd: every point belongs to the nearest centre, every centre
                becomes the mean of its points (and stays where it is without any); 10,000 points
                of 16 numbers, 16 centres, at first the first 16 points. One call does all.
                Outputs: centres (16, 16)
"""

import numpy as np

GP = ["ll", "la", "ln"]
GP_SIZE = 512
GRID, STEPS = 256, 1000
TURN, PACE = 0.02, 0.4  # F and C
POINTS, WIDTH, CENTRES, ITERATIONS = 10_000, 16, 16, 20


def step_water(h, u, v, roll):
    """One step over a peer's own roll(x, shift, axis), which moves values by `shift`."""

    def east(x):
        return roll(x, -1, 1)

    def west(x):
        return roll(x, 1, 1)

    def north(x):
        return roll(x, -1, 0)

    def south(x):
        return roll(x, 1, 0)

    w = v + south(v)
    u = u + TURN / 4 * (w + east(w)) - PACE * (east(h) - h)
    w = u + north(u)
    v = v - TURN / 4 * (w + west(w)) - PACE * (north(h) - h)
    p = u * (1 + 0.5 * (h + east(h)))
    q = v * (1 + 0.5 * (h + north(h)))
    return h - PACE * (p - west(p) + q - south(q)), u, v


def _gp(n):
    X = n(GP_SIZE, 8)
    y = np.sin(X.sum(1)) + n(GP_SIZE, scale=0.3)
    scales = {"ll": 0.7 + n(8, scale=0.1), "la": np.float32(0.1), "ln": np.float32(-1)}
    return {"X": X, "y": y, **{k: np.asarray(v, np.float32) for k, v in scales.items()}}


def _water(n):
    axis = np.arange(GRID, dtype=np.float32) / GRID - 0.5
    bump = 0.1 * np.exp(-100 * (axis[:, None] ** 2 + (axis - 0.1) ** 2))
    zero = np.zeros((GRID, GRID), np.float32)
    return {"h": bump + n(GRID, GRID, scale=1e-3), "u": zero, "v": zero.copy()}


def _kmeans(n):
    places, labels = n(CENTRES, WIDTH, scale=2), n.labels(POINTS, classes=CENTRES)
    return {"x": places[labels] + n(POINTS, WIDTH)}


DATA = {"gp_likelihood": _gp, "shallow_water": _water, "kmeans": _kmeans}
