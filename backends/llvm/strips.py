"""A scan by strips of rows in a program's `run`: one job whose chunks are strips, each of which
goes through all steps in a function of its own.

The function is `void PREFIX.strip(ptr frame, i64 strip)`; the frame is a table of pointers: the
sizes, then operands, results and scratch.
"""

from __future__ import annotations

from collections.abc import Callable

from graphc.backends.llvm.frames import emit_frame, emit_words
from graphc.backends.llvm.nested import LoopWriter
from graphc.backends.llvm.values import Values
from graphc.backends.lower.kernel import Buffer, Nested
from graphc.backends.lower.reader import DimWriter
from graphc.ir.node import Tensor
from graphc.ir.types import TensorType


def emit_strips(
    values: Values, nested: Nested, prefix: str, pointer: Callable[[Buffer], str]
) -> None:
    """The statements that have all strips done."""
    attrs = nested.node.attrs
    frame = emit_frame(values, nested, prefix, pointer)
    count = attrs["height"] // attrs["rows"]
    values.emit(f"call void @gc_parallel(ptr @{prefix}.strip, ptr {frame}, i64 {count})")


def strip_function(values: Values, dims: DimWriter, nested: Nested, prefix: str) -> str:
    """The text of the function; `values` and `dims` are fresh, and know sizes by `%sizes`."""
    _StripWriter(values, dims, nested, prefix).scan()
    head = f"define internal void @{prefix}.strip(ptr %frame, i64 %strip) nounwind {{"
    return "\n".join([head, *values.lines, "  ret void", "}"])


class _StripWriter(LoopWriter):
    """Writes the loop over a strip's steps."""

    def __init__(self, values: Values, dims: DimWriter, nested: Nested, prefix: str):
        words = emit_words(values, nested)
        super().__init__(values, dims, nested, prefix, words.__getitem__)
        attrs, body = nested.node.attrs, nested.node.attrs["body"]
        own = self.carries + attrs["stacks"]
        self.inputs = [
            self._of_strip(p, x) if k < own else p
            for k, (p, x) in enumerate(zip(self.inputs, body.inputs, strict=True))
        ]
        self.outputs = list(map(self._of_strip, self.outputs, body.outputs))
        carried = body.inputs[: self.carries]
        self.first = list(map(self._of_strip, self.first, carried))
        self.second = list(map(self._of_strip, self.second, carried))
        most = nested.programs[0].plan.arena_bytes
        self.arenas = [self._slice(p, self._dim(most), "%strip") for p in self.arenas]

    def _of_strip(self, base: str, part: Tensor) -> str:
        """Where the strip's part of an array of rows begins."""
        return self._slice(base, self._bytes(part), "%strip")

    def _row_bytes(self, x: Tensor, skip: int) -> str:
        whole = (self.nested.node.attrs["height"], *x.shape[1:])
        return self._dim(TensorType(x.dtype, whole).bytes)
