"""Graph to program, one way: outputs get memory of their own, `fuse` makes bodies, bodies are
lowered, their order is settled so that variables are written after their last reader and after
every check, memory is planned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import reduce
from types import MappingProxyType

from graphc.backends.failures import Failures
from graphc.backends.lower.kernel import Buffer, Call, Nested, Schedule, Temporary
from graphc.backends.lower.repeats import Repeats
from graphc.backends.memory import Place, plan_memory
from graphc.backends.places import aliased, given_places, leaves, own_memory, writes_variable
from graphc.backends.program import Frame, Program, frame_of
from graphc.ir.dim_values import substitute
from graphc.ir.dims import Dim, maximum
from graphc.ir.dtypes import bool_, uint8
from graphc.ir.node import Node, Tensor
from graphc.ir.record import dataclass
from graphc.ir.subgraph import Subgraph
from graphc.machine import TYPICAL
from graphc.ops.loops.bands import BANDS, chunks_of
from graphc.ops.loops.control import Control
from graphc.ops.loops.strips import STRIPS
from graphc.passes.fusion.body import Body, copy_body
from graphc.passes.fusion.fuse import fuse
from graphc.passes.fusion.inplace import overwrites, settle_order, writes_part
from graphc.passes.fusion.roots import base
from graphc.passes.graph import Graph

Update = tuple[Tensor, Tensor]
Fail = Callable[[Node, str], int]
Lower = Callable[[Body, Schedule, Fail], Sequence[Call]]


def _lower_nest(body: Body, schedule: Schedule, fail: Fail) -> Sequence[Call]:
    """Maps and reductions, of which a program of a product alone has none."""
    from graphc.backends.lower.nests.lines import lower_rows

    return lower_rows(body, schedule, fail)


def _lower_contraction(body: Body, schedule: Schedule, fail: Fail) -> Sequence[Call]:
    """Products and convolutions, whose many modules only programs that have some load."""
    from graphc.backends.lower.products.contraction import lower_contraction

    return lower_contraction(body, schedule, fail)


def _lower_opaque(body: Body, schedule: Schedule, fail: Fail) -> Sequence[Call]:
    """Ops that write their own loops, which most programs have none of."""
    from graphc.backends.lower.opaque import lower_opaque

    return lower_opaque(body, schedule, fail)


LOWERINGS: Mapping[str, Lower] = MappingProxyType(
    {"nest": _lower_nest, "loops": _lower_opaque, "contraction": _lower_contraction}
)


def program_of(graph: Graph, schedule: Schedule, name: str | None = None) -> Program:
    """The program of an optimised graph, under a name of its own if one is given."""
    name = graph.name if name is None else name
    cold = schedule.cold or _constant_bytes(graph) >= TYPICAL.shared
    schedule = replace(schedule, cold=cold)
    program = build_program(graph.inputs, graph.outputs, graph.updates, schedule, name)
    return replace(program, lengths=tuple(demand.number for demand in graph.lengths))


def _constant_bytes(graph: Graph) -> int:
    """Bytes of all constants that a call reads."""
    _, constants = leaves([*graph.outputs, *(new for _, new in graph.updates)], graph.updates)
    return sum(x.type.bytes for x in constants if isinstance(x.type.bytes, int))


def build_program(
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor],
    updates: Sequence[Update],
    schedule: Schedule,
    name: str = "graph",
    lowerings: Mapping[str, Lower] = LOWERINGS,
    builder: _Builder | None = None,
) -> Program:
    """The program of an optimised graph; `lowerings` has a function for each kind of body, and
    `builder` is that of the program around a nested one.
    """
    results, news = own_memory(outputs, updates)
    builder = builder or _Builder(schedule, inputs, lowerings)
    variables, constants = leaves([*results, *news], updates)
    fixed = given_places(inputs, variables, constants, results)
    targets = {base(new): variable for (variable, _), new in zip(updates, news, strict=True)}
    lowered = {body: builder.lower(body) for body in fuse([*results, *news])}
    bodies = _with_writes(builder, lowered, targets, fixed)
    calls = [call for body in bodies for call in lowered[body].calls]
    owners = [k for k, body in enumerate(bodies) for _ in lowered[body].calls]
    plan = plan_memory(calls, fixed)
    written = [k for k, call in enumerate(calls) if writes_variable(call, plan)]
    return Program(
        name,
        tuple(inputs),
        tuple(results),
        tuple(variables),
        tuple(constants),
        tuple(bodies),
        tuple(calls),
        plan,
        tuple(builder.failures.found),
        first_commit=min(written, default=len(calls)),
        aliases=tuple(aliased(call, plan) for call in calls),
        owners=tuple(owners),
        frame=builder.frame if builder.depth else None,
        alone=builder.alone,
    )


def _with_writes(
    builder: _Builder,
    lowered: dict[Body, _Lowered],
    targets: Mapping[Tensor, Tensor],
    fixed: dict[Buffer, Place],
) -> list[Body]:
    """The bodies in order. A new value lies where its variable does if nobody needs the old one any
    more and no check comes later; others are copied there by bodies at the end. `lowered` gets
    these, and `fixed` the places.
    """
    failing = {body for body, made in lowered.items() if made.can_fail}
    bodies = settle_order(list(lowered), targets, failing)
    ordered = tuple(bodies)
    made = {x for body in ordered for x in body.outputs}
    last_check = max((k for k, body in enumerate(ordered) if body in failing), default=-1)
    for position, body in enumerate(ordered):
        for x in body.outputs:
            variable = targets.get(x)
            if variable is None:
                continue
            if position > last_check and overwrites(ordered, position, x, variable):
                fixed[x] = fixed[variable]
                if writes_part(body) and body.node.inputs[0] is variable:
                    lowered[body] = _Lowered(lowered[body].calls[-1:], lowered[body].can_fail)
            else:
                late = copy_body(x, made)
                made.update(late.outputs)
                fixed[late.outputs[0]] = fixed[variable]
                bodies.append(late)
    lowered.update({body: builder.lower(body) for body in bodies[len(ordered) :]})
    return bodies


@dataclass(frozen=True)
class _Lowered:
    """The calls that a body became, and whether one of them has a check."""

    calls: tuple[Call | Nested, ...]
    can_fail: bool


class _Builder:
    """Lowers the bodies of a program and of the programs nested in it, and numbers their checks."""

    def __init__(
        self, schedule: Schedule, inputs: Sequence[Tensor], lowerings: Mapping[str, Lower]
    ):
        self.schedule, self.frame, self.lowerings = schedule, frame_of(inputs), lowerings
        self.failures = Failures(inputs)
        self.repeats = Repeats()
        self.depth = 0
        self.alone = False

    def lower(self, body: Body) -> _Lowered:
        known = self.failures.checks
        calls: Sequence[Call | Nested]
        if body.node.op.lowering == "control":
            calls = [self._nested(body.node)]
        else:
            calls = self._lowered(body)
        if writes_part(body):
            calls = [*self._copied(body.node), *calls]
        return _Lowered(tuple(calls), self.failures.checks > known)

    def _lowered(self, body: Body) -> Sequence[Call]:
        """The calls of a body; checks and choices are each body's own."""
        schedule, known = self.schedule.of(body), self.failures.checks
        found = self.repeats.find(body) if schedule is self.schedule else None
        if found is not None:
            return found
        calls = self.lowerings[body.kind](body, schedule, self.failures.code)
        if schedule is self.schedule and self.failures.checks == known:
            self.repeats.keep(body, calls)
        return calls

    def _copied(self, node: Node) -> list[Call]:
        """The kernels that copy the first input into the memory of the output."""
        body = copy_body(node.inputs[0])
        copied, (y,) = body.outputs[0], node.outputs
        calls = self.lowerings["nest"](body, self.schedule, self.failures.code)
        return [
            Call(c.kernel, tuple(y if b is copied else b for b in c.arguments), c.chunks)
            for c in calls
            if isinstance(c, Call)
        ]

    @contextmanager
    def _inside(self, sizes: Sequence[str], alone: bool) -> Iterator[None]:
        """In a node's bodies, which know some more sizes, and of which several run at once if they
        are `alone`.
        """
        frame, before = self.frame, self.alone
        self.alone = alone or before
        if sizes:
            self.frame = Frame((*frame.sizes, *sizes), len(frame.sizes) + len(sizes))
        self.depth += 1
        yield
        self.depth -= 1
        self.frame, self.alone = frame, before

    def _nested(self, node: Node) -> Nested:
        """The programs of a node's bodies, with room for two generations of its carries and for the
        arena of one of them, or of each that runs at once: others keep nothing there.
        """
        op = node.op
        assert isinstance(op, Control)
        most = _own_sizes(node)
        with self._inside(list(most), _is_alone(node)):
            programs = tuple(self._body(node, g) for g in op.bodies(node.attrs))
        carries = node.inputs[: node.attrs.get("carries", 0)]
        scratch = [Temporary(x.dtype, x.size) for x in (*carries, *carries)]
        room = reduce(maximum, (p.plan.arena_bytes for p in programs))
        room = substitute(room, lambda a: most.get(a.name))
        arena = Temporary(uint8, room * _at_once(node))
        scratch += [arena] * len(programs)
        lengths = tuple(
            tuple((d.number, self.failures.code(d.tensor.node, d.what)) for d in body.lengths or ())
            for body in op.bodies(node.attrs)
        )
        return Nested(node, programs, (*scratch, Temporary(bool_, 1)), lengths)

    def _body(self, node: Node, body: Subgraph) -> Program:
        """The program of a body; totals are variables of it."""
        totals = node.attrs.get("totals", 0)
        updates = tuple(zip(body.inputs[:totals], body.outputs, strict=False))
        given = body.inputs[totals:], body.outputs[totals:]
        return build_program(*given, updates, self.schedule, node.op.name, self.lowerings, self)


def _own_sizes(node: Node) -> dict[str, Dim]:
    """The sizes that only a node's bodies know, and the most that they can be."""
    found: dict[str, Dim] = {}
    if node.attrs.get("rows") is not None:
        found[node.attrs["rows"]] = node.attrs["most"]
    if node.attrs.get("columns") is not None:
        name, most = node.attrs["columns"]
        found[name] = most
    return found


def _is_alone(node: Node) -> bool:
    """Whether several of a node's bodies run at once, not just one after the other."""
    op, most = node.op, node.attrs.get("most")
    return op is BANDS or (op is STRIPS and isinstance(most, int))


def _at_once(node: Node) -> Dim:
    """How many of a node's bodies may run at the same time."""
    if node.op is STRIPS:
        strips: Dim = node.attrs["count"]
        return strips
    return chunks_of(node.attrs) if node.op is BANDS else 1
