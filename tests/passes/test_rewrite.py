"""The engine: where rules match, in which order they go, and that they end."""

from collections import Counter

import numpy as np
import pytest

import graphc.ops  # noqa: F401  # registers every op and the tensors' operators
from graphc.backends.reference import evaluate
from graphc.ir.dtypes import FLOATS
from graphc.ir.node import Node, Tensor
from graphc.ir.walk import topological
from graphc.ops.arithmetic import negative
from graphc.ops.exponential import exp, log
from graphc.ops.reduction import sum
from graphc.ops.source import placeholder
from graphc.passes.rewrite import rewrite
from graphc.passes.rule import Scalar, Sides, procedure, rule


def vector(name):
    return placeholder(name, ("n",), "float32")


@rule
def log_of_exp(x: Tensor) -> Sides:
    """One undoes the other."""
    return log(exp(x)), x


@rule
def negated_difference(x: Tensor, y: Tensor) -> Sides:
    """A difference turned round."""
    return negative(x - y), y - x


@rule
def sum_with_itself(x: Tensor) -> Sides:
    """Twice the same."""
    return x + x, x * 2


@rule
def product_plus_product(x: Tensor, y: Tensor, c: Scalar) -> Sides:
    """A common factor."""
    return x * c + y * c, (x + y) * c


@rule(examples=[{"x": (2, 3, 4), "inner": (1,), "outer": (0,)}])
def sum_of_sum(x: Tensor, inner: tuple[int, ...], outer: tuple[int, ...]) -> Sides:
    """Sums of sums are sums."""
    left = sum(sum(x, inner), outer)
    kept = [k for k in range(x.ndim) if k not in inner]
    return left, sum(x, (*inner, *(kept[k] for k in outer)))


def test_match_stands_at_any_depth():
    x = vector("x")
    (y,) = rewrite([exp(log(exp(x * 3))) + 1], [log_of_exp])
    assert y is exp(x * 3) + 1


def test_what_a_rule_makes_is_rewritten_too():
    x, y = vector("x"), vector("y")
    counts = Counter()
    (z,) = rewrite([negative(log(exp(x)) - log(exp(y)))], [negated_difference, log_of_exp], counts)
    assert z is y - x
    assert counts == {"log_of_exp": 2, "negated_difference": 1}


def test_graph_without_a_match_is_the_same_object():
    x = vector("x")
    y = exp(x) * x + 1
    assert rewrite([y], [log_of_exp, negated_difference])[0] is y


def test_operands_of_commutative_ops_match_in_either_order():
    x, y = vector("x"), vector("y")
    expected = (x + y) * 3
    for left in (x * 3 + y * 3, x * 3 + 3 * y, 3 * x + y * 3, 3 * x + 3 * y):
        assert rewrite([left], [product_plus_product])[0] is expected


def test_repeated_parameter_matches_only_the_same_tensor():
    x, y = vector("x"), vector("y")
    assert rewrite([x + x], [sum_with_itself])[0] is x * 2
    assert rewrite([x + y], [sum_with_itself])[0] is x + y


def test_scalar_matches_numbers_only():
    x, y = vector("x"), vector("y")
    left = x * y + y * y
    assert rewrite([left], [product_plus_product])[0] is left


@pytest.mark.parametrize("shape", [(), (2, 3), ("n", 1)])
def test_constants_match_at_every_shape(shape):
    x = placeholder("x", shape)
    y = placeholder("y", shape)
    assert rewrite([x * 3 + y * 3], [product_plus_product])[0] is (x + y) * 3


def test_attributes_of_a_match_are_parameters():
    x = placeholder("x", (2, "n", 4, 5))
    assert rewrite([sum(sum(x, (1, 3)), 1)], [sum_of_sum])[0] is sum(x, (1, 2, 3))


def test_rule_keeps_to_its_dtypes():
    @rule(dtypes=FLOATS)
    def doubled(x: Tensor) -> Sides:
        """Floats only."""
        return x + x, x * 2

    n = placeholder("n", (3,), "int32")
    assert rewrite([n + n], [doubled])[0] is n + n


def test_rule_keeps_to_its_condition():
    @rule(when=lambda x: x.ndim == 1, examples=[{"x": (3,)}])
    def doubled(x: Tensor) -> Sides:
        """Vectors only."""
        return x + x, x * 2

    x, m = vector("x"), placeholder("m", (3, 3))
    (y, z) = rewrite([x + x, m + m], [doubled])
    assert y is x * 2
    assert z is m + m


def test_procedure_replaces_a_node():
    @procedure("negative", examples=[lambda: negative(vector("x"))])
    def subtracted(node: Node) -> Tensor:
        """A difference in place of a negation."""
        return 0 - node.inputs[0]

    x = vector("x")
    assert rewrite([negative(x)], [subtracted])[0] is 0 - x


def test_earlier_rules_go_first():
    @rule
    def tripled(x: Tensor) -> Sides:
        """Wrong, but first."""
        return x + x, x * 3

    x = vector("x")
    assert rewrite([x + x], [tripled, sum_with_itself])[0] is x * 3


def test_shared_part_is_rewritten_once():
    x = vector("x")
    y = log(exp(x))
    counts = Counter()
    rewrite([y + 1, y + 2, y], [log_of_exp], counts)
    assert counts["log_of_exp"] == 1


def test_replacement_carries_the_name_and_the_line_of_what_it_replaces():
    x = vector("x")
    y = (x + x).named("twice")
    (z,) = rewrite([y], [sum_with_itself])
    assert z.name == "twice"
    assert z.source == y.source


def test_rules_that_undo_each_other_are_caught():
    @rule
    def doubled(x: Tensor) -> Sides:
        """There."""
        return x + x, x * 2

    @rule
    def undoubled(x: Tensor) -> Sides:
        """And back."""
        return x * 2, x + x

    x = vector("x")
    with pytest.raises(AssertionError, match=r"rules undo each other.*doubled"):
        rewrite([exp(x + x)], [doubled, undoubled])


def test_rule_that_never_ends_is_caught():
    @rule
    def grown(x: Tensor) -> Sides:
        """More and more."""
        return exp(x), exp(x + 1)

    with pytest.raises(AssertionError, match=r"rewriting does not end.*grown"):
        rewrite([exp(vector("x"))], [grown])


def test_rule_that_changes_the_type_is_caught():
    @rule
    def summed(x: Tensor) -> Sides:
        """A scalar in place of a vector."""
        return exp(x), sum(x)

    with pytest.raises(AssertionError, match=r"rule summed makes f32\[\] of f32\[n\]"):
        rewrite([exp(vector("x"))], [summed])


def test_left_side_must_contain_every_parameter():
    @rule
    def unbound(x: Tensor, y: Tensor) -> Sides:
        """Where would y come from?"""
        return exp(x), x + y

    with pytest.raises(AssertionError, match=r"unbound: the left side does not determine \['y'\]"):
        rewrite([exp(vector("x"))], [unbound])


@pytest.mark.slow
def test_graph_of_a_hundred_thousand_nodes():
    x = placeholder("x", ())
    y = x
    for _ in range(33_000):
        y = log(exp(y)) + x
    (z,) = rewrite([y], [log_of_exp, negated_difference, sum_with_itself])
    assert len(topological([z])) < 33_003
    (value,) = evaluate([z], {x: np.float32(1)})
    assert value == 33_001
