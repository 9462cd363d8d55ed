"""Constant folding: what can be computed when the graph is compiled is."""

from __future__ import annotations

import numpy as np

from graphc.ir.node import Node, Tensor
from graphc.ir.types import is_static
from graphc.ops.arithmetic import multiply
from graphc.ops.layout import broadcast, reshape
from graphc.ops.powers import rsqrt
from graphc.ops.source import constant, constant_value
from graphc.passes.graph import Graph, Pass
from graphc.passes.pattern import literal
from graphc.passes.rewrite import rewrite
from graphc.passes.rule import procedure

#: Constants of more elements are not made: they would fill memory that computing them does not.
LARGEST = 4096

#: Ops that give the same bits on every backend, and so may be computed by NumPy beforehand.
EXACT = frozenset({
    "absolute", "add", "bitwise_and", "bitwise_or", "bitwise_xor", "cast", "ceil", "divide",
    "equal", "floor", "floor_divide", "greater", "greater_equal", "invert", "isfinite", "isinf",
    "isnan", "left_shift", "less", "less_equal", "maximum", "minimum", "multiply", "negative",
    "not_equal", "reciprocal", "remainder", "right_shift", "rint", "sign", "sqrt", "square",
    "subtract", "trunc", "where",
})  # fmt: skip
#: Ops that may be computed beforehand in double precision: rounded, the best that there is.
ROUNDED = frozenset({"rsqrt"})
MOVES = frozenset({"broadcast", "reshape", "slice", "transpose"})


def _numbers() -> Tensor:
    return multiply(broadcast(constant(2.0), (3, 5), ()), 3)


def _arrays() -> Tensor:
    return multiply(constant([1.0, 2.0, 3.0]), 0.5)


def _root() -> Tensor:
    return rsqrt(constant(np.asarray([0.25, 3.0, 1e-45], np.float32)))


def _moved_number() -> Tensor:
    return reshape(broadcast(constant(2.0), (3, 5), ()), (15,))


@procedure(*sorted(EXACT | ROUNDED | MOVES), examples=[_numbers, _arrays, _root, _moved_number])
def constants_folded(node: Node) -> Tensor | None:
    """An op on constants that nothing computes better is a constant; on repeated numbers, a
    repeated number.
    """
    if node.attrs.get("checked"):
        return None
    numbers = [y for y in map(literal, node.inputs) if y is not None]
    if len(numbers) == len(node.inputs):
        if node.op.name in MOVES:
            return broadcast(numbers[0], node.types[0].shape, ())
        number = constant(_evaluate(node, [_value(y) for y in numbers]))
        return broadcast(number, node.types[0].shape, ())
    if node.op.name == "broadcast" or not all(map(_is_small, (*node.inputs, *node.outputs))):
        return None
    if any(literal(x) is None and constant_value(x) is None for x in node.inputs):
        return None
    return constant(_evaluate(node, [_value(x) for x in node.inputs]))


def _is_small(x: Tensor) -> bool:
    return is_static(x.shape) and isinstance(x.size, int) and x.size <= LARGEST


def _value(x: Tensor) -> np.ndarray:
    """The array of a constant or of a repeated number."""
    value = constant_value(x)
    if value is None:
        number = literal(x)
        assert number is not None, f"{x!r} is not known"
        value = np.broadcast_to(_value(number), [d for d in x.shape if isinstance(d, int)])
    return value


def _evaluate(node: Node, values: list[np.ndarray]) -> np.ndarray:
    if node.op.name in ROUNDED and node.types[0].dtype.bits < 64:
        values = [x.astype(np.float64) for x in values]
    with np.errstate(all="ignore"):
        result = np.asarray(node.op.reference(*values, **node.attrs))
    return result.astype(node.types[0].dtype.numpy, copy=False)


def fold(graph: Graph) -> Graph:
    """The graph with ops on small constants computed, where that takes no accuracy."""
    return graph.with_results(rewrite(graph.results, [constants_folded]))


FOLD = Pass("fold", fold, "no exact op has only small constants as operands")
