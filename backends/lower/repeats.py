"""Bodies that compute the same of other operands are lowered once: their kernels are the same, and
each body's calls name its own memory.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace

from graphc.backends.lower.kernel import Buffer, Call, Temporary
from graphc.ir.node import Node, Tensor
from graphc.passes.fusion.body import Body
from graphc.passes.fusion.roots import is_view
from graphc.passes.identity import within

Numbers = Mapping[Node, int]


class Repeats:
    """The calls of bodies that were lowered, for others like them."""

    def __init__(self) -> None:
        self._known: dict[Hashable, tuple[Numbers, Sequence[Call]]] = {}

    def find(self, body: Body) -> Sequence[Call] | None:
        """The calls of a body that is like one which is known."""
        form, numbers = _form(body)
        found = self._known.get(form)
        return None if found is None else _with_own(found[1], found[0], list(numbers))

    def keep(self, body: Body, calls: Sequence[Call]) -> None:
        """Others may have these calls, if all their memory is the body's."""
        form, numbers = _form(body)
        buffers = (b for call in calls for b in call.arguments)
        if all(isinstance(b, Temporary) or b.node in numbers for b in buffers):
            self._known[form] = numbers, calls


def _with_own(calls: Sequence[Call], numbers: Numbers, nodes: Sequence[Node]) -> list[Call]:
    """The calls with the nodes that have the same numbers, and temporary memory of their own."""
    temporary: dict[Temporary, Temporary] = {}

    def own(buffer: Buffer) -> Buffer:
        if isinstance(buffer, Tensor):
            return nodes[numbers[buffer.node]].outputs[buffer.index]
        return temporary.setdefault(buffer, replace(buffer))

    return [Call(c.kernel, tuple(map(own, c.arguments)), c.chunks) for c in calls]


def _form(body: Body) -> tuple[Hashable, Numbers]:
    """What a lowering may know of a body, equal for equal ones, and its nodes by number.

    Of a node that gives an operand that is its op and its types, and what it is a view of.
    """
    given = {x.node for x in body.inputs} - {root.tensor.node for root in body.roots}
    numbers: dict[Node, int] = {}
    lines: list[Hashable] = []
    for node in within(body):
        numbers[node] = len(numbers)
        lines.append((node.op, node.types) if node in given else _line(node, numbers))
    for x in body.inputs:
        lines.append(_number(x, numbers))
        while is_view(x.node):
            lines.append(tuple(x.node.attrs.items()))
            x = x.node.inputs[x.index]
            lines.append((x.node.op, x.type, _number(x, numbers)))
    roots = tuple((*_reference(r.tensor, numbers), r.role, r.level) for r in body.roots)
    ends = tuple(tuple(_reference(x, numbers) for x in xs) for xs in (body.inputs, body.outputs))
    return (body.kind, body.domain, body.row_axes, tuple(lines), roots, ends), numbers


def _line(node: Node, numbers: Numbers) -> Hashable:
    inputs = tuple(_reference(x, numbers) for x in node.inputs)
    return node.op, node.types, tuple(node.attrs.items()), inputs


def _number(x: Tensor, numbers: dict[Node, int]) -> tuple[int, int]:
    """The reference of x, which has a number from now on."""
    numbers.setdefault(x.node, len(numbers))
    return _reference(x, numbers)


def _reference(x: Tensor, numbers: Numbers) -> tuple[int, int]:
    return numbers[x.node], x.index
