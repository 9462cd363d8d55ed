"""A scan by strips of rows in a program's `run`: one job whose chunks are strips, each of which
goes through all steps in a function of its own.

The function is `void PREFIX.strip(ptr frame, i64 strip)`; the frame is a table of pointers: the
sizes, then operands, results and scratch.
"""

from __future__ import annotations

from collections.abc import Callable

from graphc.backends.llvm.frames import emit_frame, emit_words
from graphc.backends.llvm.part_writer import PartWriter
from graphc.backends.llvm.values import Values
from graphc.backends.lower.kernel import Buffer, Nested
from graphc.backends.lower.reader import DimWriter, size_variable
from graphc.ir.dims import floordiv
from graphc.ir.node import Tensor
from graphc.ir.types import TensorType


def emit_strips(
    values: Values, nested: Nested, prefix: str, count: str, pointer: Callable[[Buffer], str]
) -> None:
    """The statements that have all strips done, of which there are `count`."""
    frame = emit_frame(values, nested, prefix, pointer)
    values.emit(f"call void @gc_parallel(ptr @{prefix}.strip, ptr {frame}, i64 {count})")


def strip_function(values: Values, dims: DimWriter, nested: Nested, prefix: str, slots: int) -> str:
    """The text of the function; `values` and `dims` are fresh, and know sizes by `%sizes`, a table
    of so many slots.
    """
    _StripWriter(values, dims, nested, prefix, slots).strip()
    head = f"define internal void @{prefix}.strip(ptr %frame, i64 %strip) nounwind {{"
    return "\n".join([head, *values.lines, "  ret void", "}"])


class _StripWriter(PartWriter):
    """Writes the loop over a strip's steps."""

    def __init__(self, values: Values, dims: DimWriter, nested: Nested, prefix: str, slots: int):
        words = emit_words(values, nested)
        self.attrs = nested.node.attrs
        names = [] if self.attrs["rows"] is None else [self.attrs["rows"]]
        super().__init__(values, dims, nested, prefix, words.__getitem__, names, slots)

    def strip(self) -> None:
        """The whole function's statements."""
        attrs, body = self.attrs, self.attrs["body"]
        first = self._first_row()
        own = self.carries + attrs["stacks"]
        self.inputs = [
            self._of_strip(p, x, first) if k < own else p
            for k, (p, x) in enumerate(zip(self.inputs, body.inputs, strict=True))
        ]
        carried = body.inputs[: self.carries]
        self.outputs, self.first, self.second = (
            [self._of_strip(p, x, first) for p, x in zip(places, parts, strict=True)]
            for places, parts in (
                (self.outputs, body.outputs), (self.first, carried), (self.second, carried)
            )
        )  # fmt: skip
        arenas = self.nested.scratch[2 * self.carries]
        room = self._dim(floordiv(arenas.elements, attrs["count"]))
        self.arenas = [self._slice(p, room, "%strip") for p in self.arenas]
        self.scan()
        self.hand_on()

    def _first_row(self) -> str:
        """The strip's first row; the body is told how many it has."""
        v, attrs = self.values, self.attrs
        if attrs["rows"] is None:
            return v.assign(f"mul i64 %strip, {attrs['most']}")
        height, count = self._dim(attrs["height"]), self._dim(attrs["count"])
        first = self._share("%strip", height, count)
        end = self._share(v.assign("add i64 %strip, 1"), height, count)
        rows = v.assign(f"sub i64 {end}, {first}")
        v.names[0][size_variable(attrs["rows"])] = rows
        self._store(f"i64 {rows}", self.sizes, self.own_slots[0])
        return first

    def _of_strip(self, base: str, part: Tensor, first: str) -> str:
        """Where the strip's part of an array of rows begins."""
        row = self._dim(TensorType(part.dtype, part.shape[1:]).bytes)
        return self._slice(base, row, first)

    def _row_bytes(self, x: Tensor, skip: int) -> str:
        whole = (self.attrs["height"], *x.shape[1:])
        return self._dim(TensorType(x.dtype, whole).bytes)
