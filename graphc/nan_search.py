"""Where a NaN comes from: the first operation that makes one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.executable import Executable
from graphc.ir.errors import GraphError
from graphc.ir.node import Node, Tensor


def find_nan(function: Executable, *arrays: Any, **named: Any) -> str | None:
    """Which argument or variable holds NaN, or else which operation of the function first makes one
    of operands without, called with these arguments; None if there is no NaN.

    The text names the operation, the line that it comes from, and the least and the greatest
    elements of its operands. The graph is computed as it was written, by the reference, one
    operation after the other: that takes long, and memory for all values. A loop or a branch counts
    as one operation. Variables keep their values.
    """
    from graphc.backends.reference import evaluate

    if not isinstance(function, Executable):
        raise GraphError(f"a compiled function is needed, not {function!r:.80}")
    bound = function.signature.bind(arrays, named)
    graph = function.stages.source
    found: list[str] = []

    def watch(node: Node, inputs: Sequence[Any], results: Sequence[Any]) -> bool:
        if not any(map(_has_nan, results)) or any(map(_has_nan, inputs)):
            return False
        found.append(_told(node, inputs))
        return True

    for x, array in zip(graph.inputs, bound, strict=True):
        if _has_nan(array):
            return f"an argument holds NaN\n  {x.describe()}"
    results = [*graph.outputs, *(new for _, new in graph.updates)]
    evaluate(results, dict(zip(graph.inputs, bound, strict=True)), watch)
    return found[0] if found else None


def _has_nan(array: Any) -> bool:
    return np.asarray(array).dtype.kind not in "biu" and bool(np.isnan(array).any())


def _told(node: Node, inputs: Sequence[Any]) -> str:
    name = node.op.name
    if not node.inputs:
        return f"a {name} holds NaN\n  {node.outputs[0].describe()}"
    lines = [f"{name}: NaN, and none in its operands"]
    for label, x, array in zip("abcdefgh", node.inputs, inputs, strict=False):
        lines.append(f"  {label}: {x.describe()}{_range(x, array)}")
    return "\n".join([*lines, *([f"  at {node.source}"] if node.source else [])])


def _range(x: Tensor, array: Any) -> str:
    if not array.size:
        return ", empty"
    least, greatest = float(np.min(array)), float(np.max(array))
    return f", {least:g}" if least == greatest else f", from {least:g} to {greatest:g}"
