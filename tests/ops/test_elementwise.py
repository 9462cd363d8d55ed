"""Elementwise functions as users call them: dtypes, numbers as operands, gradients at kinks."""

import operator
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from scipy import special

import graphc as gc
from graphc.ir.errors import DTypeError, ShapeError
from graphc.ir.node import Tensor
from tests.support.run import NATIVE, TARGETS, evaluate
from tests.support.slopes import slopes

NUMPY_TYPES = tuple(d for d in gc.ir.dtypes.ALL if d is not gc.bfloat16)
FLOAT_TYPES = (gc.float16, gc.bfloat16, gc.float32, gc.float64)
on_each_target = pytest.mark.parametrize("target", TARGETS)


def symbol(array: np.ndarray, name: str = "x") -> Tensor:
    return gc.placeholder(name, array.shape, array.dtype)


def computed(f: Callable[..., Any], *arrays: np.ndarray, target: str = "reference") -> np.ndarray:
    xs = [symbol(a, f"x{k}") for k, a in enumerate(arrays)]
    return evaluate([f(*xs)], dict(zip(xs, arrays, strict=True)), target)[0]


# Dtypes


@pytest.mark.parametrize("left", NUMPY_TYPES, ids=str)
@pytest.mark.parametrize("right", NUMPY_TYPES, ids=str)
def test_two_dtypes_promote_as_in_numpy(left: Any, right: Any) -> None:
    result = gc.placeholder("x", (), left) + gc.placeholder("y", (), right)
    assert result.dtype.numpy == np.promote_types(left.numpy, right.numpy)


@pytest.mark.parametrize("dtype", FLOAT_TYPES, ids=str)
def test_a_number_takes_the_dtype_of_the_tensor(dtype: Any) -> None:
    x = gc.placeholder("x", (), dtype)
    assert (x * 2.5 + 1 - True).dtype is dtype


def test_a_float_beside_integers_gives_float64() -> None:
    assert (gc.placeholder("i", (), gc.int32) + 0.5).dtype is gc.float64


def test_a_number_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(DTypeError, match="300 does not fit u8"):
        gc.placeholder("x", (), gc.uint8) + 300


def test_division_of_integers_is_of_floats() -> None:
    x = np.array([1, 2, 7], np.int32)
    np.testing.assert_array_equal(computed(lambda a: a / 2, x), x / 2)


@pytest.mark.parametrize(
    ("integers", "floats"),
    [(gc.int8, gc.float16), (gc.uint16, gc.float32), (gc.int32, gc.float64), (gc.bool, gc.float16)],
)
def test_a_function_of_integers_is_computed_in_floats(integers: Any, floats: Any) -> None:
    assert gc.exp(gc.placeholder("i", (), integers)).dtype is floats


def test_a_dtype_without_meaning_is_an_error() -> None:
    with pytest.raises(DTypeError, match=r"subtract: does not take bool; it takes i8.*\n  a: p"):
        gc.placeholder("p", (), gc.bool) - gc.placeholder("q", (), gc.bool)


def test_shapes_that_do_not_fit_are_an_error_naming_both() -> None:
    with pytest.raises(ShapeError, match=r"cannot broadcast axis 1: 3 against 4") as caught:
        gc.placeholder("a", ("n", 3)) + gc.placeholder("b", ("n", 4))
    assert "a: f32[n, 3]" in str(caught.value)
    assert "b: f32[n, 4]" in str(caught.value)


# Operators


@pytest.mark.parametrize(
    "op",
    [
        operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod,
        operator.pow, operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne,
    ],
)  # fmt: skip
def test_an_operator_works_on_either_side_of_arrays_and_numbers(op: Any) -> None:
    x, y = np.array([1.5, 2.0, 4.0]), np.array([2.0, 2.0, 0.5])
    np.testing.assert_array_equal(computed(op, x, y), op(x, y))
    np.testing.assert_array_equal(computed(lambda a: op(a, y), x), op(x, y))
    np.testing.assert_array_equal(computed(lambda b: op(x, b), y), op(x, y))
    np.testing.assert_array_equal(computed(lambda b: op(2.0, b), y), op(2.0, y))


def test_quotient_and_remainder_come_together() -> None:
    x, y = np.array([1.5, -2.0, 4.0]), np.array([2.0, 1.5, 0.5])
    np.testing.assert_array_equal(computed(lambda a, b: gc.stack(divmod(a, b)), x, y), divmod(x, y))
    np.testing.assert_array_equal(computed(lambda b: gc.stack(divmod(7, b)), y), divmod(7, y))


@pytest.mark.parametrize(
    "op", [operator.and_, operator.or_, operator.xor, operator.lshift, operator.rshift]
)
def test_an_operator_on_bits_works_on_either_side(op: Any) -> None:
    x, y = np.array([1, 6, -7]), np.array([2, 3, 1])
    np.testing.assert_array_equal(computed(op, x, y), op(x, y))
    np.testing.assert_array_equal(computed(lambda b: op(5, b), y), op(5, y))


@pytest.mark.parametrize(
    "op",
    [operator.add, operator.pow, operator.lt, operator.eq, operator.matmul],
)
@pytest.mark.parametrize("number", [np.float32, np.float64, np.int8])
def test_an_operator_beside_a_numpy_scalar_has_numpys_dtype(op: Any, number: Any) -> None:
    left = number(2) if op is not operator.matmul else np.full(3, 2, number)
    right = np.arange(3, dtype=np.float32)
    tensor = op(left, gc.placeholder("x", (3,)))
    assert tensor.dtype.numpy == op(left, right).dtype
    np.testing.assert_array_equal(computed(lambda x: op(left, x), right), op(left, right))


@pytest.mark.parametrize("op", [operator.neg, operator.pos, abs, operator.invert])
def test_an_operator_of_one_operand(op: Any) -> None:
    x = np.array([1, -6, 0])
    np.testing.assert_array_equal(computed(op, x), op(x))


def test_logic_takes_any_dtype_as_truth() -> None:
    x, y = np.array([0.0, 2.0, -1.0]), np.array([0, 0, 3])
    np.testing.assert_array_equal(computed(gc.logical_and, x, y), np.logical_and(x, y))
    np.testing.assert_array_equal(computed(gc.logical_or, x, y), np.logical_or(x, y))
    np.testing.assert_array_equal(computed(gc.logical_xor, x, y), np.logical_xor(x, y))
    np.testing.assert_array_equal(computed(gc.logical_not, x), np.logical_not(x))


def test_equal_expressions_are_one_node() -> None:
    x = gc.placeholder("x", (3,))
    assert (x * 2 + 1) is (x * 2 + 1)


# Division


@on_each_target
@pytest.mark.parametrize("dtype", [np.bool_, np.int8, np.uint8, np.int16, np.uint16, np.int64])
def test_quotients_of_integers_are_float64(dtype: Any, target: str) -> None:
    x = np.array([1, 0, 1, 1], dtype) if dtype is np.bool_ else np.array([3, 9, 100, 120], dtype)
    np.testing.assert_array_equal(computed(gc.divide, x, x[:1], target=target), x / x[:1])
    np.testing.assert_array_equal(computed(lambda a: a / 255, x, target=target), x / 255)
    single = gc.placeholder("x", (3,), dtype) / np.float32(3)
    assert single.dtype == np.result_type(dtype, np.float32)


@on_each_target
@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.int64, np.uint8, np.uint64])
def test_integer_division_is_total_and_as_in_numpy(dtype: Any, target: str) -> None:
    ends = np.iinfo(dtype)
    values = np.array([ends.min, ends.max, 0, 1, 3, 7], dtype)
    if ends.min < 0:
        values = np.concatenate([values, np.array([-1, -3, -7], dtype)])
    x, y = (v.ravel() for v in np.meshgrid(values, values))
    with np.errstate(all="ignore"):
        for ours, theirs in ((gc.floor_divide, np.floor_divide), (gc.remainder, np.remainder)):
            np.testing.assert_array_equal(computed(ours, x, y, target=target), theirs(x, y))


@pytest.mark.parametrize("target", NATIVE)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_remainder_is_exact_whatever_the_quotient(dtype: Any, target: str) -> None:
    rng, info = np.random.default_rng(0), np.finfo(dtype)
    exponents = rng.integers(info.minexp - info.nmant, info.maxexp, (2, 20000))
    x, y = np.ldexp(rng.uniform(-1, 1, (2, 20000)), exponents).astype(dtype)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(computed(gc.fmod, x, y, target=target), np.fmod(x, y))
        np.testing.assert_array_equal(
            computed(gc.remainder, x, y, target=target), np.remainder(x, y)
        )


# Powers


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 0.5, -1, 4, -2, 2.5])
@on_each_target
def test_a_power_of_floats_is_that_of_numpy(exponent: float, target: str) -> None:
    x = np.array([0.5, 1.0, 3.0, 1e-3])
    got = computed(lambda a: a**exponent, x, target=target)
    np.testing.assert_allclose(got, x**exponent, rtol=4e-16)


@pytest.mark.parametrize(
    ("exponent", "ops"),
    [(1, []), (2, ["square"]), (3, ["square", "multiply"]), (0.5, ["sqrt"]), (-1, ["reciprocal"])],
)
def test_a_simple_power_needs_no_pow(exponent: float, ops: list[str]) -> None:
    x = gc.placeholder("x", ())
    nodes = gc.ir.walk.topological([x**exponent])
    assert [node.op.name for node in nodes[1:]] == ops


@on_each_target
def test_a_power_of_integers_wraps_around(target: str) -> None:
    x, y = np.array([3, -2, 10, 0, -1]), np.array([100, 63, 5, 0, -3])
    expected = [pow(3, 100, 2**64), -(2**63), 10**5, 1, -1]
    expected[0] -= 2**64 if expected[0] >= 2**63 else 0
    np.testing.assert_array_equal(computed(gc.power, x, y, target=target), np.array(expected))


def test_integers_to_a_negative_number_are_an_error() -> None:
    with pytest.raises(DTypeError, match="negative power -2: make them floats"):
        gc.placeholder("i", (), gc.int32) ** -2


# Gradients at kinks and edges


@pytest.mark.parametrize(
    ("f", "points", "expected"),
    [
        (abs, [0.0], [0.0]),
        (gc.sqrt, [0.0], [np.inf]),
        (gc.cbrt, [0.0], [np.inf]),
        (gc.sign, [3.0], [0.0]),
        (gc.floor, [1.5], [0.0]),
        (lambda x: gc.where(x > 0, gc.log(x), 0), [0.0, 2.0], [0.0, 0.5]),
        (lambda x: gc.where(x > 0, 1 / x, x), [0.0, 2.0], [1.0, -0.25]),
        (lambda x: gc.where(x > 0, x * gc.log(x), 0), [0.0, 1.0], [0.0, 1.0]),
        (lambda x: gc.where(x > 0, gc.log(x) * gc.exp(gc.log(x)), 0), [0.0, 1.0], [0.0, 1.0]),
        (lambda x: gc.maximum(gc.where(x > 0, gc.sqrt(x), 0), 0), [0.0, 4.0], [0.0, 0.25]),
        (lambda x: gc.clip(x, 0, 1), [-1.0, 0.0, 0.5, 1.0, 2.0], [0.0, 1.0, 1.0, 1.0, 0.0]),
        (lambda x: x**2, [0.0], [0.0]),
        (lambda x: x**0.0, [0.0], [0.0]),
        (lambda x: gc.power(x, np.zeros(1)), [0.0], [0.0]),
        (gc.softplus, [-800.0, 800.0], [0.0, 1.0]),
        (gc.sigmoid, [-800.0, 800.0], [0.0, 0.0]),
        (gc.log_sigmoid, [-800.0], [1.0]),
        (gc.tanh, [-800.0, 800.0], [0.0, 0.0]),
        (gc.stop_gradient, [1.0], [0.0]),
    ],
)  # fmt: skip
def test_a_gradient_at_an_edge(f: Any, points: list[float], expected: list[float]) -> None:
    if expected == [np.inf]:
        with np.errstate(divide="ignore"):
            np.testing.assert_array_equal(slopes(f, points)[0], expected)
    else:
        np.testing.assert_array_equal(slopes(f, points)[0], expected)


@pytest.mark.parametrize("f", [gc.maximum, gc.minimum, gc.fmax, gc.fmin])
def test_at_a_tie_the_first_operand_has_the_gradient(f: Any) -> None:
    assert [s.item() for s in slopes(f, [2.0], [2.0])] == [1.0, 0.0]


@pytest.mark.parametrize("f", [gc.fmax, gc.fmin])
def test_the_number_beside_nan_has_the_gradient(f: Any) -> None:
    first, second = slopes(f, [np.nan, 1.0], [1.0, np.nan])
    np.testing.assert_array_equal(first, [0.0, 1.0])
    np.testing.assert_array_equal(second, [1.0, 0.0])


def test_the_gradients_of_a_length_and_an_angle_at_the_origin_are_zero() -> None:
    for f in (gc.hypot, gc.arctan2):
        assert [s.item() for s in slopes(f, [0.0], [0.0])] == [0.0, 0.0]


@pytest.mark.parametrize("x", [np.inf, -np.inf])
def test_logaddexp_of_equal_infinities_shares_the_gradient(x: float) -> None:
    assert [s.item() for s in slopes(gc.logaddexp, [x], [x])] == [0.5, 0.5]


# Special functions


@on_each_target
def test_polygamma_is_reflected_about_its_poles(target: str) -> None:
    x = np.array([-0.3, -1.7, 0.2, 0.5, 3.0, 40.0])
    step = 1e-4
    for order in (1, 2):
        below, above = (special.digamma(x + s * step) for s in (-1, 1))
        expected = (above - below) / (2 * step)
        if order == 2:
            expected = (above - 2 * special.digamma(x) + below) / step**2
        got = computed(lambda a, n=order: gc.polygamma(n, a), x, target=target)
        np.testing.assert_allclose(got, expected, rtol=1e-3)


def test_polygamma_of_order_zero_is_digamma() -> None:
    x = gc.placeholder("x", ())
    assert gc.polygamma(0, x) is gc.digamma(x)


# Rounding and choosing


@pytest.mark.parametrize("decimals", [0, 2, -1])
def test_round_is_that_of_numpy(decimals: int) -> None:
    x = np.array([0.5, 1.5, -2.5, 12.345, -17.0])
    got = computed(lambda a: gc.round(a, decimals), x)
    np.testing.assert_array_equal(got, np.round(x, decimals))


def test_whole_numbers_are_left_alone_by_rounding() -> None:
    i = gc.placeholder("i", (3,), gc.int32)
    assert gc.floor(i) is i
    assert gc.round(i) is i


def test_nan_to_num_replaces_each_kind() -> None:
    x = np.array([np.nan, np.inf, -np.inf, 1.0], np.float32)
    np.testing.assert_array_equal(computed(gc.nan_to_num, x), np.nan_to_num(x))
    got = computed(lambda a: gc.nan_to_num(a, nan=7, posinf=8, neginf=9), x)
    np.testing.assert_array_equal(got, [7, 8, 9, 1])


def test_where_takes_numbers_on_both_sides() -> None:
    result = gc.where(gc.placeholder("c", (3,), gc.bool), 1.0, 0)
    assert (result.dtype, result.shape) == (gc.float32, (3,))


def test_heaviside_keeps_nan() -> None:
    x = np.array([-1.0, 0.0, 2.0, np.nan])
    got = computed(lambda a: gc.heaviside(a, 0.5), x)
    np.testing.assert_array_equal(got, np.heaviside(x, 0.5))


@given(arrays_of.arrays(np.float32, 7, elements=st.floats(-100, 100, width=32)))
def test_casts_are_those_of_numpy(x: np.ndarray) -> None:
    for dtype in (gc.int8, gc.int64, gc.bool, gc.float16, gc.bfloat16):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = x.astype(dtype.numpy)
        np.testing.assert_array_equal(computed(lambda a, d=dtype: a.astype(d), x), expected)


# Methods


@pytest.mark.parametrize(
    "method",
    [
        lambda x: x.T, lambda x: x.mT, lambda x: x.ravel(), lambda x: x.swapaxes(0, 1),
        lambda x: x.transpose(1, 0), lambda x: x.transpose((1, 0)), lambda x: x.transpose(),
        lambda x: x.reshape(6), lambda x: x.reshape(3, -1), lambda x: x.reshape((6, 1)).squeeze(),
        lambda x: x.sum(), lambda x: x.sum(axis=0), lambda x: x.prod(1), lambda x: x.max(0),
        lambda x: x.min(1), lambda x: x.any(), lambda x: x.all(0), lambda x: x.argmax(1),
        lambda x: x.argmin(0), lambda x: x.mean(0), lambda x: x.var(1), lambda x: x.std(),
        lambda x: x.cumsum(1), lambda x: x.clip(0, 2), lambda x: x.round(1), lambda x: x[1, ::2],
        lambda x: x @ x.T, lambda x: x.astype("float32"), lambda x: x.astype(int),
    ],
)  # fmt: skip
def test_a_method_is_that_of_an_array(method: Any) -> None:
    x = np.array([[0.0, 1.26, -3.0], [4.5, 2.0, 0.75]])
    np.testing.assert_allclose(computed(method, x), method(x), rtol=1e-15, strict=True)


@pytest.mark.parametrize("target", TARGETS)
def test_extremes_of_numbers_and_what_is_none(target):
    x = gc.placeholder("x", (19,), "float32")
    values = np.linspace(-9, 9, 19, dtype=np.float32)
    values[[2, 5, 18]] = np.nan, -np.inf, np.nan
    nan = gc.constant(np.float32(np.nan))
    outputs = [gc.clip(x, 0, 6), gc.maximum(2, x), gc.minimum(x, -1), gc.maximum(x, nan)]
    found = evaluate(outputs, {x: values}, target)
    wanted = (np.clip(values, 0, 6), np.maximum(2, values), np.minimum(values, -1), values * np.nan)
    for got, want in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(("function", "offset"), [(gc.tanh, 1), (gc.sigmoid, None)])
def test_slopes_of_saturating_functions_round_once(function: Any, offset: int | None) -> None:
    x = gc.placeholder("x", (1000,), gc.float32)
    f = gc.compile([x], [function(x), gc.grad(gc.sum(function(x)), [x])[0]])
    y, slope = f(np.linspace(-9, 9, 1000).astype(np.float32))
    wide = y.astype(np.float64)
    expected = (wide if offset is None else offset) - wide * wide
    np.testing.assert_array_equal(slope, expected.astype(np.float32))
