"""From an optimised graph to an executable, for each target."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.arguments import Signature
from graphc.executable import Executable
from graphc.ir.node import Tensor
from graphc.ir.structure import restore
from graphc.passes.pipeline import Graph

Array = np.ndarray[Any, np.dtype[Any]]


def _executable(graph: Graph, signature: Signature, target: str, call: Callable[..., Any]) -> Executable:
    """An executable whose type calls the function itself: nothing of Python's stands between."""
    kind = type("Executable", (Executable,), {"__call__": staticmethod(call), "__module__": Executable.__module__})
    executable: Executable = kind()
    executable.name, executable.target = graph.name, target
    executable.signature, executable.graph = signature, graph
    executable.program = None
    return executable


def build_reference(graph: Graph, signature: Signature, outputs: Any) -> Executable:
    """Every op by its NumPy definition."""
    from graphc.backends.reference import evaluate

    def call(*args: Any, **kwargs: Any) -> Any:
        arrays = signature.bind(args, kwargs)
        values = dict(zip(graph.inputs, arrays, strict=True))
        results = evaluate([*graph.outputs, *(new for _, new in graph.updates)], values)
        for (variable, _), new in zip(graph.updates, results[len(graph.outputs) :], strict=True):
            state_of(variable)[...] = new
        return restore(outputs, [np.array(r) for r in results[: len(graph.outputs)]])

    return _executable(graph, signature, "reference", call)


def state_of(variable: Tensor) -> Array:
    """The array behind a variable."""
    array: Array = variable.node.attrs["state"].array
    return array


def build_cpu(graph: Graph, signature: Signature, outputs: Any, structure: str, isa: str) -> Executable:
    """Native code through LLVM, called without Python in between."""
    from graphc.backends.cpu.executable import build, schedule_for
    from graphc.backends.llvm.engine import named_target
    from graphc.backends.program import build_program

    schedule = schedule_for(named_target(isa))
    program = build_program(graph.inputs, graph.outputs, graph.updates, schedule, graph.name)
    native = build(program, structure, lambda args, kwargs: signature.bind(args, kwargs), isa)
    call = native.call
    if structure == "tuple" and not (isinstance(outputs, tuple) and all(isinstance(x, Tensor) for x in outputs)):
        call = _restoring(native.call, outputs)
    executable = _executable(graph, signature, "cpu", call)
    executable.program, executable.from_cache, executable.native = program, native.from_cache, native
    return executable


def _restoring(call: Callable[..., Any], outputs: Any) -> Callable[..., Any]:
    def restored(*args: Any, **kwargs: Any) -> Any:
        return restore(outputs, call(*args, **kwargs))

    return restored


def build_numba(graph: Graph, signature: Signature, outputs: Any) -> Executable:
    """The same kernels as Python source, compiled by Numba."""
    from graphc.backends.numba.executable import build
    from graphc.backends.program import build_program

    program = build_program(graph.inputs, graph.outputs, graph.updates, build.schedule, graph.name)
    run = build(program)

    def call(*args: Any, **kwargs: Any) -> Any:
        arrays = signature.bind(args, kwargs)
        return restore(outputs, run(arrays, signature.sizes(arrays)))

    executable = _executable(graph, signature, "numba", call)
    executable.program = program
    return executable
