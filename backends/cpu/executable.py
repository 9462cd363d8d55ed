"""A program as native code in this process: compiled or taken from the cache, and wrapped for calling."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from graphc.backends.cpu import cache
from graphc.backends.cpu.caller import make_caller
from graphc.backends.cpu.callspec import CallSpec, InputSpec, OutputSpec, Prepare
from graphc.backends.cpu.pool import pool_symbols
from graphc.backends.llvm.engine import Library, Target, compile_object, load_object, named_target
from graphc.backends.llvm.module import Module, compound_dims, is_name, module_of, slots
from graphc.backends.lower.kernel import Schedule
from graphc.backends.program import Program
from graphc.ir.errors import IndexRangeError
from graphc.ir.node import Tensor


@dataclass(frozen=True, eq=False)
class Native:
    """A callable that runs the program, the library that holds its code, and whether it came from the cache."""

    call: Callable[..., Any]
    library: Library
    module: Module
    from_cache: bool


def schedule_for(target: Target) -> Schedule:
    """The schedule that suits a CPU."""
    return Schedule(vector_bits=target.vector_bits)


def build(program: Program, structure: str, prepare: Prepare, isa: str = "host") -> Native:
    """Native code of a program. `structure` is "one", "tuple", "list" or "none"; `prepare` makes conforming arguments."""
    target = named_target(isa)
    module = module_of(program)
    key = cache.key(module.text, target)
    data = cache.get(key)
    from_cache = data is not None
    if data is None:
        data = compile_object(module.text, target)
        cache.put(key, data)
    library = load_object(data, pool_symbols(), keep=True)
    spec = CallSpec(
        name=program.name,
        inputs=tuple(_input_spec(program, x) for x in program.inputs),
        outputs=tuple(OutputSpec(x.dtype.numpy, x.ndim) for x in program.outputs),
        variables=tuple(_address(x) for x in (*program.variables, *program.constants)),
        sizes=slots(program),
        structure=structure,
        plan=library.address(module.plan),
        run=library.address(module.run),
        stateful=program.first_commit < len(program.calls),
        prepare=prepare,
        fail=failure_of(program),
    )
    return Native(make_caller(spec), library, module, from_cache)


def _input_spec(program: Program, x: Tensor) -> InputSpec:
    """Where each axis' length goes: the first argument that brings a size binds it, later ones must agree."""
    sizes = list(program.sizes)
    compound = dict(
        zip(_compound_axes(program), (slot for slot, _ in compound_dims(program)), strict=True)
    )
    first = _first_axes(program)
    dims: list[tuple[str, int]] = []
    for axis, d in enumerate(x.shape):
        if isinstance(d, int):
            dims.append(("const", d))
        elif is_name(d):
            number = sizes.index(str(d))
            dims.append(("bind" if first[str(d)] == (id(x), axis) else "same", number))
        else:
            dims.append(("free", compound[id(x), axis]))
    return InputSpec(str(x.node.attrs["name"]), x.dtype.numpy, tuple(dims))


def _first_axes(program: Program) -> dict[str, tuple[int, int]]:
    """For each named size, the identity of the first input that brings it by itself, and the axis."""
    found: dict[str, tuple[int, int]] = {}
    for x in program.inputs:
        for axis, d in enumerate(x.shape):
            if is_name(d):
                found.setdefault(str(d), (id(x), axis))
    return found


def _compound_axes(program: Program) -> list[tuple[int, int]]:
    return [
        (id(x), k)
        for x in program.inputs
        for k, d in enumerate(x.shape)
        if not isinstance(d, int) and not is_name(d)
    ]


def _address(x: Tensor) -> int:
    attrs = x.node.attrs
    array = attrs["state"].array if x.node.op.name == "variable" else attrs["value"].array
    return int(array.ctypes.data)


def failure_of(program: Program) -> Callable[[int, int, tuple[int, ...]], object]:
    """The function that raises the error of a failed check."""

    def fail(code: int, value: int, sizes: tuple[int, ...]) -> object:
        failure = program.failures[code - 1]
        where = f"\n  at {failure.node.source}" if failure.node.source else ""
        raise IndexRangeError(
            f"{failure.node.op.name}: index {value} is out of range for {failure.what}{where}"
        )

    return fail
