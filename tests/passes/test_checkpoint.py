"""Checkpoints: the same values and gradients, with inner values computed again."""

import numpy as np
import pytest

import graphc as gc
from graphc.backends.reference import evaluate
from graphc.ir.walk import topological
from graphc.ops.exponential import exp
from graphc.ops.reduction import sum
from graphc.ops.source import placeholder, variable
from graphc.ops.trigonometric import tanh
from graphc.passes.derivatives.batch import vmap
from graphc.passes.derivatives.checkpoint import checkpoint
from graphc.passes.derivatives.differentiate import grad, hvp

RNG = np.random.default_rng(0)


def vector(name):
    return placeholder(name, (3,), "float64")


def check_equal(left, right, feeds):
    for a, b in zip(evaluate(left, feeds), evaluate(right, feeds), strict=True):
        np.testing.assert_array_equal(a, b)


def count(name, outputs):
    return len([node for node in topological(outputs) if node.op.name == name])


def test_values_and_gradients_are_those_of_the_function():
    x, y = vector("x"), vector("y")

    def f(a, b):
        return tanh(a * b), exp(a)

    plain, kept = (sum(p * q) for p, q in (f(x, y), checkpoint(f)(x, y)))
    feeds = {x: RNG.normal(size=3), y: RNG.normal(size=3)}
    check_equal([plain, *grad(plain, (x, y))], [kept, *grad(kept, (x, y))], feeds)


def test_gradient_computes_inner_values_again():
    x = vector("x")

    def f(a):
        return tanh(tanh(a))

    loss = sum(f(x))
    assert count("tanh", [loss, grad(loss, x)]) == 2
    loss = sum(checkpoint(f)(x))
    assert count("tanh", [loss]) == 2
    assert count("tanh", [loss, grad(loss, x)]) == 4


def test_tensors_from_around_get_their_gradients():
    x, w = vector("x"), variable(RNG.normal(size=3), name="w")
    doubled = w * 2

    def f(a):
        return tanh(a * doubled) + w

    plain, kept = sum(f(x)), sum(checkpoint(f)(x))
    check_equal([grad(plain, w)], [grad(kept, w)], {x: RNG.normal(size=3)})


def test_function_without_arguments_still_has_gradients():
    w = variable(RNG.normal(size=3), name="w")
    plain, kept = sum(tanh(w)), sum(checkpoint(lambda: tanh(w))())
    check_equal([grad(plain, w)], [grad(kept, w)], {})


def test_checkpoints_nest():
    x = vector("x")
    inner = checkpoint(lambda a: tanh(exp(a)))
    plain = sum(tanh(tanh(exp(x)) * x))
    kept = sum(checkpoint(lambda a: tanh(inner(a) * a))(x))
    check_equal([grad(plain, x)], [grad(kept, x)], {x: RNG.normal(size=3)})


def test_second_derivatives_pass_through():
    x, v = vector("x"), vector("v")
    plain, kept = sum(tanh(exp(x))), sum(checkpoint(lambda a: tanh(exp(a)))(x))
    feeds = {x: RNG.normal(size=3), v: RNG.normal(size=3)}
    got, expected = evaluate([hvp(kept, x, v), hvp(plain, x, v)], feeds)
    np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_vmap_of_a_checkpoint_has_its_gradients():
    xs, w = placeholder("xs", ("n", 3), "float64"), vector("w")

    def f(a):
        return tanh(a * w)

    plain, kept = sum(vmap(f)(xs)), sum(vmap(checkpoint(f))(xs))
    feeds = {xs: RNG.normal(size=(4, 3)), w: RNG.normal(size=3)}
    check_equal([*grad(plain, (xs, w))], [*grad(kept, (xs, w))], feeds)


def test_an_equal_function_built_before_changes_nothing():
    q = placeholder("q", ("n",))

    def force(q):
        d = q[None, :] - q[:, None]
        return sum(d / (d * d + 1.25), axis=1)

    def peak():
        y = q + checkpoint(force)(q)
        return gc.compile([q], grad(sum(y * y), q)).memory.at(n=1000).peak

    first = peak()
    kept = gc.compile([q], force(q))  # makes and keeps the same numbers
    assert peak() == peak() == first < 1000 * 1000
    assert kept is not None


def test_what_passes_make_is_written_where_the_user_is():
    x = placeholder("x", ("n", 3))
    last, _ = gc.scan(lambda c, row: (tanh(c + row), None), gc.zeros((3,)), x)
    assert "contextlib" not in gc.compile([x], grad(sum(last), x)).dump("optimised")


@pytest.mark.parametrize("made", [tanh(vector("x")), 3.0], ids=["tensor", "number"])
def test_a_checkpoint_is_of_a_function(made):
    with pytest.raises(gc.GraphError, match=r"needs a function or a layer, not (tanh: f64|3\.0)"):
        checkpoint(made)
