"""Packs a `CallSpec` into the native record that `call_entry` reads (layout: `call_ir`)."""

from __future__ import annotations

import ctypes
import struct

from graphc.backends.cpu.callspec import STRUCTURES, CallSpec

_libc = ctypes.CDLL(None)
_libc.malloc.restype = ctypes.c_void_p
_libc.malloc.argtypes = [ctypes.c_size_t]

FIXED_SLOTS = 20
"""Eight-byte slots of the record before its tables."""

_KIND = {"const": 0, "bind": 1, "free": 1, "same": 2}


def native_record(spec: CallSpec) -> int:
    """The address of a new record. It borrows the spec's dtypes, `prepare` and `fail`.

    It belongs to the capsule whose destructor is `call_destroy`, which frees it.
    """
    inputs, outputs = _input_table(spec), _output_table(spec)
    size = 8 * (FIXED_SLOTS + len(inputs) + len(outputs) + len(spec.variables))
    address = _libc.malloc(size)
    if not address:
        raise MemoryError(f"no memory for a call record of {size} bytes")
    inputs_at = address + 8 * FIXED_SLOTS
    outputs_at = inputs_at + 8 * len(inputs)
    tables = (inputs_at, outputs_at, outputs_at + 8 * len(outputs))
    slots = [*_fixed_slots(spec, tables), *inputs, *outputs, *spec.variables]
    ctypes.memmove(address, struct.pack(f"={len(slots)}q", *slots), size)
    return int(address)


def _fixed_slots(spec: CallSpec, tables: tuple[int, int, int]) -> list[int]:
    counts = [len(spec.inputs), len(spec.outputs), len(spec.variables), spec.sizes]
    code = [spec.plan, spec.run, id(spec.prepare), id(spec.fail)]
    modes = [STRUCTURES.index(spec.structure), int(spec.stateful)]
    sizes_at = 16
    plan_at = sizes_at + 8 * (spec.sizes + 2)
    buffers_at = plan_at + 8 * (2 + sum(output.ndim for output in spec.outputs))
    results_at = buffers_at + 8 * sum(counts[:3])
    frame_bytes = results_at + 8 * counts[1]
    slots = [*counts, *tables, *code, *modes, 0, frame_bytes]
    slots += [sizes_at, plan_at, buffers_at, results_at, id(spec.out) if spec.out else 0]
    assert len(slots) == FIXED_SLOTS, f"a record has {FIXED_SLOTS} slots, not {len(slots)}"
    return slots


def _input_table(spec: CallSpec) -> list[int]:
    table: list[int] = []
    for item in spec.inputs:
        table += [id(item.dtype), len(item.dims), item.dtype.itemsize, id(item.name)]
        for kind, value in item.dims:
            table += [_KIND[kind], value]
    return table


def _output_table(spec: CallSpec) -> list[int]:
    table: list[int] = []
    for item in spec.outputs:
        table += [id(item.dtype), item.ndim, item.dtype.itemsize]
    return table
