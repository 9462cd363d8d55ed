"""Loops by blocks of steps: the products before and after a scan are computed for some steps at a
time, so that what they hand to the scan and take from it is still in the cache, and is never as
long as the loop.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import field

from graphc.ir import dim_values, dims
from graphc.ir.dims import Dim
from graphc.ir.node import Node, Tensor
from graphc.ir.record import dataclass
from graphc.ir.subgraph import Subgraph, literal_nodes
from graphc.ir.types import TensorType
from graphc.ir.walk import substitute, topological, users
from graphc.machine import TYPICAL
from graphc.ops.arithmetic import add
from graphc.ops.loops.blocks import blocks_node
from graphc.ops.loops.control import SCAN, scan_node
from graphc.passes.derivatives.branch_gradients import like, zeros
from graphc.passes.graph import Graph, Pass
from graphc.passes.loops.row_parts import part_of, row_operands, summed_operands

#: Names of the sizes of blocks begin so; loops over these are blocks already.
ROWS = "_rows"
#: A loop known to hand over no more bytes than this stays whole: they stay in a cache anyway.
WHOLE_BYTES = TYPICAL.shared // 8
#: What is handed over in a block has about as many bytes, in this many steps.
BLOCK_BYTES = TYPICAL.second // 2
FEWEST, MOST = 8, 64
#: Steps of a block where bytes are not known.
USUAL = 32


def block_loops(graph: Graph) -> Graph:
    """The graph with scans and the products around them run block by block where that pays."""
    seen: set[Subgraph] = set()
    while True:
        nodes = topological(graph.results)
        todo = [n for n in nodes if n.op is SCAN and n.attrs["body"] not in seen]
        if not todo:
            return graph
        scan = todo[-1]  # what lies between two loops goes to the later one
        seen.add(scan.attrs["body"])
        if not _is_block(scan.attrs["length"]):
            group = _Group(scan, nodes, graph.results)
            if group.pays():
                graph = graph.with_results(substitute(graph.results, group.replacements()))


def _is_block(length: Dim) -> bool:
    return any(name.startswith(ROWS) for name in dim_values.sizes(length))


def _count(x: Tensor, tensors: Sequence[Tensor]) -> int:
    return sum(y is x for y in tensors)


class _Group:
    """A scan with the nodes that only hand rows to it, and those that sum over its rows."""

    def __init__(self, scan: Node, nodes: Sequence[Node], results: Sequence[Tensor]):
        self.scan, self.nodes, self.results = scan, nodes, set(results)
        self.users = users(results)
        attrs = scan.attrs
        self.length: Dim = attrs["length"]
        count, stacks = attrs["carries"], attrs["stacks"]
        self.first = scan.inputs[:count]
        self.stacks = scan.inputs[count : count + stacks]
        self.shared = scan.inputs[count + stacks :]
        self.rows_out = scan.outputs[count:]
        self.before = self._before()
        self.summed: set[Node] = set()
        self.after = self._after()

    # --- who belongs to it ------------------------------------------------------------------------

    def _before(self) -> list[Node]:
        """Nodes whose rows nobody but the scan reads, at the same step, in order."""
        members: dict[Node, tuple[Tensor, ...]] = {self.scan: self.stacks}
        needed = set(self.stacks)
        for node in reversed(self.nodes[: self.nodes.index(self.scan)]):
            operands = row_operands(node, self.length) if needed & set(node.outputs) else None
            if operands is None:
                continue
            if operands == () or self._only_rows(node.outputs[0], members):
                members[node] = operands
                needed.update(operands)
        return [node for node in self.nodes if node in members and node is not self.scan]

    def _only_rows(self, x: Tensor, members: dict[Node, tuple[Tensor, ...]]) -> bool:
        """Whether all that reads x are members that need its rows only."""
        if x in self.results:
            return False
        for user in self.users.get(x, ()):
            rows = members.get(user, ())
            if _count(x, rows) != _count(x, user.inputs):
                return False
        return True

    def _after(self) -> list[Node]:
        """Products and sums over rows that the scan gives, if all that reads these rows is such, in
        order.
        """
        later = self._later()
        found: set[Node] = set()
        for y in self.rows_out:
            readers = self.users.get(y, [])
            if y not in self.results and readers and all(self._joins(n, later) for n in readers):
                found.update(readers)
        self.summed = {n for n in found if summed_operands(n) is not None}
        return [node for node in self.nodes if node in found]

    def _later(self) -> set[Node]:
        """The nodes that depend on the scan, and the scan."""
        found = {self.scan}
        for node in self.nodes:
            if any(x.node in found for x in node.inputs):
                found.add(node)
        return found

    def _joins(self, node: Node, later: set[Node]) -> bool:
        operands = summed_operands(node)
        if operands is None and node.op.name == "dot_general":
            operands = row_operands(node, self.length)
        if operands is None:
            return False
        rows = set(self.rows_out)
        aligned = all(x.shape[0] == self.length for x in operands)
        return aligned and all(
            x in rows if x.node is self.scan and _count(x, operands) else x.node not in later
            for x in node.inputs
        )

    def pays(self) -> bool:
        """Whether products take part (rows of anything else are made where they are read) and hand
        over more than what stays in a cache.
        """
        if not any(n.op.name == "dot_general" for n in (*self.before, *self.after)):
            return False
        if not isinstance(self.length, int):
            return True
        step = self._step_bytes()
        few = self.length <= USUAL if step is None else self.length * step <= WHOLE_BYTES
        return not few and self._most() < self.length

    def _step_bytes(self) -> int | None:
        """Bytes handed over in a step, None if that depends on sizes."""
        around = {*self.before, *self.after}
        read = {x for node in around for x in node.inputs}
        handed = [x for x in self.stacks if x.node in around]
        handed += [y for y in self.rows_out if y in read]
        step = sum((x.dtype.bytes * dim_values.product(x.shape[1:]) for x in handed), 0)
        return step if isinstance(step, int) else None

    def _most(self) -> int:
        """Steps of a block: an exact part of the length, if that is known and has one."""
        step = self._step_bytes()
        most = USUAL if step is None else min(max(BLOCK_BYTES // max(step, 1), FEWEST), MOST)
        if isinstance(self.length, int):
            exact = (s for s in range(most, FEWEST - 1, -1) if self.length % s == 0)
            return next(exact, most)
        return most

    # --- the loop over blocks ---------------------------------------------------------------------

    def replacements(self) -> dict[Tensor, Tensor]:
        """What the scan and the nodes around it become."""
        most = self._most()
        exact = isinstance(self.length, int) and self.length % most == 0
        name = None if exact else self._name()
        rows = most if name is None else dims.size(name)
        body = _Body()
        symbols = {x: body.stack(x, rows) for x in self._given()}
        carries = [like(x.type, f"carry{k}") for k, x in enumerate(self.first)]
        known = part_of(self.before, symbols, self.length, rows)
        reverse, count = self.scan.attrs["reverse"], len(self.first)
        xs = [known[x] for x in self.stacks]
        results = scan_node(self.scan.attrs["body"], carries, xs, self.shared, rows, reverse)
        known.update(zip(self.scan.outputs, results, strict=True))
        known = part_of(self.after, known, self.length, rows, self.summed)
        totals = [node.outputs[0] for node in self.after if node in self.summed]
        sums = [like(x.type, f"total{k}") for k, x in enumerate(totals)]
        news = [*results[:count], *(add(s, known[x]) for s, x in zip(sums, totals, strict=True))]
        kept = self._kept()
        body.inputs = [*carries, *sums, *body.inputs]
        body.outputs = [*news, *(known[x] for x in kept)]
        first = [*self.first, *(zeros(x.type) for x in totals)]
        inner, shared = body.close(self.nodes)
        given = blocks_node(inner, first, body.stacks, shared, self.length, reverse, most, name)
        old = [*self.scan.outputs[:count], *totals, *kept]
        return dict(zip(old, given, strict=True))

    def _name(self) -> str:
        """A name that no size around has."""
        taken = {
            name
            for node in self.nodes
            for type_ in node.types
            for d in type_.shape
            for name in dim_values.sizes(d)
        }
        return next(f"{ROWS}{k}" for k in range(len(taken) + 1) if f"{ROWS}{k}" not in taken)

    def _given(self) -> list[Tensor]:
        """Stacks that come from outside."""
        inside = {*self.before, *self.after, self.scan}
        wanted = list(self.stacks)
        for node in self.before:
            wanted += row_operands(node, self.length) or ()
        for node in self.after:
            wanted += summed_operands(node) or row_operands(node, self.length) or ()
        return [x for x in dict.fromkeys(wanted) if x.node not in inside]

    def _kept(self) -> list[Tensor]:
        """Rows that something outside reads."""
        inside = {*self.before, *self.after, self.scan}
        rows = [*self.rows_out]
        rows += [n.outputs[0] for n in self.after if n not in self.summed]
        return [
            y
            for y in rows
            if y in self.results or any(n not in inside for n in self.users.get(y, ()))
        ]


@dataclass
class _Body:
    """The body of the loop over blocks, as it grows."""

    inputs: list[Tensor] = field(default_factory=list)
    outputs: list[Tensor] = field(default_factory=list)
    stacks: list[Tensor] = field(default_factory=list)

    def stack(self, x: Tensor, rows: Dim) -> Tensor:
        """A symbol for a block of rows of x."""
        symbol = like(TensorType(x.dtype, (rows, *x.shape[1:])), f"x{len(self.stacks)}")
        self.inputs.append(symbol)
        self.stacks.append(x)
        return symbol

    def close(self, around: Collection[Node]) -> tuple[Subgraph, list[Tensor]]:
        """The body with symbols for what it reads of the nodes around it, and the latter."""
        outer = set(around) - literal_nodes(self.outputs)
        read = [x for n in topological(self.outputs) if n not in outer for x in n.inputs]
        shared = [x for x in dict.fromkeys([*read, *self.outputs]) if x.node in outer]
        symbols = [like(x.type, f"shared{k}") for k, x in enumerate(shared)]
        outputs = substitute(self.outputs, dict(zip(shared, symbols, strict=True)))
        return Subgraph((*self.inputs, *symbols), tuple(outputs)), shared


BLOCK_LOOPS = Pass(
    "block_loops",
    block_loops,
    "products before and after a scan are computed for a block of its steps at a time",
)
