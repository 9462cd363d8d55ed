"""What is differentiated is first brought to formulas that neither over- nor underflow: where the
value of log(p) has one, the 1 / p of its derivative is still infinite once p vanishes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from graphc.ir.node import Node, Tensor
from graphc.ir.walk import substitute
from graphc.ops.source import placeholder
from graphc.passes.pattern import summed_exponent
from graphc.passes.rewrite import rewrite

if TYPE_CHECKING:
    from graphc.passes.rule import Rule

#: Of what these make, the logarithm may have a formula of its own.
PROBABILITIES = frozenset({
    "add", "divide", "exp", "expm1", "gather", "multiply", "negative", "reciprocal", "reshape",
    "sigmoid", "slice", "subtract", "transpose", "where",
})  # fmt: skip
LOGARITHMS, QUOTIENTS = ("log", "log1p"), ("divide", "reciprocal")


def stabilised(
    ys: Sequence[Tensor], xs: Iterable[Tensor], order: Iterable[Node], active: Collection[Tensor]
) -> Sequence[Tensor]:
    """Equal tensors whose derivatives by `xs` are finite where the functions' are, as far as
    logarithms and shares go; the same ones if the nodes in `order` have none of those in question.
    `active` is what depends on `xs`.
    """
    if not any(_is_in_question(node) for node in order if node.outputs[0] in active):
        return ys
    # No formula may reach through what is differentiated by.
    made = {x: placeholder("x", x.shape, x.dtype) for x in xs if x.node.op.lowering != "source"}
    kept = [x for node in order for x in node.inputs if x not in active]
    found = rewrite(substitute(ys, made), _rules(), kept=kept)
    return substitute(found, {stand_in: x for x, stand_in in made.items()})


def _is_in_question(node: Node) -> bool:
    """Whether this is a logarithm, or the share of an exponential, that users write by hand."""
    if node.op.name in LOGARITHMS:
        x = node.inputs[0]
        return x.node.op.name in PROBABILITIES or _is_unshifted_sum(x)
    if node.op.name not in QUOTIENTS:
        return False
    divisor = node.inputs[-1]
    if divisor.node.op.name in ("add", "subtract"):
        return any(x.node.op.name == "exp" for x in divisor.node.inputs)
    return node.inputs[0].node.op.name == "exp" and _is_unshifted_sum(divisor)


def _is_unshifted_sum(x: Tensor) -> bool:
    while x.node.op.name in ("broadcast", "reshape"):
        (x,) = x.node.inputs
    return summed_exponent(x) is not None


def _rules() -> tuple[Rule, ...]:
    """Those of logarithms and shares, which only few graphs need."""
    from graphc.passes.rules import (
        algebra,
        exponential_sums,
        layout,
        moved_logs,
        rules_of,
        stability,
    )

    return (
        *rules_of(layout),
        algebra.one_over,
        stability.one_over_one_plus_exp,
        stability.exp_over_one_plus_exp,
        stability.log_of_one_plus,
        stability.log_of_one_minus,
        stability.log_of_exp,
        stability.log_of_exp_over,
        stability.log_of_product_with_exp,
        stability.log_of_sum_of_two_exps,
        stability.log_of_one_plus_exp,
        stability.log_of_sigmoid,
        stability.log_of_one_minus_sigmoid,
        exponential_sums.log_of_sum_of_exp,
        exponential_sums.exp_over_its_sum,
        moved_logs.log_of_moved_probability,
    )
