"""The meaning of a graph: every node by its op's NumPy reference, one after the other.

It shares no code with the other backends; they are tested against it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from graphc.ir.dim_values import evaluate as evaluate_dim
from graphc.ir.dims import Dim, DimExpr
from graphc.ir.errors import ArgumentError, IndexRangeError
from graphc.ir.node import Node, Tensor
from graphc.ir.subgraph import Subgraph
from graphc.ir.walk import topological
from graphc.ops.loops.control import Control

Array = np.ndarray[Any, np.dtype[Any]]


Watch = Callable[[Node, Sequence[Array], Sequence[Array]], bool]


def evaluate(
    outputs: Sequence[Tensor],
    values: Mapping[Tensor, Any] | None = None,
    watch: Watch | None = None,
) -> list[Array]:
    """The outputs, given values of placeholders (or of any other tensors); variables give theirs.

    `watch` is shown every node with its operands and results; where it says True, that was all:
    nothing is returned. Raises ArgumentError when a value is missing, or its dtype or shape is not
    the tensor's.
    """
    known = {x: _checked(x, value) for x, value in (values or {}).items()}
    sizes = bind_sizes(known)
    for node in _needed(outputs, known):
        if all(x in known for x in node.outputs):
            continue
        try:
            results = _run(node, [known[x] for x in node.inputs], sizes)
        except IndexRangeError as error:
            raise _located(node, error) from None
        if watch is not None and watch(node, [known[x] for x in node.inputs], results):
            return []
        known.update((x, y) for x, y in zip(node.outputs, results, strict=True) if x not in known)
    return [known[x] for x in outputs]


def _located(node: Node, error: IndexRangeError) -> IndexRangeError:
    """The error with what the user called, and where."""
    text, source = str(error), node.source
    if source is None or "\n  at " in text:
        return error
    if source.function is not None:
        text = text.replace(f"{node.op.name}: ", f"{source.function}: ", 1)
    if source.axes is not None and (axis := re.search(r"axis (\d+)", text)):
        axes = node.attrs.get("axes", (node.attrs.get("axis"),))
        given = dict(zip(map(str, axes), source.axes, strict=False)).get(axis[1], axis[1])
        text = f"{text[: axis.start(1)]}{given}{text[axis.end(1) :]}"
    return IndexRangeError(f"{text}\n  at {source}")


def bind_sizes(values: Mapping[Tensor, Array]) -> dict[str, int]:
    """The named sizes, read off the shapes of arrays; raises ArgumentError where two disagree."""
    sizes: dict[str, int] = {}
    pairs = [
        (x, axis, d, length)
        for x, array in values.items()
        for axis, (d, length) in enumerate(zip(x.shape, array.shape, strict=True))
    ]
    for x, axis, d, length in pairs:
        name = _plain_size(d)
        if name is not None and sizes.setdefault(name, length) != length:
            raise ArgumentError(
                f"axis {axis} has length {length}, but {name} is {sizes[name]}\n  {x.describe()}"
            )
    for x, axis, d, length in pairs:
        if evaluate_dim(d, sizes) != length:
            raise ArgumentError(f"axis {axis} has length {length}, not {d}\n  {x.describe()}")
    return sizes


def _plain_size(d: Dim) -> str | None:
    """The name of a dimension that is one named size, else None."""
    if not isinstance(d, DimExpr) or len(d.terms) != 1:
        return None
    ((monomial, coefficient),) = d.terms
    plain = coefficient == 1 and len(monomial) == 1 and monomial[0].kind == "size"
    return monomial[0].name if plain else None


def _checked(x: Tensor, value: Any) -> Array:
    array = np.asarray(value)
    if array.dtype != x.dtype.numpy or array.ndim != x.ndim:
        raise ArgumentError(f"got {array.dtype}{list(array.shape)} for {x.describe()}")
    return array


def _needed(outputs: Iterable[Tensor], known: Mapping[Tensor, Array]) -> list[Node]:
    """The nodes to compute, in order: those the outputs need, known tensors being given."""
    if all(x.node.op.lowering == "source" for x in known):
        return topological(outputs)
    wanted: set[Node] = set()
    stack = [x.node for x in outputs if x not in known]
    while stack:
        node = stack.pop()
        if node not in wanted:
            wanted.add(node)
            stack.extend(x.node for x in node.inputs if x not in known)
    return [node for node in topological(outputs) if node in wanted]


def _run(node: Node, inputs: list[Array], sizes: Mapping[str, int]) -> tuple[Array, ...]:
    if node.op.lowering == "source":
        return (_source_value(node),)
    _check_lengths(node, sizes)
    attrs = {name: with_sizes(value, sizes) for name, value in node.attrs.items()}
    if isinstance(node.op, Control):
        result: Any = node.op.reference_with(_Bodies(sizes), inputs, attrs)
    else:
        result = node.op.reference(*inputs, **attrs)
    results = result if isinstance(result, (tuple, list)) else (result,)
    arrays = tuple(np.asarray(y) for y in results)
    for x, y in zip(node.outputs, arrays, strict=True):
        shape = tuple(evaluate_dim(d, sizes) for d in x.shape)
        assert y.dtype == x.dtype.numpy and y.shape == shape, (
            f"the reference of {node.op} gives {y.dtype}{list(y.shape)} where {x.type} is inferred"
        )
    return arrays


def _check_lengths(node: Node, sizes: Mapping[str, int]) -> None:
    """Raises ArgumentError where a length would be negative."""
    for x in node.outputs:
        for d in x.shape:
            if isinstance(d, DimExpr) and (length := evaluate_dim(d, sizes)) < 0:
                where = f"\n  at {node.source}" if node.source else ""
                raise ArgumentError(f"{node.op}: the length {d} would be {length}{where}")


class _Bodies:
    """Evaluates the graphs inside a node."""

    def __init__(self, sizes: Mapping[str, int]):
        self.sizes = sizes

    def __call__(self, body: Subgraph, inputs: Sequence[Array]) -> list[Array]:
        known = dict(zip(body.inputs, inputs, strict=True))
        for node in topological(body.outputs):
            if node.outputs[0] not in known:
                results = _run(node, [known[x] for x in node.inputs], self.sizes)
                known.update(zip(node.outputs, results, strict=True))
        return [known[x] for x in body.outputs]

    def empty(self, x: Tensor) -> Array:
        """A stack of no such values."""
        shape = tuple(evaluate_dim(d, self.sizes) for d in x.shape)
        return np.empty((0, *shape), x.dtype.numpy)

    def sized(self, name: str, value: int) -> _Bodies:
        """The same where a size has a value."""
        return _Bodies({**self.sizes, name: value})


def _source_value(node: Node) -> Array:
    """The array that a variable holds; a placeholder without a value is an error."""
    if "state" not in node.attrs:
        raise ArgumentError(f"no value given for {node.outputs[0].describe()}")
    array: Array = node.attrs["state"].array
    return array.copy()


def with_sizes(attribute: Any, sizes: Mapping[str, int]) -> Any:
    """An attribute with every dimension in it, however deep in tuples, replaced by its integer."""
    if isinstance(attribute, DimExpr):
        return evaluate_dim(attribute, sizes)
    if isinstance(attribute, tuple):
        return tuple(with_sizes(item, sizes) for item in attribute)
    return attribute
