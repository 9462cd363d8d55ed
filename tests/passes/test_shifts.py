"""Which maxima no gradient passes through, and that it is right either way."""

import numpy as np
import pytest

import graphc as gc
from graphc.ir.walk import topological

X = np.random.default_rng(3).normal(size=(4, 4))


def top(x, axis=1):
    return gc.max(x, axis=axis, keepdims=True)


def total(e, axis=1):
    return gc.sum(e, axis=axis, keepdims=True)


def exps(x):
    return gc.exp(x - top(x))


def log_softmax(x):
    z = x - top(x)
    return z - gc.log(total(gc.exp(z)))


def guarded(x):
    m = top(x)
    z = x - gc.where(gc.isfinite(m), m, 0)
    return gc.exp(z) / total(gc.exp(z))


def chosen(x):
    z = x - top(x)
    return (
        gc.log(gc.sum(gc.exp(z), axis=1))
        - gc.take_along_axis(z, np.array([[1], [3], [0], [2]]), 1)[:, 0]
    )


SAME = {
    "quotient": lambda x: exps(x) / total(exps(x)),
    "product": lambda x: exps(x) * (1 / total(exps(x))),
    "columns": lambda x: gc.exp(x - top(x, 0)) / total(gc.exp(x - top(x, 0)), 0),
    "of all": lambda x: gc.exp(x - gc.max(x)) / gc.sum(gc.exp(x - gc.max(x))),
    "logarithm": log_softmax,
    "both": lambda x: log_softmax(x) * (exps(x) / total(exps(x))),
    "logsumexp": lambda x: gc.log(total(exps(x))) + top(x),
    "logsumexp of rows": lambda x: gc.log(gc.sum(exps(x), axis=1)) + gc.max(x, axis=1),
    "guarded": guarded,
    "turned": lambda x: (exps(x) / total(exps(x))).T * np.arange(4.0),
    "chosen": chosen,
    "at a temperature": lambda x: gc.exp((x - top(x)) / 2) / total(gc.exp((x - top(x)) / 2)),
    "row of one": lambda x: exps(x[:1]) / total(exps(x[:1])),
}
OTHERS = {
    "sums": lambda x: total(exps(x)),
    "other axis": lambda x: gc.exp(x - top(x, 0)) / total(gc.exp(x - top(x, 0))),
    "other rows": lambda x: exps(x) / gc.sum(exps(x), axis=1),
    "once more": lambda x: exps(x) / total(exps(x)) + top(x),
    "squares": lambda x: exps(x) / total(exps(x) * exps(x)),
    "one of two": lambda x: exps(x) / total(gc.exp(x)),
}


def check(function, looks):
    x = gc.placeholder("x", (4, 4), gc.float64)
    y = function(x)
    weights = np.random.default_rng(5).normal(size=y.shape)
    loss = gc.sum(y * weights)
    slope = gc.grad(loss, x)
    assert ("iota" in {node.op.name for node in topological([slope])}) is looks
    f = gc.compile([x], loss)
    step = 1e-6 * np.eye(16).reshape(16, 4, 4)
    expected = [(f(X + d) - f(X - d)) / 2e-6 for d in step]
    found = gc.compile([x], slope)(X)
    np.testing.assert_allclose(found.ravel(), expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", SAME)
def test_shift_that_cancels(name):
    check(SAME[name], looks=False)


@pytest.mark.parametrize("name", OTHERS)
def test_shift_that_does_not(name):
    check(OTHERS[name], looks=True)


def test_slope_by_the_largest_element_itself():
    x = gc.placeholder("x", (4, 4), gc.float64)
    m = top(x)
    share = gc.exp(x - m) / total(gc.exp(x - m))
    slope = gc.compile([x], gc.grad(gc.sum(share * X), m))(X)
    np.testing.assert_allclose(slope, np.zeros((4, 1)), atol=1e-15)
