"""What the check of a kernel means, and what a call says when it fails."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphc.ir.demand import is_demand, said
from graphc.ir.errors import ArgumentError, GraphError, IndexRangeError
from graphc.ir.node import Node, Tensor
from graphc.ir.record import dataclass
from graphc.ops.checked import CheckedIndex

#: Ops behind which an index is still one that the caller gave.
_PASSING = frozenset(
    {"broadcast", "cast", "checked_index", "checked_place", "copy", "reshape", "slice", "transpose"}
)


@dataclass(frozen=True, eq=False)
class Failure:
    """What a check with this code means: the op of `node` found an index out of range for `what`,
    or sizes do not fulfil its demand `what` (see `graphc.ir.demand`).
    """

    node: Node
    what: str

    @property
    def function(self) -> str:
        """The name of what the user called, else that of the op."""
        source = self.node.source
        called = source.function if source else None
        return called or str(self.node.attrs.get("of", self.node.op.name))

    @property
    def subject(self) -> str:
        """`what` with the axis that the user named."""
        return as_given(self.node, self.what)

    @property
    def where(self) -> str:
        """The user's line, as the last line of an error."""
        return f"\n  at {self.node.source}" if self.node.source else ""

    def error(
        self,
        value: int,
        sizes: Mapping[str, int],
        inputs: Sequence[Tensor],
        arrays: Sequence[np.ndarray[Any, Any]],
    ) -> GraphError:
        """The error for this value in a call with these arguments."""
        given_in = self.given_in(inputs)
        arguments = {k: (str(inputs[k].node.attrs["name"]), arrays[k]) for k in given_in}
        failure = (self.function, self.subject, self.where, given_in)
        return check_error(failure, value, sizes, arguments)

    def given_in(self, inputs: Sequence[Tensor]) -> tuple[int, ...]:
        """Which of these placeholders an index may have come from as it is."""
        node = self.node
        if is_demand(self.what):
            return ()
        count = 1 if isinstance(node.op, CheckedIndex) else len(node.attrs.get("axes", ()))
        stack = list(node.inputs[len(node.inputs) - count :])
        found: list[int] = []
        while stack:
            x = stack.pop()
            found += [k for k, y in enumerate(inputs) if y is x]
            stack += x.node.inputs if x.node.op.name in _PASSING else ()
        return tuple(dict.fromkeys(found))


class Failures:
    """The checks of a program with these inputs: a code for each that says something of its own."""

    def __init__(self, inputs: Sequence[Tensor]):
        self.inputs = inputs
        self.codes: dict[tuple[str, str, str, tuple[int, ...]], int] = {}
        self.found: list[Failure] = []
        self.checks = 0

    def code(self, node: Node, what: str) -> int:
        """The code, from 1 on, of one more check; that of an earlier one which says the same."""
        failure = Failure(node, what)
        said = (failure.function, failure.subject, failure.where, failure.given_in(self.inputs))
        self.checks += 1
        if said not in self.codes:
            self.found.append(failure)
            self.codes[said] = len(self.found)
        return self.codes[said]


def as_given(node: Node, text: str) -> str:
    """The text about a node with the axis that the user named, where the op has another one."""
    source, attrs = node.source, node.attrs
    axes = attrs.get("axes", (attrs.get("axis"),))
    if not source or not source.axes or len(source.axes) != len(axes):
        return text
    given = {str(a): str(b) for a, b in zip(axes, source.axes, strict=True)}
    return re.sub(r"(?<=\baxis )\d+", lambda found: given.get(found[0], found[0]), text, count=1)


def check_error(
    failure: tuple[str, str, str, Sequence[int]],
    value: int,
    sizes: Mapping[str, int],
    arguments: Mapping[int, tuple[str, np.ndarray[Any, Any]]],
) -> GraphError:
    """The error of a failed check, a tuple of `Failure`'s function, subject, where, given_in: with
    the sizes of the call, and the place of the value in one of the arguments, (name, array) by
    number.
    """
    function, what, where, given_in = failure
    named = [f"{n} = {sizes[n]}" for n in dict.fromkeys(re.findall(r"\w+", what)) if n in sizes]
    lines = [f"{function}: index {value} is out of range for {what}"]
    if is_demand(what):
        lines[0] = f"{function}: {said(what, value)}"
    lines[0] += f" ({', '.join(named)})" if named else ""
    for number in given_in:
        name, array = arguments[number]
        places = np.argwhere(array == value)
        if len(places):
            at = f"[{', '.join(map(str, places[0]))}]" if array.ndim else ""
            lines.append(f"  in the argument: {name}{at}")
            break
    kind = ArgumentError if is_demand(what) else IndexRangeError
    return kind("\n".join(lines) + where)
