"""Gradients of loops and branches: a scan runs backwards over what its forward run kept.

The forward scan is extended by stacks of the values that the backward body reads (`merge_scans`
makes one loop of both). What the backward body adds up over all steps as products or sums of what
varies is stacked instead and contracted once, outside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field

from graphc.ir.errors import GradientError
from graphc.ir.node import Node, Tensor
from graphc.ir.record import dataclass
from graphc.ir.subgraph import Subgraph, literal_nodes
from graphc.ir.types import TensorType
from graphc.ir.walk import substitute, topological
from graphc.ops.arithmetic import add
from graphc.ops.layout import reshape, transpose
from graphc.ops.linear.contraction import dot_general
from graphc.ops.loops.control import SCAN, SWITCH, scan_node
from graphc.ops.reduction import SUM, reduce
from graphc.passes.derivatives.branch_gradients import (
    Gradients,
    Pullback,
    closed,
    like,
    pull_switch,
    zeros,
)
from graphc.passes.loops.loop_operands import repeated_from

#: Operations per element that the backward run does again, at most, rather than read what the
#: forward run kept of every step, and repeated values that it sums again for one.
RECOMPUTED, SUMMED = 40, 8
_LAYOUT = ("broadcast", "reshape", "transpose", "slice")


def pull_control(
    node: Node, cotangents: Gradients, wanted: Sequence[bool], pullback: Pullback
) -> Gradients:
    """Cotangents of a control node's inputs; `wanted` says which are needed."""
    if node.op is SCAN:
        return _Scan(node, cotangents, wanted, pullback).run()
    if node.op is SWITCH:
        return pull_switch(node, cotangents, wanted, pullback)
    raise GradientError(
        "a while loop has no gradient, because nobody knows how many steps to keep\n"
        "  hint: give while_loop max_steps, or use scan"
    )


@dataclass
class _Ends:
    """What the backward scan takes and gives, as it grows."""

    carries: list[Tensor] = field(default_factory=list)
    first: list[Tensor] = field(default_factory=list)
    elements: list[Tensor] = field(default_factory=list)
    stacks: list[Tensor] = field(default_factory=list)
    rows: list[Tensor] = field(default_factory=list)
    stands: list[Tensor] = field(default_factory=list)


class _Scan:
    def __init__(
        self, node: Node, cotangents: Gradients, wanted: Sequence[bool], pullback: Pullback
    ):
        self.node, self.cotangents, self.pullback = node, cotangents, pullback
        attrs = node.attrs
        self.body, self.length, self.reverse = attrs["body"], attrs["length"], attrs["reverse"]
        self.carries, self.stacks = attrs["carries"], attrs["stacks"]
        self.active = self._active(wanted)
        self.ends = _Ends()
        self.captured: dict[Tensor, Tensor] = {}

    def _active(self, wanted: Sequence[bool]) -> list[bool]:
        """Which inputs of the body get gradients: the wanted ones, and carries that come to depend
        on them.
        """
        body = self.body
        active = [w and x.dtype.is_float for w, x in zip(wanted, body.inputs, strict=True)]
        while True:
            reached = {x for a, x in zip(active, body.inputs, strict=True) if a}
            for node in topological(body.outputs):
                if any(x in reached for x in node.inputs):
                    reached.update(y for y in node.outputs if y.dtype.is_float)
            new = [
                a or (k < self.carries and body.outputs[k] in reached) for k, a in enumerate(active)
            ]
            if new == active:
                return active
            active = new

    def run(self) -> Gradients:
        body, ends = self.body, self.ends
        live = [k for k in range(self.carries) if self.active[k]]
        for k in live:
            g = self.cotangents[k]
            ends.carries.append(like(body.outputs[k].type, f"gradient{k}"))
            ends.first.append(zeros(body.outputs[k].type) if g is None else g)
        rows = [k for k, g in enumerate(self.cotangents) if k >= self.carries and g is not None]
        for k in rows:
            self._stack(like(body.outputs[k].type, f"gradient{k}"), self.cotangents[k])
        outputs = [body.outputs[k] for k in (*live, *rows)]
        inputs = [x for a, x in zip(self.active, body.inputs, strict=True) if a]
        grads = self.pullback(outputs, inputs, [*ends.carries, *ends.elements])
        grads, self.captured = closed(grads, [*body.inputs, *ends.carries, *ends.elements])
        grads = self._from_kept(grads)
        return self._backward(live, dict(zip(inputs, grads, strict=True)))

    def _stack(self, symbol: Tensor, stack: Tensor | None) -> None:
        assert stack is not None
        self.ends.elements.append(symbol)
        self.ends.stacks.append(stack)

    @property
    def shared(self) -> list[Tensor]:
        """The symbols of what is the same in all steps."""
        return [*self.body.inputs[self.carries + self.stacks :], *self.captured.values()]

    # --- what the forward run keeps ---------------------------------------------------------------

    def _from_kept(self, grads: Sequence[Tensor]) -> list[Tensor]:
        """The gradients with forward values replaced by symbols for what is kept of them."""
        body = self.body
        shared = set(self.shared)
        kept = [x for x in self._frontier(grads) if x not in shared]
        elements = dict(zip(body.inputs[self.carries :], range(self.stacks), strict=False))
        saved = [x for x in kept if x not in elements]
        stacks = self._extended(saved)
        replaced: dict[Tensor, Tensor] = {}
        for x in kept:
            symbol = like(x.type, "kept")
            number = elements.get(x)
            self._stack(
                symbol, stacks[x] if number is None else self.node.inputs[self.carries + number]
            )
            replaced[x] = symbol
        return substitute(grads, replaced)

    def _frontier(self, grads: Sequence[Tensor]) -> list[Tensor]:
        """Values of the forward body that the backward body reads; of a mere rearrangement, what it
        rearranges, and of a function of repeated values, what is repeated. What is the same in all
        steps is computed again.
        """
        forward = self._forward(grads)
        same, literal = self._same_in_all_steps(grads), literal_nodes(grads)
        found: dict[Tensor, None] = {}
        asked = [
            x for node in topological(grads) if node.outputs[0] not in forward for x in node.inputs
        ]
        for x in [*asked, *grads]:
            while x in forward and x.node.op.name in _LAYOUT:
                x = x.node.inputs[0]
            if x in forward and x.node not in same:
                small = repeated_from(x, literal, 0, RECOMPUTED, SUMMED)
                found.update(dict.fromkeys([x] if small is None else small))
        return list(found)

    def _same_in_all_steps(self, grads: Sequence[Tensor]) -> set[Node]:
        """The nodes that read nothing but literals and what all steps share, element by element."""
        shared = set(self.shared)
        found = literal_nodes(grads)
        for node in topological(grads):
            known = node.op.lowering == "read" and bool(node.inputs)
            if known and all(x in shared or x.node in found for x in node.inputs):
                found.add(node)
        return found

    def _forward(self, grads: Sequence[Tensor]) -> set[Tensor]:
        """Values of the forward body; of its own loops also what they are to keep."""
        body = self.body
        nodes = topological(body.outputs)
        found = {x for node in nodes for x in node.outputs} | set(body.inputs)
        families = {family(node) for node in nodes if node.op is SCAN}
        for node in topological(grads):
            if node.op is SCAN and family(node) in families:
                found.update(node.outputs)
        return found

    def _extended(self, saved: Sequence[Tensor]) -> dict[Tensor, Tensor]:
        """Stacks of the saved values, from a forward scan that also gives the old outputs."""
        node, body = self.node, self.body
        if not saved:
            return {}
        more = Subgraph(body.inputs, (*body.outputs, *saved))
        first, xs = (
            node.inputs[: self.carries],
            node.inputs[self.carries : self.carries + self.stacks],
        )
        rest = node.inputs[self.carries + self.stacks :]
        results = scan_node(more, first, xs, rest, self.length, self.reverse)
        return dict(zip(saved, results[len(body.outputs) :], strict=True))

    # --- the backward scan ------------------------------------------------------------------------

    def _backward(self, live: Sequence[int], grads: dict[Tensor, Tensor]) -> Gradients:
        body, ends, count = self.body, self.ends, self.carries
        news = [grads[body.inputs[k]] for k in live]
        moving = [k for k in range(count, count + self.stacks) if self.active[k]]
        slots = {k: self._row(grads[body.inputs[k]]) for k in moving}
        outside: dict[int, Tensor] = {}
        sums: list[int] = []
        shares = range(count + self.stacks, len(body.inputs))
        for k in sorted(shares, key=lambda k: self.active[k] and _is_sum(grads[body.inputs[k]])):
            if self.active[k]:
                once = self._outside(grads[body.inputs[k]])
                if once is None:
                    sums.append(k)
                    total = like(body.inputs[k].type, f"total{k}")
                    ends.carries.append(total)
                    ends.first.append(zeros(total.type))
                    news.append(add(total, grads[body.inputs[k]]))
                else:
                    outside[k] = once
        inner = Subgraph((*ends.carries, *ends.elements, *self.shared), (*news, *ends.rows))
        rest = [*self.node.inputs[count + self.stacks :], *self.captured]
        results = scan_node(inner, ends.first, ends.stacks, rest, self.length, not self.reverse)
        actual = dict(zip(ends.stands, results[len(ends.carries) :], strict=True))
        found: list[Tensor | None] = [None] * len(body.inputs)
        for k, g in zip((*live, *sums), results, strict=False):
            found[k] = g
        for k, stand in (slots | outside).items():
            found[k] = substitute([stand], actual)[0]
        return found

    def _row(self, x: Tensor) -> Tensor:
        """A stand-in for the stack of a backward value; what is a stack already stays one."""
        ends = self.ends
        for symbol, stack in zip(ends.elements, ends.stacks, strict=True):
            if symbol is x:
                return stack
        for row, stand in zip(ends.rows, ends.stands, strict=True):
            if row is x:
                return stand
        ends.rows.append(x)
        ends.stands.append(like(TensorType(x.dtype, (self.length, *x.shape)), "stack"))
        return ends.stands[-1]

    def _outside(self, g: Tensor) -> Tensor | None:
        """The sum of g over all steps, computed at once from stacks; None where it must be added up
        step by step. Sums are stacked, not what they add up, unless that is stacked anyway. What a
        loop inside stacked already is added up: stacked again it would be as long as both loops,
        and one step's part of it is worth a product of its own.
        """
        name, inputs = g.node.op.name, g.node.inputs
        if name == "add":
            parts = [self._outside(x) for x in inputs]
            return None if parts[0] is None or parts[1] is None else add(parts[0], parts[1])
        if name == "transpose":
            inner = self._outside(inputs[0])
            return None if inner is None else transpose(inner, g.node.attrs["axes"])
        if name == "reshape":
            inner = self._outside(inputs[0])
            return None if inner is None else reshape(inner, g.shape)
        if any(map(_is_stack, inputs)):
            return None
        if name == "sum":
            if inputs[0] not in {*self.ends.elements, *self.ends.rows}:
                return reduce(SUM, self._row(g), (0,), False)
            axes = tuple(a + 1 for a in g.node.attrs["axes"])
            return reduce(SUM, self._row(inputs[0]), (0, *axes), False)
        if (
            name == "dot_general"
            and g.node.attrs["batch"] == ((), ())
            and not self._is_shared(inputs)
        ):
            (ca, cb) = (tuple(k + 1 for k in axes) for axes in g.node.attrs["contract"])
            a, b = (self._row(x) for x in inputs)
            return dot_general(a, b, ((), ()), ((0, *ca), (0, *cb)))
        return None

    def _is_shared(self, operands: Sequence[Tensor]) -> bool:
        shared = set(self.shared)
        return any(x in shared for x in operands)


def family(node: Node) -> tuple[object, ...]:
    """What scans that can run as one have in common: operands, symbols of the body, and what
    becomes of the carries.
    """
    body, count = node.attrs["body"], node.attrs["carries"]
    symbols = tuple(map(id, (*body.inputs, *body.outputs[:count])))
    return (tuple(map(id, node.inputs)), symbols, node.attrs["length"], node.attrs["reverse"])


def _is_sum(x: Tensor) -> bool:
    """Whether x is a rearranged sum."""
    while x.node.op.name in _LAYOUT:
        x = x.node.inputs[0]
    return x.node.op is SUM


def _is_stack(x: Tensor) -> bool:
    """Whether x is rearranged rows of a loop."""
    while x.node.op.name in _LAYOUT:
        x = x.node.inputs[0]
    return x.node.op is SCAN and x.index >= x.node.attrs["carries"]
