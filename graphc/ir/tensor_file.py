"""Files of named arrays in the safetensors format: eight bytes with the length of a JSON header,
the header, and the arrays one after the other. Equal names, types and shapes give equal headers.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from graphc.ir.dtypes import DType, as_dtype
from graphc.ir.errors import GraphError
from graphc.ir.whole_file import whole_file

_KINDS = {
    "bool": "BOOL",
    "int8": "I8",
    "int16": "I16",
    "int32": "I32",
    "int64": "I64",
    "uint8": "U8",
    "uint16": "U16",
    "uint32": "U32",
    "uint64": "U64",
    "float16": "F16",
    "bfloat16": "BF16",
    "float32": "F32",
    "float64": "F64",
}
_DTYPES = {kind: as_dtype(name) for name, kind in _KINDS.items()}


def file_order(names: Iterable[str]) -> list[str]:
    """The order in which the arrays of these names lie in a file."""
    return sorted(names)


def file_header(entries: Mapping[str, tuple[DType, tuple[int, ...]]]) -> bytes:
    """What a file of arrays of these dtypes and shapes begins with."""
    found: dict[str, object] = {}
    end = 0
    for name in file_order(entries):
        dtype, shape = entries[name]
        begin, end = end, end + int(np.prod(shape, dtype=np.int64)) * dtype.bytes
        kind = _KINDS[dtype.name]
        found[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(found, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def write_tensors(path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray]) -> None:
    """Writes the arrays to a file, whole or not at all."""
    header = file_header({k: (as_dtype(a.dtype), a.shape) for k, a in arrays.items()})
    with whole_file(path) as file:
        file.write(header)
        for name in file_order(arrays):
            file.write(np.ascontiguousarray(arrays[name]).tobytes())


def read_tensors(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The arrays in a file; raises GraphError for a file that is damaged or of another kind."""
    with open(path, "rb") as file:
        data = file.read()
    begin = 8 + int.from_bytes(data[:8], "little")
    try:
        entries = None
        if 8 < begin <= len(data):
            entries = json.loads(data[8:begin], object_pairs_hook=_without_repeats)
        if not isinstance(entries, dict):
            raise ValueError("it has no header")
        entries.pop("__metadata__", None)
        memory = memoryview(data)[begin:]
        _demand_whole(entries, len(memory))
        return {name: _array(memory, name, entry) for name, entry in entries.items()}
    except (ValueError, TypeError, RecursionError) as error:
        raise GraphError(f"{os.fspath(path)} is no safetensors file: {error}") from None


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"its header has {twice!r} twice")
    return found


def _demand_whole(entries: Mapping[str, Any], size: int) -> None:
    """Raises ValueError unless the arrays fill the data, each with bytes of its own: then they take
    no more memory than the file.
    """
    for name, entry in entries.items():
        if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
            raise ValueError(f"its header tells no dtype, shape and data_offsets of {name!r} alone")
    at = 0
    for name, entry in sorted(entries.items(), key=lambda item: item[1]["data_offsets"]):
        begin, end = entry["data_offsets"]
        if not 0 <= begin <= end <= size:
            raise ValueError(f"the data of {name!r} do not reach from {begin} to {end}")
        if begin != at:
            raise ValueError(f"the data of {name!r} begin at {begin}, not at {at}")
        at = end
    if at != size:
        raise ValueError(f"there are {size} bytes of data, not {at}")


def _array(data: memoryview, name: str, entry: Mapping[str, Any]) -> np.ndarray:
    (begin, end), dtype, shape = entry["data_offsets"], entry["dtype"], entry["shape"]
    if dtype not in _DTYPES:
        raise ValueError(f"the dtype of {name!r} is {dtype!r}")
    if not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError(f"the shape of {name!r} is {shape!r}")
    raw = np.frombuffer(data[begin:end], np.uint8)
    if dtype == "BOOL" and (raw > 1).any():
        raise ValueError(f"the elements of {name!r} are no truths")
    return raw.view(_DTYPES[dtype].numpy).reshape(shape).copy()
