"""Whole graphs: what simplification leaves of them, and that their values stay."""

import numpy as np
import pytest

import graphc as gc
from graphc.backends.reference import evaluate
from graphc.ir.walk import topological
from graphc.passes.pipeline import Graph, optimise


def simplified(inputs, outputs):
    """The outputs after all passes."""
    return optimise(Graph(tuple(inputs), tuple(outputs))).outputs


def ops(outputs):
    return {node.op.name for node in topological(outputs)}


def naive_softmax(x, axis=1, shifted_along=1):
    e = gc.exp(x - gc.max(x, axis=shifted_along, keepdims=True))
    return e / gc.sum(e, axis=axis, keepdims=True)


def rows(dtype="float64"):
    return gc.placeholder("x", ("rows", 5), dtype)


def value(outputs, x, array):
    return evaluate(outputs, {x: array})


EXTREME = np.array([[1000.0, 0, -1000, 3, 3], [-2000, -2000, 1, 2, -5], [0, 0, 0, 0, 700]])


def test_softmax_needs_no_reshape():
    x = rows()
    assert "reshape" not in ops(simplified([x], [gc.softmax(x, axis=1)]))


def test_gradient_of_written_softmax_does_not_look_for_the_largest_element():
    x = rows()
    (grad,) = gc.grad(gc.sum(naive_softmax(x) * gc.sin(x)), [x])
    assert not {"iota", "min", "equal"} & ops([grad])
    after = simplified([x], [grad])
    array = np.random.default_rng(0).normal(size=(4, 5))
    np.testing.assert_allclose(*value([grad, *after], x, array), rtol=1e-12, atol=1e-14)


def test_gradient_of_a_shift_along_another_axis_is_kept():
    x = rows()
    (grad,) = gc.grad(gc.sum(naive_softmax(x, shifted_along=0) * gc.sin(x)), [x])
    assert "iota" in ops(simplified([x], [grad]))


def test_gradient_of_written_logsumexp_is_a_softmax():
    x = rows()
    top = gc.max(x, axis=1, keepdims=True)
    loss = gc.sum(gc.log(gc.sum(gc.exp(x - top), axis=1, keepdims=True)) + top)
    after = simplified([x], gc.grad(loss, [x]))
    assert "iota" not in ops(after)
    array = np.random.default_rng(0).normal(size=(4, 5))
    expected = np.exp(array) / np.exp(array).sum(1, keepdims=True)
    np.testing.assert_allclose(value(after, x, array)[0], expected, rtol=1e-12)


def test_logarithm_of_sum_of_exp_and_its_gradient_do_not_overflow():
    x = rows()
    result = gc.log(gc.sum(gc.exp(x), axis=1))
    found, grad = value(simplified([x], [result, *gc.grad(gc.sum(result), [x])]), x, EXTREME)
    shifted = EXTREME - EXTREME.max(1, keepdims=True)
    powers = np.exp(shifted)
    expected = np.log(powers.sum(1)) + EXTREME.max(1)
    np.testing.assert_allclose(found, expected, rtol=1e-14)
    np.testing.assert_allclose(grad, powers / powers.sum(1, keepdims=True), atol=1e-300)


def test_logsumexp_of_infinities_is_that_of_numpy():
    x = rows()
    array = np.array([[-np.inf] * 5, [np.inf, 0, 0, 0, 0], [np.nan, 0, 0, 0, 0]])
    (found,) = value(simplified([x], [gc.log(gc.sum(gc.exp(x), axis=1))]), x, array)
    np.testing.assert_array_equal(found, [-np.inf, np.inf, np.nan])


@pytest.mark.parametrize("softmax", [gc.softmax, naive_softmax])
def test_logarithm_of_softmax_and_its_gradient_survive_underflow(softmax):
    x = rows()
    logs = gc.log(softmax(x, axis=1))
    weights = gc.constant(np.arange(5.0))
    outputs = [logs, *gc.grad(gc.sum(logs * weights), [x])]
    found, grad = value(simplified([x], outputs), x, EXTREME)
    shifted = EXTREME - EXTREME.max(1, keepdims=True)
    total = np.exp(shifted).sum(1, keepdims=True)
    np.testing.assert_allclose(found, shifted - np.log(total), rtol=1e-12)
    np.testing.assert_allclose(grad, np.arange(5.0) - 10 * np.exp(shifted) / total, atol=1e-12)


def test_gradients_of_slices_are_put_together():
    x = gc.placeholder("x", (4, 9), "float64")
    parts = [x[:, :3], x[:, 3:6], x[:, 6:]]
    loss = gc.sum(gc.sin(parts[0]) * gc.exp(parts[1]) * parts[2])
    grad = gc.grad(loss, [x])
    assert "place" in ops(grad)
    after = simplified([x], grad)
    assert "place" not in ops(after)
    assert "concat" in ops(after)
    array = np.random.default_rng(0).normal(size=(4, 9))
    np.testing.assert_allclose(*value([*grad, *after], x, array), rtol=1e-14)


def test_sum_over_an_unknown_number_of_infinities_stays_a_sum():
    x = gc.placeholder("x", (2,), "float64")
    y = gc.placeholder("y", ("rows", 2), "float64")
    total = gc.sum(gc.broadcast_to(1 / x, y.shape), axis=0)
    after = optimise(Graph((x, y), (total,))).outputs
    (found,) = evaluate(after, {x: np.zeros(2), y: np.zeros((0, 2))})
    np.testing.assert_array_equal(found, [0, 0])


@pytest.mark.parametrize(
    "function", [lambda x: x * 0, lambda x: x - x, lambda x: x / x, lambda x: 0 - x], ids=range(4)
)
def test_identities_that_floats_do_not_have_are_not_used(function):
    x = gc.placeholder("x", (6,), "float64")
    array = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 2.0])
    before, after = value([function(x), *simplified([x], [function(x)])], x, array)
    np.testing.assert_array_equal(before, after)
    np.testing.assert_array_equal(np.signbit(before), np.signbit(after))


def test_a_guard_that_protects_something_else_stays():
    x = gc.placeholder("x", (3,), "float64")
    guarded = gc.where(x == 0, 5.0, gc.log(gc.where(x == 0, 1, x)))
    (after,) = simplified([x], [guarded])
    (found,) = value([after], x, np.array([0.0, 1.0, np.e]))
    np.testing.assert_allclose(found, [5, 0, 1])


def random_graph(rng):
    """A graph of twenty or so ops on small tensors; (placeholders, output)."""
    shapes = [(3, 4), (4,), (3, 1), (1, 4), ()]
    inputs = [gc.placeholder(f"x{k}", s, "float64") for k, s in enumerate(shapes)]
    pool = list(inputs)
    for _ in range(20):
        pool.append(_grown(pool, rng))
    return inputs, sum(gc.sum(x) for x in pool[len(inputs) :]) + gc.sum(pool[-1])


UNARY = [
    gc.tanh, gc.negative, gc.absolute, gc.square, gc.sin, lambda x: gc.exp(gc.minimum(x, 2)),
    lambda x: x * 0.5, lambda x: 1 - x, lambda x: gc.log(gc.sum(gc.exp(gc.tanh(x))) + x * x),
    lambda x: gc.maximum(x, 0), lambda x: x / 3, lambda x: gc.sigmoid(x) - 1,
]  # fmt: skip
BINARY = [
    lambda x, y: x + y, lambda x, y: x - y, lambda x, y: x * y, gc.maximum, gc.minimum,
    lambda x, y: gc.where(x > y, x, y * 2), lambda x, y: x / (gc.absolute(y) + 1),
    lambda x, y: gc.where(x < 0, gc.where(x < 0, y, x), -y),
]  # fmt: skip
LAYOUT = [
    lambda x: gc.reshape(x, -1), lambda x: gc.reshape(x, (1, *x.shape)), gc.transpose,
    lambda x: gc.sum(x, axis=0, keepdims=True), lambda x: gc.max(x, axis=-1),
    lambda x: gc.sum(x, axis=-1, keepdims=True), lambda x: gc.concat([x, x], 0),
    lambda x: x[:1], lambda x: x[..., ::-1], lambda x: gc.softmax(x),
    lambda x: gc.pad(x, 1)[(slice(1, None),) * x.ndim], lambda x: naive_softmax(x, -1, -1),
    lambda x: gc.tensordot(x, gc.transpose(x), ((x.ndim - 1,), (0,))),
]  # fmt: skip


def _grown(pool, rng):
    """One more tensor made of those in the pool."""
    x, y = (pool[k] for k in rng.integers(0, len(pool), 2))
    kind = rng.integers(0, 3)
    if kind == 0:
        return rng.choice(np.array(UNARY, object))(x)
    if kind == 1:
        try:
            return gc.tanh(rng.choice(np.array(BINARY, object))(x, y))
        except gc.GraphError:
            return gc.sin(x)
    if 0 < x.ndim < 4 and x.size < 200:
        return gc.tanh(rng.choice(np.array(LAYOUT, object))(x))
    return x * 2


@pytest.mark.parametrize("seed", range(60))
def test_random_graph_and_its_gradients_keep_their_values(seed):
    rng = np.random.default_rng(seed)
    inputs, output = random_graph(rng)
    outputs = [output, *gc.grad(output, inputs)]
    after = simplified(inputs, outputs)
    feeds = {x: rng.normal(size=x.shape) for x in inputs}
    values = evaluate([*outputs, *after], feeds)
    for before, now in zip(values[: len(outputs)], values[len(outputs) :], strict=True):
        np.testing.assert_allclose(before, now, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "uint64"])
def test_rules_for_truths_leave_numbers_alone(dtype):
    """What holds for a converted boolean does not for a converted integer."""
    x = gc.placeholder("x", (4,), dtype)
    wide, twice = gc.astype(x, "int64"), gc.astype(x + x, "int64")
    values = np.array([0, 1, 2, 5], dtype)
    outputs = [1 - wide, wide == 1, wide == 0, wide * twice, wide > 0, wide != 0]
    found = gc.compile([x], outputs)(values)
    v = values.astype(int)
    for a, b in zip(found, [1 - v, v == 1, v == 0, 2 * v * v, v > 0, v != 0], strict=True):
        np.testing.assert_array_equal(a, b)


def _probability(z):
    return 1 / (1 + gc.exp(-z))


def _share(z):
    return gc.exp(z) / (1 + gc.exp(z))


LOGISTIC = {
    "softplus": lambda z, y: y * gc.log(1 + gc.exp(z)),
    "margin": lambda z, y: gc.log(1 + gc.exp(-2 * y * z)),
    "log of sigmoid": lambda z, y: gc.log(gc.sigmoid(z)),
    "log of less": lambda z, y: gc.log1p(-gc.sigmoid(z)),
    "silu": lambda z, y: z * _probability(z),
    "share": lambda z, y: _share(z) * y,
} | {
    f"cross-entropy of {p.__name__}": lambda z, y, p=p: (
        -y * gc.log(p(z)) - (1 - y) * gc.log(1 - p(z))
    )
    for p in (gc.sigmoid, _probability, _share)
}


@pytest.mark.parametrize("label", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("kind", LOGISTIC)
def test_gradients_of_written_logistic_losses_are_finite(kind, label):
    z, y = gc.placeholder("z", ("n",), "float64"), gc.placeholder("y", ("n",), "float64")
    (grad,) = gc.grad(gc.mean(LOGISTIC[kind](z, y)) * 3, [z])
    near, far = np.array([-2.0, 0.5, 4.0]), np.array([-1000.0, -40, 40, 1000])
    after = simplified([z, y], [grad])
    labels = np.full(3, label)
    np.testing.assert_allclose(*evaluate([grad, *after], {z: near, y: labels}), rtol=1e-12)
    slopes = evaluate(after, {z: far, y: np.full(4, label)})[0]
    assert np.isfinite(slopes).all()


def test_gradient_of_written_cross_entropy_keeps_the_digits_of_small_slopes():
    z, y = gc.placeholder("z", (2,), "float64"), gc.placeholder("y", (2,), "float64")
    p = gc.sigmoid(z)
    (grad,) = gc.grad(gc.sum(-y * gc.log(p) - (1 - y) * gc.log(1 - p)), [z])
    feeds = {z: np.array([-50.0, 50]), y: np.array([0.0, 1])}
    (slopes,) = evaluate(simplified([z, y], [grad]), feeds)
    np.testing.assert_allclose(slopes, [np.exp(-50), -np.exp(-50)], rtol=1e-12)


def _written(x):
    return gc.exp(x) / gc.sum(gc.exp(x), axis=1, keepdims=True)


OF_PROBABILITIES = {
    "picked": lambda p: -gc.log(p)[:, 2],
    "weighted": lambda p: -gc.log(p) * np.array([0.0, 0.25, 0.5, 0.25, 0]),
    "entropy": lambda p: -p * gc.log(p),
    "weighted entropy": lambda p: p * gc.log(p) * np.array([1.0, 2, 0, 3, 1]),
}


@pytest.mark.parametrize("softmax", [_written, lambda x: gc.softmax(x, axis=1)])
@pytest.mark.parametrize("kind", OF_PROBABILITIES)
def test_gradients_of_functions_of_probabilities_are_finite(kind, softmax):
    x = rows()
    (grad,) = gc.grad(gc.mean(OF_PROBABILITIES[kind](softmax(x))), [x])
    after = simplified([x], [grad])
    near = np.random.default_rng(0).normal(size=(4, 5))
    np.testing.assert_allclose(*value([grad, *after], x, near), rtol=1e-11, atol=1e-15)
    assert np.isfinite(value(after, x, EXTREME)[0]).all()
