"""Every rule by itself: both sides have equal types, values and gradients."""

import ml_dtypes
import numpy as np
import pytest

import graphc.ops  # noqa: F401  # registers every op and the tensors' operators
from graphc.backends import reference
from graphc.ir.dim_values import evaluate as evaluate_dim
from graphc.ir.dtypes import float32, float64
from graphc.ir.errors import GradientError
from graphc.ir.node import Tensor
from graphc.ops.reduction import sum
from graphc.ops.source import constant, placeholder
from graphc.passes.derivatives.differentiate import grad, zeros_like
from graphc.passes.fold import constants_folded
from graphc.passes.rewrite import rewrite
from graphc.passes.rule import Equation, Sides, rule
from graphc.passes.rules import RULES

each_rule = pytest.mark.parametrize("law", [*RULES, constants_folded], ids=str)
ROWS = {"rows": 4}
MAKES_ROWS = placeholder("makes_rows", ("rows",))


def right_side(law, instance):
    """What the rule makes of the instance; the instance must be one that it rewrites."""
    right = law.replace(instance.left.node)
    assert right is not None, f"{law} does not match {instance.left!r}"
    if instance.right is not None:
        assert right is instance.right
    assert right.type == instance.left.type
    return right


def evaluate(outputs, feeds):
    """The outputs, where `rows` has its length even if no argument brings it."""
    return reference.evaluate(outputs, {MAKES_ROWS: np.zeros(ROWS["rows"], np.float32), **feeds})


def draw(x, rng, domain, special):
    """An array for x: in the domain, or (special) anything of its dtype."""
    shape = tuple(evaluate_dim(d, ROWS) for d in x.shape)
    if x.dtype.kind == "b":
        return np.asarray(rng.random(shape) < 0.5)
    if x.dtype.is_integer:
        info = np.iinfo(x.dtype.numpy)
        low, high = (info.min, info.max) if special else (max(info.min, -3), 4)
        return np.asarray(rng.integers(low, high, shape, x.dtype.numpy, endpoint=True))
    values = np.asarray(rng.uniform(*domain, shape))
    if special:
        odd = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-45, 3e38, 1, -1]
        values = np.where(rng.random(shape) < 0.7, rng.choice(odd, shape), values)
    with np.errstate(over="ignore"):
        return values.astype(x.dtype.numpy)


def check_bits(left, right):
    left, right = left.astype(np.float64), right.astype(np.float64)
    np.testing.assert_array_equal(left, right)
    numbers = ~np.isnan(left)
    np.testing.assert_array_equal(np.signbit(left[numbers]), np.signbit(right[numbers]))


def check_close(left, right, dtype, roundings=32):
    eps = float(ml_dtypes.finfo(dtype.numpy).eps)
    wide = left.astype(np.float64), right.astype(np.float64)
    np.testing.assert_allclose(*wide, rtol=roundings * eps, atol=roundings * eps)


def check_values(law, instance, seed=0):
    right = right_side(law, instance)
    dtype = right.dtype
    for special in (False, True):
        rng = np.random.default_rng(seed)
        feeds = {x: draw(x, rng, law.domain, special) for x in instance.inputs}
        left_value, right_value = evaluate([instance.left, right], feeds)
        if law.exact and dtype.is_float:
            check_bits(left_value, right_value)
        elif not dtype.is_float:
            np.testing.assert_array_equal(left_value, right_value)
        elif not special:
            check_close(left_value, right_value, dtype)


def check_nan_survives(law, instance):
    """A NaN anywhere gives NaN in the same places, whatever the rule promises otherwise."""
    right = right_side(law, instance)
    floats = [x for x in instance.inputs if x.dtype.is_float]
    rng = np.random.default_rng(0)
    for spoilt in floats:
        feeds = {x: draw(x, rng, law.domain, False) for x in instance.inputs}
        feeds[spoilt] = np.where(rng.random(feeds[spoilt].shape) < 0.5, feeds[spoilt], np.nan)
        feeds[spoilt] = feeds[spoilt].astype(spoilt.dtype.numpy)
        if right.dtype.is_float:
            left_value, right_value = evaluate([instance.left, right], feeds)
            np.testing.assert_array_equal(np.isnan(left_value), np.isnan(right_value))


def check_gradients(law, instance):
    right = right_side(law, instance)
    wrt = [x for x in instance.inputs if x.dtype.is_float]
    if right.dtype not in (float32, float64) or not wrt:
        return
    rng = np.random.default_rng(1)
    weights = constant(1.25, right.dtype)
    try:
        expected = grad(sum(instance.left * weights), wrt)
    except GradientError:
        return
    feeds = {x: draw(x, rng, law.domain, False) for x in instance.inputs}
    got = grad(sum(right * weights), wrt)
    values = evaluate([*expected, *got], feeds)
    for a, b in zip(values[: len(wrt)], values[len(wrt) :], strict=True):
        check_close(a, b, right.dtype)


@each_rule
def test_sides_have_equal_values(law):
    for instance in law.instances():
        check_values(law, instance)


@each_rule
def test_nan_survives(law):
    if not law.relaxed:
        for instance in law.instances():
            check_nan_survives(law, instance)


@each_rule
def test_sides_have_equal_gradients(law):
    for instance in law.instances():
        check_gradients(law, instance)


@each_rule
def test_all_rules_together_end_and_leave_nothing_to_do(law):
    for instance in law.instances():
        once = rewrite([instance.left], (constants_folded, *RULES))
        assert once[0] is not instance.left
        assert rewrite(once, (constants_folded, *RULES))[0] is once[0]


@each_rule
def test_rule_says_what_it_is_for(law):
    assert law.doc[0].isalnum()
    assert law.doc.rstrip().endswith(".")


def test_names_are_distinct():
    names = [law.name for law in RULES]
    assert len(set(names)) == len(names)


def wrong_value(x: Tensor) -> Sides:
    """Nothing is right here."""
    return x + x, x * 3


def wrong_sign_of_zero(x: Tensor) -> Sides:
    """Right but for the sign of a zero."""
    return x + 0, x


def wrong_nan(x: Tensor) -> Sides:
    """Right but for NaN and infinities."""
    return x - x, zeros_like(x)


@pytest.mark.parametrize(
    "function", [wrong_value, wrong_sign_of_zero, wrong_nan], ids=lambda f: f.__name__
)
def test_laws_catch_a_wrong_rule(function):
    law = rule(dtypes=(float32,))(function)
    cases = [(instance, seed) for instance in law.instances() for seed in range(5)]
    assert any(_fails(law, *case) for case in cases)


def _fails(law, instance, seed):
    try:
        check_values(law, instance, seed)
    except AssertionError:
        return True
    return False


@pytest.mark.parametrize("law", [law for law in RULES if isinstance(law, Equation)], ids=str)
def test_the_left_side_has_one_shape_and_the_op_that_the_rule_names(law):
    (left,) = set(law.lefts())
    assert left.op.name == law.op
