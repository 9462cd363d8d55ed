"""Where a program's values lie: in what a caller brings, or in memory of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from graphc.backends.lower.kernel import Buffer, Call, Nested
from graphc.backends.memory import Place, Plan, holder
from graphc.ir.node import Tensor
from graphc.ir.walk import topological
from graphc.ops.copying import copy
from graphc.passes.fusion.roots import base, is_buffer


def own_memory(
    outputs: Sequence[Tensor], updates: Sequence[tuple[Tensor, Tensor]]
) -> tuple[list[Tensor], list[Tensor]]:
    """The results, with copies of inputs, of views of them, and of values asked for twice."""
    seen: set[Tensor] = set()
    own: list[Tensor] = []
    for x in [*outputs, *(new for _, new in updates)]:
        y = copy(x) if is_buffer(base(x)) or base(x) in seen else x
        while base(y) in seen:
            y = copy(y)
        seen.add(base(y))
        own.append(y)
    return own[: len(outputs)], own[len(outputs) :]


def leaves(
    results: Sequence[Tensor], updates: Sequence[tuple[Tensor, Tensor]]
) -> tuple[list[Tensor], list[Tensor]]:
    """The variables and constants that the results are made of, and variables that only change."""
    leaves = [x for node in topological(results) for x in node.outputs if is_buffer(x)]
    read = [x for x in leaves if x.node.op.name == "variable"]
    variables = dict.fromkeys([*read, *(variable for variable, _ in updates)])
    return list(variables), [x for x in leaves if x.node.op.name == "constant"]


def given_places(
    inputs: Sequence[Tensor],
    variables: Sequence[Tensor],
    constants: Sequence[Tensor],
    results: Sequence[Tensor],
) -> dict[Buffer, Place]:
    """The buffers that a caller brings."""
    places: dict[Buffer, Place] = {x: Place("input", k) for k, x in enumerate(inputs)}
    places.update({x: Place("variable", k) for k, x in enumerate(variables)})
    places.update({x: Place("constant", k) for k, x in enumerate(constants)})
    places.update({base(x): Place("output", k) for k, x in enumerate(results)})
    return places


def writes_variable(call: Call | Nested, plan: Plan) -> bool:
    """Whether a call writes where a variable lies."""
    written: Iterable[Buffer]
    if isinstance(call, Nested):
        written = call.node.outputs
    else:
        pairs = zip(call.arguments, call.kernel.buffers, strict=True)
        written = (x for x, p in pairs if p.writes)
    return any(plan.places[holder(x)].kind == "variable" for x in written)


def aliased(call: Call | Nested, plan: Plan) -> frozenset[str]:
    """Names of the kernel's buffers that share memory with another one of them, one of the two
    being written.
    """
    if isinstance(call, Nested):
        return frozenset()
    by_place: dict[Place, list[int]] = {}
    for n, buffer in enumerate(call.arguments):
        by_place.setdefault(plan.places[holder(buffer)], []).append(n)
    buffers = call.kernel.buffers
    shared = [ns for ns in by_place.values() if len(ns) > 1 and any(buffers[n].writes for n in ns)]
    return frozenset(buffers[n].name for ns in shared for n in ns)
