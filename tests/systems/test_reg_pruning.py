"""Pruning (catalogue 8, E)."""

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim
from graphc.nn import pruning
from tests.systems.catalogue import S, both, check_gradients, row, run, symbols

WIDE = {"dtype": "float64"}
H = np.array([[2, 0.5, 0.2], [0.5, 1, 0.3], [0.2, 0.3, 0.8]])
W = np.array([0.3, -0.5, 0.4])
X, T = S(0, 20, 4) ** 3, np.tanh(S(0, 20, 4) @ S(3, 4, 2))


class Masked(nn.Layer):
    """A tanh net whose weights are multiplied by masks."""

    def __init__(self):
        self.weights = [gc.variable(0.5 * S(1, 4, 10)), gc.variable(0.5 * S(2, 10, 2))]
        self.masks = [gc.variable(np.ones(w.shape), trainable=False) for w in self.weights]

    def __call__(self, x):
        first, second = (w * m for w, m in zip(self.weights, self.masks, strict=True))
        return gc.tanh(x @ first) @ second

    def prune(self, share):
        """Keeps the largest weights of each matrix."""
        masks = [pruning.largest_mask(gc.abs(w), share) for w in self.weights]
        gc.compile([], None, updates=dict(zip(self.masks, masks, strict=True)))()

    def trained(self, steps=40):
        """The losses of some steps of descent."""
        loss = nn.mse(self(gc.constant(X)), gc.constant(T))
        updates = optim.SGD(0.2, momentum=0.5).updates(loss, self.weights)
        step = gc.compile([], loss, updates=updates)
        return [float(step()) for _ in range(steps)]


@row("REG-43", "graphc/nn/pruning.py")
def test_reg_43_magnitude_pruning():
    """The largest 30 % stay; masked weights do not move in training, most others do; packed without
    zeros the net gives the same.
    """
    net = Masked()
    net.prune(0.3)
    mask, before = net.masks[0].value.copy(), net.weights[0].value.copy()
    assert mask.sum() == 12 and abs(before)[mask == 1].min() >= abs(before)[mask == 0].max()
    losses = net.trained()
    assert losses[-1] < losses[0]
    moved = net.weights[0].value != before
    assert not moved[mask == 0].any() and moved[mask == 1].mean() > 0.5
    (x,) = feeds = symbols(x=X)
    packed = [
        pruning.sparse_columns(w.value * m.value)
        for w, m in zip(net.weights, net.masks, strict=True)
    ]
    sizes = [weights.size for _, weights in packed]
    assert sizes[0] < 40
    sparse = pruning.sparse_matmul(gc.tanh(pruning.sparse_matmul(x, *packed[0])), *packed[1])
    np.testing.assert_allclose(*both([net(x), sparse], feeds), atol=1e-13)
    check_gradients(gc.sum(net(x) ** 2), {x: X})


@row("REG-44", "graphc/nn/pruning.py")
def test_reg_44_unit_pruning():
    """The unit whose removal costs least to first order goes; the smaller dense net gives what the
    masked one gives, and trains.
    """
    first, second = nn.Dense(4, 6, gc.tanh, seed=0, **WIDE), nn.Dense(6, 2, seed=1, **WIDE)
    first.weight.value = first.weight.value * np.array([1, 1, 1e-3, 1, 1, 1])
    x, hidden = gc.constant(X), first(gc.constant(X))
    loss = nn.mse(second(hidden), gc.constant(T))
    costs = both(pruning.unit_saliency(loss, hidden))
    assert costs.argmin() == 2
    keep = np.sort(np.argsort(costs)[1:])
    small = pruning.without_units(first, second, keep)
    mask = gc.constant(np.isin(np.arange(6), keep).astype(float))
    dense = small[1](small[0](x))
    np.testing.assert_allclose(*both([dense, second(hidden * mask)]), atol=1e-14)
    error = nn.mse(dense, gc.constant(T))
    parameters = nn.Sequential(*small).parameters()
    step = gc.compile([], error, updates=optim.SGD(0.1).updates(error, parameters))
    losses = [float(step()) for _ in range(30)]
    assert losses[-1] < losses[0]


@row("REG-45", "graphc/nn/pruning.py")
def test_reg_45_lottery_ticket():
    """After training and pruning the survivors are, bit for bit, what they began as; retrained, the
    loss falls.
    """
    net = Masked()
    start = [w.value.copy() for w in net.weights]
    first = net.trained(100)
    net.prune(0.5)
    assert all((w.value != s).any() for w, s in zip(net.weights, start, strict=True))
    for w, s in zip(net.weights, start, strict=True):
        w.value = s
    for w, m, s in zip(net.weights, net.masks, start, strict=True):
        np.testing.assert_array_equal((w.value * m.value)[m.value == 1], s[m.value == 1])
    again = net.trained(100)
    assert again[-1] < again[0] and first[-1] < first[0]


@row("REG-46", "graphc/nn/pruning.py")
def test_reg_46_optimal_brain_damage():
    """Saliencies of a quadratic as printed, with the curvature taken from the graph."""
    (w,) = feeds = symbols(w=W)
    loss = 0.5 * gc.dot(w, gc.constant(H) @ w)
    found = pruning.damage(w, gc.diagonal(gc.hessian(loss, w)))
    np.testing.assert_allclose(both(found, feeds), [0.09, 0.125, 0.064], rtol=1e-12)
    kept = both(pruning.largest_mask(found, 2 / 3), feeds)
    np.testing.assert_array_equal(kept, [1, 1, 0])
    check_gradients(gc.sum(found), feeds)


@row("REG-47", "graphc/nn/pruning.py")
def test_reg_47_optimal_brain_surgeon():
    """Saliencies and corrected weights as printed, which minimise the quadratic under w_3 = 0; with
    a singular Hessian damping gives what is printed; I - H⁻¹H is small.
    """
    (w, h) = feeds = symbols(w=W, h=H)
    new, costs = both(pruning.surgery(w, h, 2), feeds)
    np.testing.assert_allclose(costs, [0.07859155, 0.09935897, 0.05668571], atol=1e-8)
    np.testing.assert_allclose(new, [0.31142857, -0.38571429, 0], atol=1e-8)
    inside = W[:2] + np.linalg.solve(H[:2, :2], H[:2, 2] * W[2])
    np.testing.assert_allclose(new[:2], inside, rtol=1e-12)
    rest = run(gc.norm(gc.eye(3, dtype="float64") - gc.linalg.inv(h) @ h), feeds)
    assert float(rest) < 1e-13
    v = gc.placeholder("v", (2,), gc.float64)
    loss = 0.5 * (gc.sum(v) - 1) ** 2
    hessian = gc.hessian(loss, v)
    outputs = [
        *pruning.surgery(v, hessian, 0, damping=1e-6),
        pruning.damage(v, gc.diagonal(hessian)),
    ]
    moved, small, obd = run(outputs, {v: np.array([0.5, 0.5])})
    np.testing.assert_allclose(moved, [0, 0.9999995], atol=1e-9)
    assert small[0] == pytest.approx(2.5e-7, rel=1e-5)
    np.testing.assert_allclose(obd, 0.125)
    check_gradients(gc.sum(pruning.surgery(w, h, 2)[0] ** 2), feeds)
