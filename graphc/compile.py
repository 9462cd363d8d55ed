"""`compile`: from a graph to a function of arrays."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from graphc.arguments import Signature
from graphc.executable import Executable
from graphc.ir.collector import rare_collections
from graphc.ir.dim_values import sizes
from graphc.ir.dims import DimExpr
from graphc.ir.errors import DTypeError, GraphError, ShapeError
from graphc.ir.node import Node, Tensor
from graphc.ir.plain import plain
from graphc.ir.structure import leaves
from graphc.ir.walk import topological
from graphc.ops.convert import as_tensor
from graphc.ops.loops.control import Control
from graphc.ops.source import automatic_updates
from graphc.passes.lengths import doubtful_lengths
from graphc.passes.pipeline import Graph
from graphc.stages import Stages
from graphc.tuning import Tuning

TARGETS = ("cpu", "numba", "cuda", "numba-cuda", "reference")
#: Passes whose ops the other targets have no kernels for.
NATIVE_ONLY = ("winograd", "pack_kernels", "pack_products", "strips", "bands")


def compile(
    inputs: Sequence[Tensor] | Mapping[str, Tensor] | Tensor,
    outputs: Any = None,
    updates: Mapping[Tensor, Any] | None = None,
    target: str = "cpu",
    name: str = "graph",
    isa: str = "host",
    disable: Sequence[str] = (),
    relaxed: bool = False,
    memory_budget: int | None = None,
    tuning: Tuning | None = None,
) -> Executable:
    """A function of arrays that computes `outputs` and then gives each variable of `updates` its
    new value.

    inputs: placeholders, in the order of the arguments; their names are the arguments' names, so
    the keys of a dict must be these.
    outputs: a tensor, or a tuple, list or dict of tensors; results come back in the same structure,
    as new NumPy arrays, or in those of a call's `out=`. None where only the updates matter.
    updates: {variable: new value}; new values are computed from the old ones and take effect
    together.
    target: "cpu" (native code), "numba", "cuda", "numba-cuda" or "reference" (NumPy, op by op).
    isa: for "cpu", "host" or what this machine can run of "x86-64" (any), "x86-64-v2", "x86-64-v3",
    "x86-64-v4" and "aarch64".
    relaxed: allow rewrites that hold for real numbers but not for all floats (x - x is 0), and
    instructions for products of bfloat16 that take subnormal numbers for zero.
    disable: names of passes to leave out (see `graphc.passes.pipeline.PIPELINE`): with "winograd",
    convolutions are summed directly.
    memory_budget: bytes that may lie between the kernels of a call (`Executable.memory.arena`).
    Values are computed again where they are read late until they keep to it, the cheapest first;
    results are the same. It needs sizes that are known, takes longer to compile, and is a
    GraphError where it cannot be kept. The reference takes no notice of it.
    tuning: schedules that `graphc.tune` has found to be quicker, for "cpu". Kernels that it does
    not know are compiled as without it; a UserWarning says so if that is all of them.
    name: what the function is called in errors and dumps.

    One compilation serves all values of symbolic sizes. Raises GraphError for a graph that needs a
    placeholder or a size which is not among the inputs, or updates of the wrong type.
    """
    begin = time.perf_counter()
    if updates is not None and not isinstance(updates, Mapping):
        raise GraphError(
            f"updates are a dict {{variable: new value}}, not {type(updates).__name__}"
            "\n  hint: optimiser.updates(loss, parameters) gives such a dict"
        )
    if not isinstance(name, str):
        raise GraphError(f"a function's name is a string, not {name!r:.80}")
    graph = replace(_graph(inputs, outputs, updates or {}, name), relaxed=relaxed)
    if target not in TARGETS:
        raise GraphError(f"unknown target {target!r}; targets are {', '.join(TARGETS)}")
    without = (disable,) if isinstance(disable, str) else disable
    without = without if target == "cpu" else (*without, *NATIVE_ONLY)
    memory_budget = plain(memory_budget)
    if memory_budget is not None and (type(memory_budget) is not int or memory_budget < 0):
        raise GraphError(f"a memory budget is a number of bytes, not {memory_budget!r}")
    if tuning is not None and not isinstance(tuning, Tuning):
        raise GraphError(
            f"a tuning comes from graphc.tune or graphc.load_tuning; this is {tuning!r}"
        )
    if tuning is not None and target != "cpu":
        raise GraphError(f"a tuning is for the target 'cpu'; {target!r} has no use for it")
    stages = Stages(graph, without, memory_budget=memory_budget)
    with rare_collections():
        executable = _build(stages, outputs, target, isa, tuning)
    executable.structure = outputs
    executable.compile_seconds = time.perf_counter() - begin
    return executable


def _graph(inputs: Any, outputs: Any, updates: Mapping[Tensor, Any], name: str) -> Graph:
    if callable(inputs) and not isinstance(inputs, Tensor):
        raise GraphError(
            "inputs are placeholders, not a function\n"
            "  hint: call it with placeholders: gc.compile([x], f(x))"
        )
    placeholders = tuple(leaves(inputs))
    for x in placeholders:
        if not isinstance(x, Tensor) or x.node.op.name != "placeholder":
            what = _computed(x) if isinstance(x, Tensor) else f": {x!r:.80}"
            raise GraphError(f"an input must be a placeholder{what}")
    names = [x.node.attrs["name"] for x in placeholders]
    if isinstance(inputs, dict) and list(inputs) != names:
        raise GraphError(
            f"arguments have the names of their placeholders, {', '.join(names)}, "
            f"not {', '.join(map(str, inputs))}"
        )
    for name_ in names:
        same = [x for x, n in zip(placeholders, names, strict=True) if n == name_]
        if len(same) > 1:
            lines = "".join(f"\n  {x.describe()}" for x in same)
            raise GraphError(f"{len(same)} inputs are called {name_!r}{lines}")
    results = tuple(as_tensor(x) for x in leaves(() if outputs is None else outputs))
    pairs = tuple((variable, _new_value(variable, value)) for variable, value in updates.items())
    explicit = {variable for variable, _ in pairs}
    automatic = automatic_updates([*results, *(new for _, new in pairs)])
    pairs += tuple(
        (variable, new) for variable, new in automatic.items() if variable not in explicit
    )
    everything = [*results, *(new for _, new in pairs)]
    if outputs is None and not pairs:
        raise GraphError("nothing is computed\n  hint: gc.compile([x], y) makes a function of x")
    _check_inputs(placeholders, everything)
    return Graph(placeholders, results, pairs, name, lengths=doubtful_lengths(everything))


def _computed(x: Tensor) -> str:
    """What is said of a tensor that is no placeholder: which ones it is computed from."""
    names = [n.attrs["name"] for n in topological([x]) if n.op.name == "placeholder"]
    hint = f"gc.compile([{', '.join(names)}], y) computes such a y of the placeholders it needs"
    return f"\n  {x.describe()}\n  hint: {hint}" if names else f"\n  {x.describe()}"


def _new_value(variable: Tensor, value: Any) -> Tensor:
    if not isinstance(variable, Tensor) or variable.node.op.name != "variable":
        what = f"\n  {variable.describe()}" if isinstance(variable, Tensor) else f": {variable!r}"
        hint = "" if isinstance(variable, Tensor) else "\n  hint: updates={w: new}, not its name"
        raise GraphError(f"only a variable can be updated{what}{hint}")
    new = as_tensor(value)
    if new.dtype is not variable.dtype:
        raise DTypeError(
            "the new value of a variable has another dtype\n"
            f"  variable: {variable.describe()}\n  value: {new.describe()}"
        )
    if new.shape != variable.shape:
        raise ShapeError(
            "the new value of a variable has another shape\n"
            f"  variable: {variable.describe()}\n  value: {new.describe()}"
        )
    return new


def _check_inputs(placeholders: tuple[Tensor, ...], results: Sequence[Tensor]) -> None:
    known = set(placeholders)
    for node in topological(results):
        if node.op.name == "placeholder" and node.outputs[0] not in known:
            raise GraphError(
                "the outputs need a placeholder that is not among the inputs\n"
                f"  {node.outputs[0].describe()}\n"
                "  hint: equal names do not make equal placeholders, and what scan, cond or vmap "
                "give a function is known inside it alone"
            )
    _check_sizes(placeholders, results)


def _check_sizes(placeholders: tuple[Tensor, ...], results: Sequence[Tensor]) -> None:
    """Every named size must be known when a call begins: from the shape of an argument."""
    given = {n for x in placeholders for d in x.shape for n in sizes(d)}
    lengths = {d: node.outputs[0] for node in _nodes(results) for d in _dims(node)}
    for d, y in lengths.items():
        for unknown in sorted(sizes(d) - given):
            raise GraphError(
                f"the outputs need the size {unknown}, which no input has\n  {y.describe()}"
            )


def _nodes(results: Sequence[Tensor]) -> Iterator[Node]:
    """All nodes that results are made of, the last first, those of loops and branches too."""
    for node in reversed(topological(results)):
        yield node
        if isinstance(node.op, Control):
            for body in node.op.bodies(node.attrs):
                yield from _nodes(body.outputs)


def _dims(node: Node) -> Iterator[DimExpr]:
    """The symbolic dimensions that a node speaks of."""
    lengths = (d for y in node.outputs for d in y.shape)
    return (d for d in (*lengths, *node.attrs.values()) if isinstance(d, DimExpr))


def _build(
    stages: Stages, outputs: Any, target: str, isa: str, tuning: Tuning | None
) -> Executable:
    source = stages.source
    signature = Signature(source.name, source.inputs, source.lengths)
    structure = _structure(outputs)
    from graphc.targets import build_cpu, build_cuda, build_numba, build_numba_cuda, build_reference

    if target == "reference":
        return build_reference(stages, signature, outputs)
    if target == "cpu":
        return build_cpu(stages, signature, outputs, structure, isa, tuning)
    build = {"numba": build_numba, "cuda": build_cuda, "numba-cuda": build_numba_cuda}[target]
    return build(stages, signature, outputs)


def _structure(outputs: Any) -> str:
    """How the native wrapper returns results: a dict or a nested structure is put together
    afterwards.
    """
    if outputs is None:
        return "none"
    if isinstance(outputs, list) and all(isinstance(x, Tensor) for x in outputs):
        return "list"
    if isinstance(outputs, tuple) and all(isinstance(x, Tensor) for x in outputs):
        return "tuple"
    return "tuple" if isinstance(outputs, (dict, tuple, list)) else "one"
