"""Gradients, products with Jacobians and their transposes, as graphs."""

import numpy as np
import pytest

import graphc.ops  # noqa: F401  # registers every op and the tensors' operators
from graphc.backends.reference import evaluate
from graphc.ir.dtypes import float16, int64
from graphc.ir.errors import DTypeError, GradientError, ShapeError
from graphc.ir.op import Op
from graphc.ir.walk import topological
from graphc.ops.cast import astype
from graphc.ops.exponential import exp, log
from graphc.ops.linear.contraction import matmul
from graphc.ops.reduction import sum
from graphc.ops.source import constant, placeholder, variable
from graphc.ops.trigonometric import tanh
from graphc.passes.derivatives import differentiate
from graphc.passes.derivatives.differentiate import grad, hvp, jvp, vjp

RNG = np.random.default_rng(0)


def vector(name, length=3, dtype="float64"):
    return placeholder(name, (length,), dtype)


def numeric_gradient(loss, x, values, step=1e-6):
    result = np.zeros_like(values[x])
    for at in np.ndindex(result.shape):
        ends = []
        for sign in (1, -1):
            moved = values[x].copy()
            moved[at] += sign * step
            ends.append(evaluate([loss], {**values, x: moved})[0])
        result[at] = (ends[0] - ends[1]) / (2 * step)
    return result


def test_gradient_of_a_fan_out_is_the_sum_over_all_uses():
    x = vector("x")
    (value,) = evaluate([grad(sum(x * x * x + x), x)], {x: np.array([1.0, 2, -3])})
    np.testing.assert_allclose(value, [4, 13, 28])


def test_gradient_of_a_small_network_is_the_central_difference():
    x, w = placeholder("x", ("n", 3), "float64"), placeholder("w", (3, 4), "float64")
    loss = sum(log(sum(exp(tanh(matmul(x, w))), axis=1)))
    values = {x: RNG.normal(size=(5, 3)), w: RNG.normal(size=(3, 4))}
    for got, which in zip(evaluate(grad(loss, [x, w]), values), (x, w), strict=True):
        np.testing.assert_allclose(got, numeric_gradient(loss, which, values), rtol=1e-6, atol=1e-8)


def test_second_order_gradient_is_the_central_difference_of_the_first():
    x = vector("x")
    slope = sum(grad(sum(tanh(x) * exp(x)), x) * constant([1.0, -2.0, 3.0], "float64"))
    values = {x: RNG.normal(size=3)}
    (got,) = evaluate([grad(slope, x)], values)
    np.testing.assert_allclose(got, numeric_gradient(slope, x, values), rtol=1e-6)


def test_result_has_the_structure_of_wrt():
    x, w = vector("x"), vector("w")
    loss = sum(x * w)
    assert isinstance(grad(loss, x), type(x))
    first, (second,) = grad(loss, (x, [w]))
    assert first is not second
    assert set(grad(loss, {"x": x, "w": w})) == {"x", "w"}


def test_gradient_with_respect_to_an_inner_value():
    x = vector("x")
    y = x * 2
    outer, inner = grad(sum(y * y), [x, y])
    got = evaluate([outer, inner], {x: np.array([1.0, 2, 3])})
    np.testing.assert_allclose(got, [[8, 16, 24], [4, 8, 12]])


def test_gradient_with_respect_to_the_loss_itself_is_one():
    x = vector("x")
    loss = sum(x)
    np.testing.assert_array_equal(evaluate([grad(loss, loss)], {x: np.ones(3)})[0], 1)


def test_unconnected_tensor_has_a_gradient_of_zeros():
    x, w = vector("x"), placeholder("w", ("n", 2), "float64")
    (value,) = evaluate([grad(sum(x), w)], {x: np.ones(3), w: np.ones((4, 2))})
    np.testing.assert_array_equal(value, np.zeros((4, 2)))


def test_integers_block_the_way():
    x = vector("x")
    loss = sum(astype(astype(x, int64), "float64") * x)
    (value,) = evaluate([grad(loss, x)], {x: np.array([1.5, 2.5, -3.5])})
    np.testing.assert_array_equal(value, [1, 2, -3])


def test_gradients_have_the_dtype_of_their_tensor():
    x, w = vector("x", dtype="float32"), vector("w", dtype="float64")
    first, second = grad(sum(x * w), [x, w])
    assert first.type == x.type
    assert second.type == w.type


def test_ops_that_do_not_lead_from_wrt_to_the_loss_are_never_asked():
    x, other = vector("x"), vector("other")
    opaque = NO_GRADIENT(other)
    (value,) = evaluate([grad(sum(x), x)], {x: np.ones(3)})
    np.testing.assert_array_equal(value, 1)
    assert grad(sum(x * opaque), x).type == x.type


def test_vjp_and_jvp_agree_with_each_other():
    x = vector("x")
    y = tanh(x) * sum(x)
    u, t = vector("u"), vector("t")
    values = {v: RNG.normal(size=3) for v in (x, u, t)}
    back, forth = evaluate([sum(vjp(y, x, u) * t), sum(jvp(y, x, t) * u)], values)
    np.testing.assert_allclose(back, forth, rtol=1e-12)


def test_jvp_is_the_central_difference_along_the_tangents():
    x, t = vector("x"), vector("t")
    y = exp(x) / sum(x * x)
    values = {x: RNG.normal(size=3), t: RNG.normal(size=3)}
    moved = [evaluate([y], {x: values[x] + s * 1e-6 * values[t]})[0] for s in (1, -1)]
    (got,) = evaluate([jvp(y, x, t)], values)
    np.testing.assert_allclose(got, (moved[0] - moved[1]) / 2e-6, rtol=1e-6)


def test_jvp_of_a_tuple_of_outputs_keeps_their_structure():
    x, t = vector("x"), vector("t")
    double, total = jvp((x * 2, sum(x)), x, t)
    got = evaluate([double, total], {x: np.zeros(3), t: np.array([1.0, 2, 3])})
    np.testing.assert_array_equal(got[0], [2, 4, 6])
    assert got[1] == 6


def test_hvp_is_the_product_with_the_hessian():
    x, v = vector("x"), vector("v")
    loss = sum(x * x) * sum(x)
    values = {x: RNG.normal(size=3), v: RNG.normal(size=3)}
    a = values[x]
    hessian = 2 * a.sum() * np.eye(3) + 2 * (a[:, None] + a[None, :])
    np.testing.assert_allclose(evaluate([hvp(loss, x, v)], values)[0], hessian @ values[v])


def test_directions_may_be_arrays():
    x, v, a = vector("x"), vector("v"), RNG.normal(size=3)
    pairs = [
        (vjp((x * x, exp(x)), x, (a, v)), vjp((x * x, exp(x)), x, (v, v))),
        (jvp(x * x, {"x": x}, {"x": a}), jvp(x * x, {"x": x}, {"x": v})),
        (hvp(sum(x * x * x), [x], [a])[0], hvp(sum(x * x * x), x, v)),
    ]
    for pair in pairs:
        got, wanted = evaluate(list(pair), {x: RNG.normal(size=3), v: a})
        np.testing.assert_array_equal(got, wanted)
    with pytest.raises(DTypeError, match="must have its tensor's type"):
        jvp(x * x, x, a.astype(np.float32))


def test_loss_must_be_a_scalar():
    x = vector("x")
    with pytest.raises(GradientError, match=r"not f64\[3\]\n  loss: multiply"):
        grad(x * 2, x)


def test_loss_must_be_floating():
    x = vector("x")
    with pytest.raises(GradientError, match="a loss needs a floating dtype, not i64"):
        grad(sum(astype(x, int64)), x)


def test_a_number_has_no_gradient():
    mu = constant(1.0, "float64")
    x = vector("x")
    with pytest.raises(GradientError, match="a number has no gradient, since all equal numbers"):
        grad(sum(x * mu), mu)


def test_integer_tensor_has_no_gradient():
    n = variable(3, name="n")
    with pytest.raises(GradientError, match=r"needs a floating dtype, not i64\n  n: i64"):
        grad(sum(vector("x")), n)


def test_op_without_gradient_is_named_with_its_line():
    x = vector("x")
    loss = sum(NO_GRADIENT(x))
    with pytest.raises(GradientError) as caught:
        grad(loss, x)
    lines = str(caught.value).split("\n")
    assert lines[0] == "no_gradient has no gradient"
    assert lines[1].startswith("  a: x: f64[3]  from test_differentiate.py:")
    assert lines[2].startswith("  at test_differentiate.py:")


@pytest.mark.parametrize(
    ("cotangent", "error"),
    [
        (vector("g", 4), ShapeError),
        (vector("g", dtype="float32"), DTypeError),
        ([vector("g"), vector("g")], GradientError),
    ],
)
def test_cotangents_must_fit_their_outputs(cotangent, error):
    x = vector("x")
    with pytest.raises(error, match="cotangent"):
        vjp(x * 2, x, cotangent)


def test_chain_of_thirty_thousand_nodes():
    x = placeholder("x", (), "float64")
    y = x
    for _ in range(30_000):
        y = y + x
    slope = grad(y, x)
    assert len(topological([slope])) > 1000
    assert evaluate([slope], {x: np.array(1.0)})[0] == 30_001


class NoGradient(Op):
    def infer(self, *inputs, **attrs):
        return inputs

    def reference(self, *inputs, **attrs):
        return inputs[0]

    def __call__(self, x):
        from graphc.ir.node import apply

        return apply(self, x).outputs[0]


NO_GRADIENT = NoGradient("no_gradient")


def test_cotangents_of_a_short_range_are_added_in_their_order() -> None:
    a, t = (placeholder(name, (1,), float16) for name in "at")
    feeds = {a: np.full(1, -60000, np.float16), t: np.full(1, 40000, np.float16)}
    (found,) = evaluate([differentiate._sum([a, t, t])], feeds)
    assert found == 20000
