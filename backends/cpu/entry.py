"""What the cache keeps of a compiled graph: its object code, its constants, and what calling it
takes. Plain bytes and JSON, never pickled.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from graphc.backends.cpu.origins import Origin
from graphc.ir.dtypes import as_dtype
from graphc.ir.record import dataclass
from graphc.ops.literal import aligned_empty

Dims = tuple[tuple[str, int], ...]

ALIGNMENT = 64
"""Bytes to a multiple of which the head, each object and each constant are filled up."""


@dataclass(frozen=True)
class Entry:
    """A compiled graph. `inputs` are (name, dtype, dims of `InputSpec`), `outputs` (dtype, rank);
    `variables` are positions in the caller's list of variables; `constants` are (dtype, shape,
    origin); `failures` are (function, subject, where, given_in) of each `Failure` by code - 1;
    `names` are those of the first of its `sizes`; `code_bytes` are the lengths of its objects.
    """

    inputs: tuple[tuple[str, str, Dims], ...]
    outputs: tuple[tuple[str, int], ...]
    variables: tuple[int, ...]
    constants: tuple[tuple[str, tuple[int, ...], Origin], ...]
    failures: tuple[tuple[str, str, str, tuple[int, ...]], ...]
    names: tuple[str, ...]
    sizes: int
    stateful: bool
    plan: str
    run: str
    code_bytes: tuple[int, ...]


@dataclass(frozen=True)
class Packed:
    """An entry in one block of memory with its objects and those of its constants that are of no
    origin.
    """

    entry: Entry
    data: memoryview
    objects: tuple[memoryview, ...]
    constants: tuple[np.ndarray, ...]


def pack(
    entry: Entry, objects: Sequence[bytes | memoryview], constants: Sequence[np.ndarray]
) -> Packed:
    """The block of these parts: a length, the entry as JSON, the objects, the constants."""
    values = {field.name: getattr(entry, field.name) for field in fields(entry)}
    head = json.dumps(values, separators=(",", ":")).encode()
    known = list(zip(entry.constants, constants, strict=True))
    stored = [x for (*_, origin), x in known if not origin]
    arrays = [np.ascontiguousarray(x).reshape(-1).view(np.uint8) for x in stored]
    parts: list[Any] = [len(head).to_bytes(8, "little") + head, *objects, *arrays]
    data = aligned_empty(sum(_filled(len(part)) for part in parts)).data
    at = 0
    for part in parts:
        end, filled = at + len(part), at + _filled(len(part))
        data[at:end], data[end:filled] = part, bytes(filled - end)
        at = filled
    return unpack(data, lambda _: [x for (*_, origin), x in known if origin])


def unpack(
    data: memoryview, others: Callable[[Sequence[Origin]], Sequence[np.ndarray]] = lambda _: ()
) -> Packed:
    """What a block holds, with the `others`, the constants of those origins; nothing is copied."""
    end = 8 + int.from_bytes(data[:8], "little")
    values: dict[str, Any] = json.loads(bytes(data[8:end]))
    entry = Entry(**{name: _tuples(value) for name, value in values.items()})
    at = _filled(end)
    objects: list[memoryview] = []
    for size in entry.code_bytes:
        objects.append(data[at : at + size])
        at += _filled(size)
    constants: list[np.ndarray] = []
    found = iter(others([origin for *_, origin in entry.constants if origin]))
    for dtype, shape, origin in entry.constants:
        if origin:
            constants.append(next(found))
            continue
        kind = as_dtype(dtype).numpy
        constants.append(np.ndarray(shape, kind, data, at))
        at += _filled(constants[-1].nbytes)
    return Packed(entry, data, tuple(objects), tuple(constants))


def _filled(count: int) -> int:
    return -(-count // ALIGNMENT) * ALIGNMENT


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
