"""Sparse coding (catalogue 6, A)."""

import numpy as np
import pytest

import graphc as gc
from graphc import probability
from tests.systems.catalogue import S, row, run, symbols
from tests.systems.sequences import differentiated

CODING = "graphc/probability/sparse_coding.py"


def unit(rows):
    """The rows, each of length 1."""
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@row("FAC-09", CODING)
def test_fac_09_sparse_coding():
    """At the codes' optimum the dictionary's gradient needs no path through them: it has that of
    the whole objective by differences, and (Dh - x) h^T; alternating steps never raise the loss,
    with columns of length 1.
    """
    rng = np.random.default_rng(0)
    feeds = symbols(D=unit(rng.standard_normal((6, 4))).T, x=S(2, 2, 4))
    D, x = feeds
    held = gc.stop_gradient(probability.sparse_code(x, D, 0.1, 1500, 1e-14))
    loss = probability.sparse_loss(x, D, held, 0.1)
    closed = (held @ D.T - x).T @ held / 2
    (wanted,), (slope,) = differentiated([closed], loss, feeds, [D], count=5)
    np.testing.assert_allclose(slope, wanted, rtol=1e-12, atol=1e-15)
    made = rng.standard_normal((30, 8)) * (rng.random((30, 8)) < 0.3)
    data = gc.constant(made @ unit(rng.standard_normal((8, 4))))
    atoms, h = gc.variable(unit(S(3, 8, 4)).T), gc.variable(np.zeros((30, 8)))
    new = probability.sparse_code(data, atoms, 0.1, 20, start=h)
    coded = probability.sparse_loss(data, atoms, new, 0.1)
    slope = gc.grad(probability.sparse_loss(data, atoms, gc.stop_gradient(new), 0.1), atoms)
    better = probability.unit_columns(atoms - 0.1 * slope)
    updates = {atoms: better, h: new}
    step = gc.compile([], [coded, probability.sparse_loss(data, better, new, 0.1)], updates=updates)
    values = np.array([step() for _ in range(60)]).ravel()
    assert (np.diff(values) < 1e-12).all()
    assert values[-1] < 0.8 * values[0]
    np.testing.assert_allclose(np.linalg.norm(atoms.value, axis=0), 1, rtol=1e-12)


@row("FAC-10", CODING)
def test_fac_10_iterative_shrinkage():
    """The largest eigenvalue, the optimum and the codes as printed; the conditions of optimality
    hold; a sub-gradient that clips at 0 finds the same; steps end where the codes stay; the
    gradient of unrolled steps is that by differences.
    """
    feeds = symbols(D=unit((S(1, 3, 5) ** 3).T).T, x=S(2, 1, 3))
    D, x = feeds
    codes = probability.sparse_code(x, D, 0.1, 20000, 1e-15)
    value = probability.sparse_loss(x, D, codes, 0.1)
    top = gc.linalg.eigvalsh(D.T @ D)[-1]
    slope = (codes @ D.T - x) @ D

    def clipped(h, _):
        g = (h @ D.T - x) @ D
        moved = h - 0.3 * (g + 0.1 * gc.where(h == 0, -gc.clip(g / 0.1, -1, 1), gc.sign(h)))
        return gc.where(moved * h < 0, 0, moved), None

    other, _ = gc.scan(clipped, gc.zeros((1, 5), dtype="float64"), length=10000)
    h, best, largest, g, again = run([codes, value, top, slope, other], feeds)
    assert largest == pytest.approx(3.255063261, abs=6e-10)
    assert best == pytest.approx(0.123402102, abs=6e-10)
    printed = [0.60681925, 0.01921546, 0, 0, -0.53957383]
    np.testing.assert_allclose(h[0], printed, atol=6e-9)
    np.testing.assert_allclose(again, h, atol=1e-9)
    on = h != 0
    np.testing.assert_allclose(g[on], -0.1 * np.sign(h[on]), atol=1e-10)
    assert (abs(g[~on]) < 0.1).all() and on.sum() == 3
    few = probability.sparse_code(x, D, 0.1, 5)
    ends = (
        probability.sparse_code(x, D, 0.1, 1),
        probability.sparse_code(x, D, 0.1, 5, tolerance=10.0),
    )
    (one, stopped), _ = differentiated(ends, probability.sparse_loss(x, D, few, 0.3), feeds, [x])
    np.testing.assert_array_equal(one, stopped)
