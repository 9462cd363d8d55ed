"""What the cache keeps of a compiled graph: its object code, and what calling it takes. Plain bytes and JSON, never pickled."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from graphc.backends.llvm.module import compound_dims, is_name, slots
from graphc.backends.program import Program
from graphc.ir.dtypes import as_dtype
from graphc.ir.node import Tensor

Dims = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Entry:
    """A compiled graph. `inputs` are (name, dtype, dims of `InputSpec`), `outputs` (dtype, rank); `variables` are positions in
    the caller's list of variables; `constants` are (dtype, shape, base64); `failures` are messages by code - 1."""

    inputs: tuple[tuple[str, str, Dims], ...]
    outputs: tuple[tuple[str, int], ...]
    variables: tuple[int, ...]
    constants: tuple[tuple[str, tuple[int, ...], str], ...]
    failures: tuple[str, ...]
    sizes: int
    stateful: bool
    plan: str
    run: str

    def to_bytes(self, code: bytes) -> bytes:
        """The entry and its object code as one block."""
        head = json.dumps(asdict(self), separators=(",", ":")).encode()
        return len(head).to_bytes(8, "little") + head + code

    @staticmethod
    def from_bytes(data: bytes) -> tuple[Entry, bytes]:
        """The inverse of `to_bytes`."""
        end = 8 + int.from_bytes(data[:8], "little")
        fields = json.loads(data[8:end])
        return Entry(**{name: _tuples(value) for name, value in fields.items()}), data[end:]

    def constant_arrays(self) -> list[np.ndarray]:
        """The constants as arrays."""
        return [
            np.frombuffer(base64.b64decode(raw), as_dtype(dtype).numpy).reshape(shape)
            for dtype, shape, raw in self.constants
        ]


def _tuples(value: object) -> object:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def entry_of(program: Program, variables: Sequence[Tensor], plan: str, run: str) -> Entry:
    """The entry of a program; `variables` is the caller's list, in which positions count."""
    position = {x: k for k, x in enumerate(variables)}
    compound = dict(zip(_compound_axes(program), (slot for slot, _ in compound_dims(program)), strict=True))
    first = _first_axes(program)
    return Entry(
        inputs=tuple(_input(program, x, compound, first) for x in program.inputs),
        outputs=tuple((x.dtype.name, x.ndim) for x in program.outputs),
        variables=tuple(position[x] for x in program.variables),
        constants=tuple(_constant(x) for x in program.constants),
        failures=tuple(_message(program, code) for code in range(len(program.failures))),
        sizes=slots(program),
        stateful=program.first_commit < len(program.calls),
        plan=plan,
        run=run,
    )


def _message(program: Program, code: int) -> str:
    failure = program.failures[code]
    where = f"\n  at {failure.node.source}" if failure.node.source else ""
    return f"{failure.node.op.name}: index {{value}} is out of range for {failure.what}{where}"


def _constant(x: Tensor) -> tuple[str, tuple[int, ...], str]:
    array = x.node.attrs["value"].array
    return x.dtype.name, array.shape, base64.b64encode(array.tobytes()).decode()


def _input(
    program: Program, x: Tensor, compound: Mapping[tuple[int, int], int], first: Mapping[str, tuple[int, int]]
) -> tuple[str, str, Dims]:
    """Where each axis' length goes: the first argument that brings a size binds it, later ones must agree."""
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
    """For each named size, the identity of the first input that brings it by itself, and the axis."""
    found: dict[str, tuple[int, int]] = {}
    for x in program.inputs:
        for axis, d in enumerate(x.shape):
            if is_name(d):
                found.setdefault(str(d), (id(x), axis))
    return found


def _compound_axes(program: Program) -> list[tuple[int, int]]:
    return [
        (id(x), k) for x in program.inputs for k, d in enumerate(x.shape) if not isinstance(d, int) and not is_name(d)
    ]
