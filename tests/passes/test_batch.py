"""vmap: the same as a loop, for any axes, structures and nesting."""

import numpy as np
import pytest

import graphc.ops  # noqa: F401  # registers every op and the tensors' operators
from graphc.backends.reference import evaluate
from graphc.ir.dtypes import float64
from graphc.ir.errors import GraphError, ShapeError, UnsupportedError
from graphc.ir.node import apply
from graphc.ir.op import Op
from graphc.ir.walk import topological
from graphc.ops.cumulative import cumsum
from graphc.ops.exponential import exp
from graphc.ops.layout import transpose
from graphc.ops.linear.contraction import matmul
from graphc.ops.reduction import sum
from graphc.ops.source import placeholder, variable
from graphc.passes.derivatives.batch import batch, vmap
from graphc.passes.derivatives.differentiate import grad

RNG = np.random.default_rng(0)


def symbol(name, *shape):
    return placeholder(name, shape, float64)


def draw(*shape):
    return RNG.normal(size=shape)


def normalise(x):
    """Something with reductions, broadcasts, a transposition and a running sum."""
    y = exp(x - sum(x, axis=0))
    return cumsum(transpose(y), axis=0) / (1 + sum(y * y))


def test_vmap_is_a_loop():
    x, values = symbol("x", 4, 3, 2), draw(4, 3, 2)
    (got,) = evaluate([vmap(normalise)(x)], {x: values})
    one = symbol("one", 3, 2)
    expected = [evaluate([normalise(one)], {one: value})[0] for value in values]
    np.testing.assert_allclose(got, expected, rtol=1e-14)


@pytest.mark.parametrize(("before", "after"), [(0, 1), (1, 0), (2, -1), (-1, 2), (-3, -2)])
def test_axes_say_where_the_mapped_axis_is_and_goes(before, after):
    x, values = symbol("x", 2, 3, 4), draw(2, 3, 4)
    (got,) = evaluate([vmap(transpose, before, after)(x)], {x: values})
    moved = np.moveaxis(values, before, 0)
    np.testing.assert_array_equal(got, np.moveaxis(np.swapaxes(moved, 1, 2), 0, after))


def test_argument_with_axis_none_is_shared():
    x, w = symbol("x", 4, 3), symbol("w", 3, 2)
    feeds = {x: draw(4, 3), w: draw(3, 2)}
    (got,) = evaluate([vmap(matmul, (0, None))(x, w)], feeds)
    np.testing.assert_allclose(got, feeds[x] @ feeds[w])


def test_tensor_from_around_the_function_is_shared():
    x, w = symbol("x", 4, 3), symbol("w", 3)
    feeds = {x: draw(4, 3), w: draw(3)}
    (got,) = evaluate([vmap(lambda row: sum(row * w))(x)], feeds)
    np.testing.assert_allclose(got, feeds[x] @ feeds[w])


def test_what_does_not_depend_on_mapped_arguments_is_computed_once():
    x, w = symbol("x", 4, 3), symbol("w", 3)
    shared = exp(w)
    y = vmap(lambda row: row + exp(w))(x)
    exps = [node for node in topological([y]) if node.op.name == "exp"]
    assert exps == [shared.node]


def test_arguments_and_results_may_be_structures():
    x, y = symbol("x", 4, 3), symbol("y", 3, 4)
    feeds = {x: draw(4, 3), y: draw(3, 4)}

    def f(pair, scale):
        return {
            "sum": pair[0] + pair["second" if isinstance(pair, dict) else 1],
            "twice": [pair[0] * scale],
        }

    result = vmap(f, in_axes=((0, 1), None), out_axes={"sum": 0, "twice": 1})((x, y), 2)
    total, twice = evaluate([result["sum"], result["twice"][0]], feeds)
    np.testing.assert_allclose(total, feeds[x] + feeds[y].T)
    np.testing.assert_allclose(twice, 2 * feeds[x].T)


def test_arrays_and_numbers_are_arguments_too():
    values = draw(4, 3)
    (got,) = evaluate([vmap(lambda x, k: x * k, (0, None))(values, 3.0)])
    np.testing.assert_allclose(got, values * 3)


def test_result_that_is_not_mapped_is_repeated():
    x, w = symbol("x", 4, 3), symbol("w", 2)
    feeds = {x: draw(4, 3), w: draw(2)}
    repeated, single = vmap(lambda _: (w, w), out_axes=(0, None))(x)
    assert single is w
    np.testing.assert_array_equal(evaluate([repeated], feeds)[0], np.stack([feeds[w]] * 4))


def test_size_of_the_batch_may_be_symbolic():
    x = symbol("x", "n", 3, 2)
    y = vmap(normalise)(x)
    assert str(y.type) == "f64[n, 2, 3]"
    for n in (0, 1, 5):
        assert evaluate([y], {x: draw(n, 3, 2)})[0].shape == (n, 2, 3)


def test_nested_vmap_is_a_nested_loop():
    x, y = symbol("x", 4, 3), symbol("y", 5, 3)
    feeds = {x: draw(4, 3), y: draw(5, 3)}
    table = vmap(lambda a: vmap(lambda b: sum(a * b))(y))(x)
    np.testing.assert_allclose(evaluate([table], feeds)[0], feeds[x] @ feeds[y].T)


def test_vmap_of_grad_gives_the_gradient_of_each_example():
    w = variable(draw(3), name="w")
    x, t = symbol("x", "n", 3), symbol("t", "n")

    def loss(row, target):
        error = sum(row * w) - target
        return error * error

    gradients = vmap(lambda row, target: grad(loss(row, target), w))(x, t)
    feeds = {x: draw(6, 3), t: draw(6)}
    got, weights = evaluate([gradients, w], feeds)
    expected = 2 * (feeds[x] @ weights - feeds[t])[:, None] * feeds[x]
    np.testing.assert_allclose(got, expected)


def test_grad_of_vmap_is_the_sum_over_examples():
    x, w = symbol("x", 4, 3), symbol("w", 3)
    feeds = {x: draw(4, 3), w: draw(3)}
    loss = sum(vmap(lambda row: exp(sum(row * w)))(x))
    (got,) = evaluate([grad(loss, w)], feeds)
    np.testing.assert_allclose(got, np.exp(feeds[x] @ feeds[w]) @ feeds[x])


def test_batch_leaves_other_outputs_alone():
    x, w, xs = symbol("x", 3), symbol("w", 3), symbol("xs", 4, 3)
    (first, mapped), (second, alone) = batch([x + w, exp(w)], {x: xs}, 4)
    assert (mapped, alone) == (True, False)
    assert first.shape == (4, 3)
    assert second is exp(w)


def test_names_survive():
    x = symbol("x", 4, 3)
    assert vmap(lambda row: exp(row).named("grown"))(x).name == "grown"


def test_lengths_of_mapped_axes_must_agree():
    x, y = symbol("x", 4, 3), symbol("y", 5, 3)
    with pytest.raises(ShapeError, match=r"lengths 4 and 5\n  a: x: f64\[4, 3\].*\n  b: y: f64"):
        vmap(lambda a, b: a + b)(x, y)


def test_mapped_axis_must_exist():
    with pytest.raises(ShapeError, match=r"there is no axis 2 to map over\n  x: f64\[4, 3\]"):
        vmap(exp, 2)(symbol("x", 4, 3))


def test_something_must_be_mapped():
    with pytest.raises(GraphError, match="no argument has an axis to map over"):
        vmap(exp, None)(symbol("x", 4, 3))


def test_axes_must_fit_the_arguments():
    with pytest.raises(GraphError, match="2 axes needed"):
        vmap(lambda a, b: a + b, (0,))(symbol("x", 4), symbol("y", 4))


def test_mapped_result_cannot_have_axis_none():
    with pytest.raises(GraphError, match="a result with out_axes=None is mapped"):
        vmap(exp, out_axes=None)(symbol("x", 4))


def test_op_without_a_batching_rule_is_named():
    with pytest.raises(UnsupportedError, match=r"no_batch has no batching rule\n  at test_"):
        vmap(lambda x: apply(NO_BATCH, x).outputs[0])(symbol("x", 4))


class NoBatch(Op):
    def infer(self, *inputs, **attrs):
        return inputs


NO_BATCH = NoBatch("no_batch")
