"""The logarithm of chosen, sliced or turned probabilities is theirs, chosen, sliced or turned: that
of a whole sigmoid or softmax has a formula that neither over- nor underflows.
"""

from __future__ import annotations

from collections.abc import Callable

from graphc.ir.node import Node, Tensor, apply
from graphc.ops.exponential import exp, log, sigmoid
from graphc.ops.indexing.gather import gather
from graphc.ops.indexing.slicing import narrow
from graphc.ops.layout import broadcast, reshape, transpose
from graphc.ops.reduction import sum
from graphc.ops.select import where
from graphc.ops.source import placeholder
from graphc.passes.rule import procedure
from graphc.passes.rules.facts import made_by, number_of

#: What only moves elements of its first operand; a gather that fills brings others in.
MOVES = ("slice", "reshape", "transpose", "gather")


def _softmax() -> Tensor:
    e = exp(placeholder("x", (3, 5)))
    return e / broadcast(sum(e, 1), (3, 5), (0,))


def _chosen() -> Tensor:
    label = placeholder("label", (3,), "int64")
    return gather(_softmax(), [label], (1,), 0, "clip")


def _likelihood() -> Tensor:
    p = sigmoid(placeholder("x", (3,)))
    return where(placeholder("happened", (3,), "bool"), p, 1 - p)


@procedure(
    "log",
    exact=False,
    examples=[
        lambda: log(_chosen()),
        lambda: log(narrow(_softmax(), 1, 2, 1)),
        lambda: log(reshape(transpose(_softmax()), (15,))),
        lambda: log(_likelihood()),
    ],
)
def log_of_moved_probability(node: Node) -> Tensor | None:
    """A probability that vanishes is chosen by what its logarithm, which does not, is chosen by."""
    (x,) = node.inputs
    return _through(x, log) if not _has_formula(x) and _is_moved_probability(x) else None


def _is_moved_probability(x: Tensor) -> bool:
    """Whether every logarithm that moves with the elements of x has a formula of its own."""
    if made_by(x, "where"):
        return all(map(_is_moved_probability, x.node.inputs[1:]))
    if made_by(x, *MOVES) and x.node.attrs.get("mode") != "fill":
        return _is_moved_probability(x.node.inputs[0])
    return _has_formula(x)


def _has_formula(x: Tensor) -> bool:
    """Whether another rule knows the logarithm of x."""
    if made_by(x, "divide"):
        return made_by(x.node.inputs[0], "exp")
    if made_by(x, "multiply"):
        return any(made_by(y, "exp") for y in x.node.inputs)
    if made_by(x, "subtract"):
        return number_of(x.node.inputs[0]) == 1 and made_by(x.node.inputs[1], "sigmoid")
    return made_by(x, "exp", "sigmoid")


def _through(x: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
    """The function of x, taken before its elements are moved."""
    if _has_formula(x):
        return function(x)
    moved = range(1, 3) if made_by(x, "where") else range(1)
    inputs = [_through(y, function) if k in moved else y for k, y in enumerate(x.node.inputs)]
    return apply(x.node.op, *inputs, **x.node.attrs).outputs[0]
