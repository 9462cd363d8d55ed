"""Loops and branches as nodes: scan, while, switch. Their bodies are graphs of their own.

Gradients and batching rules transform bodies, so they live with those passes:
`graphc.passes.derivatives.loop_gradients` and `graphc.passes.derivatives.loop_batching`.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from graphc.ir.dims import Dim, maximum
from graphc.ir.dtypes import bool_
from graphc.ir.errors import DTypeError, ShapeError
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import Op
from graphc.ir.subgraph import Subgraph
from graphc.ir.types import TensorType


class Run(Protocol):
    """Evaluates bodies."""

    def __call__(self, body: Subgraph, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The outputs of a body."""

    def empty(self, x: Tensor) -> np.ndarray:
        """A stack of no values like x."""

    def sized(self, name: str, value: int) -> Run:
        """The same where a size has a value."""


class Control(Op):
    """An op with graphs among its attributes; its reference is given `run`, which evaluates one."""

    lowering = "control"

    def bodies(self, attrs: Any) -> tuple[Subgraph, ...]:
        """The graphs of a node."""
        raise NotImplementedError(self.name)

    def reference_with(
        self, run: Run, inputs: Sequence[np.ndarray], attrs: Any
    ) -> tuple[np.ndarray, ...]:
        """The meaning, given how a body is evaluated."""
        raise NotImplementedError(self.name)


class Scan(Control):
    """carry, y[t] = body(carry, x[t], *shared) for t = 0, 1, ..., length - 1, or backwards.

    Inputs: the first carry, the stacked x, what all steps share. Outputs: the last carry, the
    stacked y. Attributes: `body`, `carries` and `stacks` (how many of the inputs are which),
    `length`, `reverse`.
    """

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        body, carries, stacks = attrs["body"], attrs["carries"], attrs["stacks"]
        assert len(inputs) == len(body.inputs), (
            f"{len(inputs)} operands for {len(body.inputs)} inputs of the body"
        )
        for k, (given, symbol) in enumerate(zip(inputs, body.inputs, strict=True)):
            wanted = symbol.type
            if k < carries + stacks:
                whole = self.carried if k < carries else self.stacked
                wanted = whole(wanted, attrs)
            if given != wanted:
                raise ShapeError(f"operand {k} of {self} is {given}, its body needs {wanted}")
        for k, (symbol, result) in enumerate(
            zip(body.inputs[:carries], body.outputs, strict=False)
        ):
            if symbol.type != result.type:
                raise _carry_error(k, symbol.type, result.type)
        carried = (self.carried(y, attrs) for y in body.types[:carries])
        return (*carried, *(self.stacked(y, attrs) for y in body.types[carries:]))

    def carried(self, part: TensorType, attrs: Any) -> TensorType:
        """The type of a carry that the body takes as `part`."""
        return part

    def stacked(self, part: TensorType, attrs: Any) -> TensorType:
        """The type of all parts that the body takes or gives, one behind the other."""
        return TensorType(part.dtype, (attrs["length"], *part.shape))

    def bodies(self, attrs: Any) -> tuple[Subgraph, ...]:
        return (attrs["body"],)

    def reference_with(
        self, run: Run, inputs: Sequence[np.ndarray], attrs: Any
    ) -> tuple[np.ndarray, ...]:
        body, carries, stacks = attrs["body"], attrs["carries"], attrs["stacks"]
        carry, xs, shared = (
            inputs[:carries],
            inputs[carries : carries + stacks],
            inputs[carries + stacks :],
        )
        steps = list(range(int(attrs["length"])))
        rows: dict[int, list[np.ndarray]] = {}
        for t in reversed(steps) if attrs["reverse"] else steps:
            results = run(body, [*carry, *(x[t] for x in xs), *shared])
            carry, rows[t] = results[:carries], results[carries:]
        stacked = [
            np.stack([rows[t][k] for t in steps]) if steps else run.empty(y)
            for k, y in enumerate(body.outputs[carries:])
        ]
        return (*(np.array(c) for c in carry), *stacked)

    def cost(self, node: Node) -> Dim:
        length: Dim = node.attrs["length"]
        body: Subgraph = node.attrs["body"]
        return length * body.cost


class While(Control):
    """carry = body(carry, *shared) as long as condition(carry, *shared) holds. Attributes: `body`,
    `condition`, `carries`.
    """

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        body, condition, carries = attrs["body"], attrs["condition"], attrs["carries"]
        if condition.types != (TensorType(bool_, ()),):
            given = ", ".join(map(str, condition.types))
            raise DTypeError(f"the condition of a while loop must be one bool, not {given}")
        for k, (symbol, result) in enumerate(zip(body.inputs[:carries], body.outputs, strict=True)):
            if symbol.type != result.type:
                raise _carry_error(k, symbol.type, result.type)
        return tuple(body.types)

    def bodies(self, attrs: Any) -> tuple[Subgraph, ...]:
        return (attrs["condition"], attrs["body"])

    def reference_with(
        self, run: Run, inputs: Sequence[np.ndarray], attrs: Any
    ) -> tuple[np.ndarray, ...]:
        carries = attrs["carries"]
        carry, shared = list(inputs[:carries]), list(inputs[carries:])
        while bool(run(attrs["condition"], [*carry, *shared])[0]):
            carry = run(attrs["body"], [*carry, *shared])
        return tuple(np.array(c) for c in carry)

    def cost(self, node: Node) -> Dim:
        """Of one step: how many there are is known only when it runs."""
        return sum((body.cost for body in self.bodies(node.attrs)), 0)


class Switch(Control):
    """branches[index](*operands): the first input is the index (int64, clipped to the branches).
    Attribute: `branches`.
    """

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        first = attrs["branches"][0].types
        for k, branch in enumerate(attrs["branches"]):
            if branch.types != first:
                ours, theirs = (", ".join(map(str, types)) for types in (first, branch.types))
                raise ShapeError(f"branch 0 gives {ours}, but branch {k} gives {theirs}")
        return tuple(first)

    def bodies(self, attrs: Any) -> tuple[Subgraph, ...]:
        return tuple(attrs["branches"])

    def reference_with(
        self, run: Run, inputs: Sequence[np.ndarray], attrs: Any
    ) -> tuple[np.ndarray, ...]:
        branches = attrs["branches"]
        chosen = min(max(int(inputs[0]), 0), len(branches) - 1)
        return tuple(np.array(y) for y in run(branches[chosen], list(inputs[1:])))

    def cost(self, node: Node) -> Dim:
        """Of the dearest branch."""
        costs = [branch.cost for branch in self.bodies(node.attrs)]
        return functools.reduce(maximum, costs)


def _carry_error(k: int, given: TensorType, made: TensorType) -> Exception:
    kind = DTypeError if given.dtype is not made.dtype else ShapeError
    return kind(f"carry {k} comes in as {given} but the body makes {made}")


SCAN, WHILE, SWITCH = Scan("scan"), While("while"), Switch("switch")


def scan_node(
    body: Subgraph,
    init: Sequence[Tensor],
    xs: Sequence[Tensor],
    shared: Sequence[Tensor],
    length: Any,
    reverse: bool,
) -> tuple[Tensor, ...]:
    """The outputs of a scan."""
    operands = (*init, *xs, *shared)
    attrs = {
        "body": body,
        "carries": len(init),
        "stacks": len(xs),
        "length": length,
        "reverse": reverse,
    }
    return apply(SCAN, *operands, **attrs).outputs


def while_node(
    condition: Subgraph, body: Subgraph, init: Sequence[Tensor], shared: Sequence[Tensor]
) -> tuple[Tensor, ...]:
    """The outputs of a while loop."""
    return apply(WHILE, *init, *shared, condition=condition, body=body, carries=len(init)).outputs


def switch_node(
    index: Tensor, branches: Sequence[Subgraph], operands: Sequence[Tensor]
) -> tuple[Tensor, ...]:
    """The outputs of the branch that `index` names."""
    return apply(SWITCH, index, *operands, branches=tuple(branches)).outputs
