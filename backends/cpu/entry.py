"""What the cache keeps of a compiled graph: its object code, and what calling it takes. Plain bytes
and JSON, never pickled.
"""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from graphc.ir.dtypes import as_dtype

Dims = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Entry:
    """A compiled graph. `inputs` are (name, dtype, dims of `InputSpec`), `outputs` (dtype, rank);
    `variables` are positions in the caller's list of variables; `constants` are (dtype, shape,
    base64); `failures` are messages by code - 1.
    """

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
        fields: dict[str, Any] = json.loads(data[8:end])
        return Entry(**{name: _tuples(value) for name, value in fields.items()}), data[end:]

    def constant_arrays(self) -> list[np.ndarray]:
        """The constants as arrays."""
        return [
            np.frombuffer(base64.b64decode(raw), as_dtype(dtype).numpy).reshape(shape)
            for dtype, shape, raw in self.constants
        ]


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
