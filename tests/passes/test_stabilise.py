"""Likelihoods written by hand have finite gradients where a probability vanishes."""

import numpy as np
import pytest

import graphc as gc

SCORES = np.array([[0, 200, -200, 5], [1, 2, 3, 4], [-500, 0, 500, 1e3]], np.float32)
LABELS = np.array([2, 1, 0])
LOGITS, HAPPENED = np.array([-200, 200, 3], np.float32), np.array([True, False, True])


def softmax_of(x):
    e = gc.exp(x)
    return e / gc.sum(e, axis=1, keepdims=True)


def log_softmax(x):
    x = x.astype(np.float64)
    return x - x.max(1, keepdims=True) - np.log(np.exp(x - x.max(1, keepdims=True)).sum(1))[:, None]


CHOSEN = np.eye(4)[LABELS]
COLUMN = np.eye(4)[[2, 2, 2]]
# How the logarithm is written, and how often each element's logarithm counts.
CLASSES = {
    "indices": (lambda p, y: gc.log(p[gc.arange(p.shape[0]), y]), CHOSEN),
    "along": (lambda p, y: gc.log(gc.take_along_axis(p, y[:, None], axis=1)), CHOSEN),
    "one_hot": (lambda p, y: gc.one_hot(y, 4) * gc.log(p), CHOSEN),
    "column": (lambda p, y: gc.log(p[:, 2]), COLUMN),
    "slice": (lambda p, y: gc.log(p[:, 1:3]), np.broadcast_to([0, 1, 1, 0], (3, 4))),
    "turned": (lambda p, y: gc.log(gc.reshape(p.T, (-1,))), np.ones((3, 4))),
    "all": (lambda p, y: gc.log(p), np.ones((3, 4))),
}
HAPPENING = {
    "of each": lambda p, y: gc.where(y, gc.log(p), gc.log(1 - p)),
    "of what happened": lambda p, y: gc.log(gc.where(y, p, 1 - p)),
    "weighted": lambda p, y: (
        gc.astype(y, p.dtype) * gc.log(p) + gc.astype(~y, p.dtype) * gc.log1p(-p)
    ),
}


@pytest.mark.parametrize("softmax", [gc.softmax, softmax_of], ids=["softmax", "written"])
@pytest.mark.parametrize("name", CLASSES)
def test_likelihood_of_classes(softmax, name):
    written, counts = CLASSES[name]
    x, y = gc.placeholder("x", ("n", 4)), gc.placeholder("y", ("n",), gc.int64)
    loss = -gc.sum(written(softmax(x), y))
    f = gc.compile([x, y], [loss, gc.grad(loss, x)])
    value, slope = f(SCORES, LABELS)
    logs = log_softmax(SCORES)
    np.testing.assert_allclose(value, -np.sum(counts * logs), rtol=1e-6)
    expected = np.exp(logs) * counts.sum(1, keepdims=True) - counts
    np.testing.assert_allclose(slope, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("sigmoid", [gc.sigmoid, lambda z: 1 / (1 + gc.exp(-z))])
@pytest.mark.parametrize("name", HAPPENING)
def test_likelihood_of_what_happened(sigmoid, name):
    z, y = gc.placeholder("z", ("n",)), gc.placeholder("y", ("n",), bool)
    loss = -gc.sum(HAPPENING[name](sigmoid(z), y))
    value, slope, curve = gc.compile(
        [z, y], [loss, gc.grad(loss, z), gc.hvp(loss, z, gc.ones_like(z))]
    )(LOGITS, HAPPENED)
    signed = np.where(HAPPENED, 1, -1) * LOGITS.astype(np.float64)
    np.testing.assert_allclose(value, np.sum(np.logaddexp(0, -signed)), rtol=1e-6)
    p = 1 / (1 + np.exp(-LOGITS.astype(np.float64)))
    np.testing.assert_allclose(slope, p - HAPPENED, rtol=1e-5, atol=1e-30)
    np.testing.assert_allclose(curve, p * (1 - p), rtol=1e-5, atol=1e-30)


def test_gradients_by_a_probability_itself():
    """What is differentiated by is no part of a formula."""
    x = gc.placeholder("x", (3,), gc.float64)
    p = gc.sigmoid(x)
    loss = gc.sum(gc.log(p[1:]))
    slope = gc.compile([x], gc.grad(loss, p))(np.array([0.0, 1.0, -1.0]))
    np.testing.assert_allclose(slope, [0, 1 + np.exp(-1), 1 + np.exp(1)], rtol=1e-14)


def test_likelihoods_within_loops():
    """A scan's body is differentiated like everything else."""
    z = gc.placeholder("z", ("n", 2))
    _, logs = gc.scan(lambda total, row: (total + 1, gc.log(gc.sigmoid(row)[0])), gc.zeros(()), z)
    loss = gc.sum(logs)
    slope = gc.compile([z], gc.grad(loss, z))(np.array([[-300, 1], [300, 2]], np.float32))
    np.testing.assert_array_equal(slope, [[1, 0], [0, 0]])
