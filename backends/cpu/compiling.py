"""Compiles a program for this CPU: its object code, and the entry that says how to call it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from graphc.backends.cpu import cache
from graphc.backends.cpu.entry import Dims, Entry, Packed, pack
from graphc.backends.cpu.origins import arrays_of, origin_of
from graphc.backends.llvm.engine import Compilation
from graphc.backends.llvm.module import PLAN, RUN, emit_parts
from graphc.backends.llvm.parts import OPTIMISED
from graphc.backends.llvm.target import Target
from graphc.backends.program import Program, compound_dims, slots
from graphc.ir.dim_values import is_name
from graphc.ir.node import Tensor
from graphc.ir.threads import default_threads
from graphc.ops.literal import Literal

if TYPE_CHECKING:
    from graphc.backends.llvm.timers import Timers


def compiled(
    program: Program,
    variables: Sequence[Tensor],
    target: Target,
    timers: Timers | None = None,
    written: Sequence[Literal] = (),
) -> Packed:
    """Entry, object code and constants of a program; equal code is taken from the cache. `written`
    are literals that who calls the code has.
    """
    objects = _objects(program, target, timers)
    constants = [_literal(x) for x in program.constants]
    number = {literal: k for k, literal in enumerate(written)}
    entry = replace(
        _entry_of(program, variables),
        constants=tuple(
            (x.dtype.name, literal.shape, origin_of(literal, number))
            for x, literal in zip(program.constants, constants, strict=True)
        ),
        code_bytes=tuple(map(len, objects)),
    )
    return pack(entry, objects, arrays_of(constants))


def _objects(program: Program, target: Target, timers: Timers | None) -> list[bytes | memoryview]:
    """Object code of each part of a program, from the cache where it is there."""
    keys: list[str] = []
    known: dict[str, bytes | memoryview] = {}
    with Compilation(target, default_threads()) as compilation:

        def ready(part: str, level: int = OPTIMISED, last: bool = False) -> None:
            keys.append(cache.key(part, target, f"level {level}"))
            found = cache.get(keys[-1])
            if found is None:
                compilation.add(part, level, last=last)
            else:
                known[keys[-1]] = found

        ready(*emit_parts(program, ready, timers), last=True)
        missing = [key for key in keys if key not in known]
        for key, code in zip(missing, compilation.objects(), strict=True):
            cache.put(key, code)
            known[key] = code
    return [known[key] for key in keys]


def _entry_of(program: Program, variables: Sequence[Tensor]) -> Entry:
    """The entry of a program, without constants and code; `variables` is the caller's list, in
    which positions count.
    """
    position = {x: k for k, x in enumerate(variables)}
    compound = dict(
        zip(_compound_axes(program), (slot for slot, _ in compound_dims(program)), strict=True)
    )
    first = _first_axes(program)
    return Entry(
        inputs=tuple(_input(program, x, compound, first) for x in program.inputs),
        outputs=tuple((x.dtype.name, x.ndim) for x in program.outputs),
        variables=tuple(position[x] for x in program.variables),
        constants=(),
        failures=tuple(
            (f.function, f.subject, f.where, f.given_in(program.inputs)) for f in program.failures
        ),
        names=program.sizes,
        sizes=slots(program),
        stateful=program.first_commit < len(program.calls),
        plan=PLAN,
        run=RUN,
        code_bytes=(),
    )


def _literal(x: Tensor) -> Literal:
    value: Literal = x.node.attrs["value"]
    return value


def _input(
    program: Program,
    x: Tensor,
    compound: Mapping[tuple[int, int], int],
    first: Mapping[str, tuple[int, int]],
) -> tuple[str, str, Dims]:
    """Where each axis' length goes: the first argument that brings a size binds it, later ones must
    agree.
    """
    sizes = list(program.sizes)
    dims: list[tuple[str, int]] = []
    for axis, d in enumerate(x.shape):
        if isinstance(d, int):
            dims.append(("const", d))
        elif is_name(d):
            dims.append(("bind" if first[str(d)] == (id(x), axis) else "same", sizes.index(str(d))))
        else:
            dims.append(("free", compound[id(x), axis]))
    return str(x.node.attrs["name"]), x.dtype.name, tuple(dims)


def _first_axes(program: Program) -> dict[str, tuple[int, int]]:
    """For each named size, the identity of the first input that brings it alone, and the axis."""
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
