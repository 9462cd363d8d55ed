"""From an optimised graph to an executable, for each target."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphc.arguments import Signature
from graphc.executable import Executable
from graphc.fingerprint import fingerprint, literals, own_code
from graphc.ir.errors import ArgumentError
from graphc.ir.node import Tensor
from graphc.ir.structure import restore
from graphc.ir.walk import topological
from graphc.passes.pipeline import Graph
from graphc.results import Binding
from graphc.shortage import shortage
from graphc.stages import Stages
from graphc.tuning import Tuning, digest

Array = np.ndarray[Any, np.dtype[Any]]

LARGE_BYTES = 1 << 24
"""Constants of so many bytes are worth having once only; the passes make them again if asked to."""


def _executable(
    stages: Stages, signature: Signature, target: str, call: Callable[..., Any]
) -> Executable:
    """An executable whose type calls the function itself: nothing of Python's stands between."""
    kind = type(
        "Executable",
        (Executable,),
        {"__call__": staticmethod(call), "__module__": Executable.__module__},
    )
    executable: Executable = kind()
    executable.name, executable.target = stages.source.name, target
    executable.signature, executable.stages = signature, stages
    return executable


def build_reference(stages: Stages, signature: Signature, outputs: Any) -> Executable:
    """Every op of the graph as written by its NumPy definition."""
    from graphc.backends.reference import evaluate

    graph = stages.source

    binding = Binding(signature, outputs)

    def call(*args: Any, **kwargs: Any) -> Any:
        arrays, given = binding.split(args, kwargs)
        values = dict(zip(graph.inputs, arrays, strict=True))
        results = evaluate([*graph.outputs, *(new for _, new in graph.updates)], values)
        for (variable, _), new in zip(graph.updates, results[len(graph.outputs) :], strict=True):
            state_of(variable)[...] = new
        found = [np.array(r) for r in results[: len(graph.outputs)]]
        return _restored(outputs, _handed_over(found, given))

    return _executable(stages, signature, "reference", call)


def state_of(variable: Tensor) -> Array:
    """The array behind a variable."""
    array: Array = variable.node.attrs["state"].array
    return array


def build_cpu(
    stages: Stages,
    signature: Signature,
    outputs: Any,
    structure: str,
    isa: str,
    tuning: Tuning | None = None,
) -> Executable:
    """Native code through LLVM, called without Python in between; a graph compiled before comes
    from the cache as it is.
    """
    from graphc.backends.cpu import heap
    from graphc.backends.cpu.entry import unpack
    from graphc.backends.cpu.executable import load
    from graphc.backends.cpu.host import host, is_known
    from graphc.backends.cpu.known import Known, Reads
    from graphc.backends.cpu.origins import values_of
    from graphc.backends.llvm.target import named_target

    written = literals(stages.source)
    reads = Reads(written)
    own_code()  # asks the system for many files, which is slow beside another thread
    if not is_known():
        _begin_to_compile()
        _optimise_ahead(stages)
    try:
        target = host() if isa == "host" else named_target(isa)
    except ValueError as error:
        raise ArgumentError(str(error)) from None
    if target.architecture.name != host().architecture.name:
        raise ArgumentError(
            f"code for {isa} cannot run on this machine\n"
            f"  hint: gc.export(..., isa={isa!r}) writes it as an object file with a C header"
        )
    stages.vector_bits, stages.registers = target.vector_bits, target.registers
    stages.dots = target.dots(relaxed=stages.source.relaxed)
    stages.choices = tuning.choices(target.family) if tuning else {}
    variables = variables_of(stages.source)
    more: tuple[str, ...] = (
        () if stages.memory_budget is None else (f"{stages.memory_budget} bytes",)
    )
    more += (digest(stages.choices),) if stages.choices else ()
    known_as = fingerprint(stages.source, *stages.disable, *more)
    known = None if known_as is None else Known(known_as, target, reads)
    data = None if known is None else known.get()
    if data is None:
        _begin_to_compile()
        from graphc.backends.cpu.compiling import compiled

        assert stages.program is not None
        if known is not None:
            known.note(reads)
        packed = compiled(stages.program, variables, target, written=written)
        if known is not None and not _all_unknown(stages):
            known.put(packed.data)
    else:
        packed = unpack(data, lambda origins: values_of(origins, written))
    arrays = [state_of(x) for x in variables]
    name, lacking = stages.source.name, shortage(stages)
    binding = Binding(signature, outputs)
    native = load(name, packed, arrays, structure, binding, shortage=lacking)
    call = native.call
    if structure == "tuple" and not (
        isinstance(outputs, tuple) and all(isinstance(x, Tensor) for x in outputs)
    ):
        call = _restoring(native.call, outputs)
    executable = _executable(stages, signature, "cpu", call)
    executable.from_cache, executable.native = data is not None, native
    executable.machine = target
    if data is None and sum(x.nbytes for x in packed.constants) > LARGE_BYTES:
        stages.forget()
        heap.trim()
    return executable


def _all_unknown(stages: Stages) -> bool:
    """Whether choices are given and none is for a kernel of this function: then it says so."""
    if not stages.choices:
        return False
    from graphc.backends.cpu.tuner import bodies_of

    assert stages.program is not None
    if bodies_of(stages.program).keys() & stages.choices.keys():
        return False
    warnings.warn(
        f"{stages.source.name}: no kernel is one of the {len(stages.choices)} that were tuned; "
        "the function or graphc has changed since\n  hint: tune again",
        stacklevel=4,
    )
    return True


def _begin_to_compile() -> None:
    """Has LLVM loaded by another thread while this one imports the compiler."""
    from graphc.backends.cpu import ahead

    ahead.begin()
    from graphc.backends.cpu import compiling  # noqa: F401 - for what importing it takes


def _optimise_ahead(stages: Stages) -> None:
    """Does what can be done before LLVM is there to tell what this machine is: nothing that was
    compiled for it can be known then.
    """
    if stages.memory_budget is None:
        _ = stages.graph


def variables_of(graph: Graph) -> list[Tensor]:
    """Every variable that a graph reads or updates, in the order of a walk."""
    results = [
        *graph.outputs,
        *(new for _, new in graph.updates),
        *(variable for variable, _ in graph.updates),
    ]
    return [x for node in topological(results) for x in node.outputs if node.op.name == "variable"]


def _restored(outputs: Any, values: Sequence[Any]) -> Any:
    return None if outputs is None else restore(outputs, values)


def _handed_over(results: Sequence[Array], given: Sequence[Array]) -> Sequence[Array]:
    """The results, or the arrays of the caller's with them."""
    for x, y in zip(given, results, strict=False):
        x[...] = y
    return given or results


def _restoring(call: Callable[..., Any], outputs: Any) -> Callable[..., Any]:
    def restored(*args: Any, **kwargs: Any) -> Any:
        return restore(outputs, call(*args, **kwargs))

    return restored


def build_numba(stages: Stages, signature: Signature, outputs: Any) -> Executable:
    """The same kernels as Python source, compiled by Numba."""
    from graphc.backends.numba.executable import build

    stages.vector_bits = 0
    assert stages.program is not None
    return _running(stages, signature, outputs, "numba", build(stages.program))


def build_cuda(stages: Stages, signature: Signature, outputs: Any) -> Executable:
    """Kernels for the first GPU, by our own PTX; UnsupportedError where there is none."""
    from graphc.backends.cuda.driver import first_device
    from graphc.backends.cuda.executable import build
    from graphc.backends.cuda.module import device_program

    device = first_device()
    stages.program = device_program(stages.graph)
    return _running(stages, signature, outputs, "cuda", build(stages.program, device))


def build_numba_cuda(stages: Stages, signature: Signature, outputs: Any) -> Executable:
    """The same kernels as Python source for Numba's current GPU."""
    from graphc.backends.cuda.module import device_program
    from graphc.backends.cuda.through_numba import build

    stages.program = device_program(stages.graph)
    return _running(stages, signature, outputs, "numba-cuda", build(stages.program))


def _running(
    stages: Stages,
    signature: Signature,
    outputs: Any,
    target: str,
    run: Callable[[Sequence[Array], Mapping[str, int]], list[Array]],
) -> Executable:
    """An executable around a function of conforming arrays and sizes."""
    binding = Binding(signature, outputs)

    def call(*args: Any, **kwargs: Any) -> Any:
        arrays, given = binding.split(args, kwargs)
        results = run(arrays, signature.sizes(arrays))
        return _restored(outputs, _handed_over(results, given))

    return _executable(stages, signature, target, call)
