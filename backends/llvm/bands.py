"""A loop over bands of rows in a program's `run`: one job whose chunks are runs of bands, in a
function of its own.

The function is `void PREFIX.bands(ptr frame, i64 chunk)`; the frame is a table of pointers: the
sizes, then operands, results and scratch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from graphc.backends.llvm.frames import emit_words
from graphc.backends.llvm.part_writer import PartWriter
from graphc.backends.llvm.values import Values
from graphc.backends.lower.kernel import Nested
from graphc.backends.lower.reader import DimWriter
from graphc.ir.dim_values import product
from graphc.ir.dims import Dim, floordiv
from graphc.ir.types import TensorType
from graphc.ops.loops.bands import Bands, chunks_of, count


def bands_function(values: Values, dims: DimWriter, nested: Nested, prefix: str, slots: int) -> str:
    """The text of the function; `values` and `dims` are fresh, and know sizes by `%sizes`, a table
    of so many slots.
    """
    _BandWriter(values, dims, nested, prefix, slots).chunk()
    head = f"define internal void @{prefix}.bands(ptr %frame, i64 %chunk) nounwind {{"
    return "\n".join([head, *values.lines, "}"])


class _BandWriter(PartWriter):
    """Writes what one chunk does: some runs of bands, each with totals of its own."""

    def __init__(self, values: Values, dims: DimWriter, nested: Nested, prefix: str, slots: int):
        words = emit_words(values, nested)
        attrs = nested.node.attrs
        names = [attrs["rows"]] if attrs["rows"] is not None else []
        self.limited = attrs["columns"] is not None
        names += [attrs["columns"][0]] if self.limited else []
        super().__init__(values, dims, nested, prefix, words.__getitem__, names, slots)
        self.attrs = attrs
        self.batch: tuple[Dim, ...] = self.attrs["batch"]
        self.totals: int = self.attrs["totals"]
        self.bands = self._dim(count(self.attrs))
        self.parts = self._dim(self.attrs["parts"])
        self.height = self._dim(self.attrs["height"])
        self.operands = self.inputs[int(self.limited) :]
        node, lead = nested.node, len(self.batch)
        op, body = node.op, self.attrs["body"]
        assert isinstance(op, Bands)
        self.bytes_in = [
            self._matrix(op.whole(x.type, operand, self.attrs), len(operand[0]))
            for x, operand in zip(body.inputs[self.totals :], self.attrs["operands"], strict=True)
        ]
        self.bytes_out = [
            self._matrix(y.type, lead + (k < self.totals)) for k, y in enumerate(node.outputs)
        ]
        self.extents = [self._dim(d) for d in self.batch]
        self.items = self._dim(product(self.batch) * self.attrs["parts"])
        self.chunks = self._dim(chunks_of(self.attrs))
        self.most_columns = self._dim(self.attrs["columns"][1]) if self.limited else ""
        arenas = nested.scratch[2 * self.carries]
        self._arena = floordiv(arenas.elements, chunks_of(self.attrs))
        self.failed = self._label("failed")
        self.counters = {k: values.assign("alloca i64") for k in ("item", "band")}
        values.declare("declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)")
        for extreme in ("smin", "smax"):
            values.declare(f"declare i64 @llvm.{extreme}.i64(i64, i64)")

    def _matrix(self, type_: TensorType, lead: int) -> tuple[str, str]:
        """Bytes of what one index of the first `lead` axes has, and of a row of that."""
        shape = type_.shape[lead:]
        return tuple(self._dim(TensorType(type_.dtype, s).bytes) for s in (shape, shape[1:]))  # type: ignore[return-value]

    def chunk(self) -> None:
        """The whole function."""
        v = self.values
        self.arenas = [self._slice(p, self._dim(self._arena), "%chunk") for p in self.arenas]
        begin = self._share("%chunk", self.items, self.chunks)
        end = self._share(v.assign("add i64 %chunk, 1"), self.items, self.chunks)
        self._loop("item", begin, end, self._item)
        v.emit("ret void")
        self._start(self.failed)
        self.hand_on()
        v.emit("ret void")

    def _loop(self, name: str, begin: str, end: str, body: Callable[[str], None]) -> None:
        v, slot = self.values, self.counters[name]
        head, inside, after = (self._label(h) for h in ("head", "body", "after"))
        v.emit(f"store i64 {begin}, ptr {slot}")
        v.emit(f"br label %{head}")
        self._start(head)
        k = v.assign(f"load i64, ptr {slot}")
        v.emit(f"br i1 {v.assign(f'icmp slt i64 {k}, {end}')}, label %{inside}, label %{after}")
        self._start(inside)
        v.push()
        body(k)
        v.pop()
        v.emit(f"store i64 {v.assign(f'add nsw i64 {k}, 1')}, ptr {slot}")
        v.emit(f"br label %{head}")
        self._start(after)

    def _item(self, item: str) -> None:
        """A run of bands of one matrix."""
        v = self.values
        n, part = (v.assign(f"{op} i64 {item}, {self.parts}") for op in ("sdiv", "srem"))
        given = [
            self._slice(p, whole, self._place(n, axes))
            for p, (whole, _), (axes, _) in zip(
                self.operands, self.bytes_in, self.attrs["operands"], strict=True
            )
        ]
        made = [
            self._slice(p, whole, item if k < self.totals else n)
            for k, (p, (whole, _)) in enumerate(zip(self.outputs, self.bytes_out, strict=True))
        ]
        for p, (whole, _) in zip(made[: self.totals], self.bytes_out, strict=False):
            v.emit(f"call void @llvm.memset.p0.i64(ptr {p}, i8 0, i64 {whole}, i1 false)")
        begin = self._share(part, self.bands, self.parts)
        end = self._share(v.assign(f"add i64 {part}, 1"), self.bands, self.parts)
        self._loop("band", begin, end, lambda band: self._band(n, band, given, made))

    def _place(self, n: str, axes: Sequence[int]) -> str:
        """The place in some axes of the batch of its element n."""
        v, place, after = self.values, "0", "1"
        for k in reversed(range(len(self.batch))):
            if k in axes:
                digit = v.assign(f"srem i64 {n}, {self.extents[k]}")
                place = v.assign(f"add i64 {place}, {v.assign(f'mul i64 {digit}, {after}')}")
                after = v.assign(f"mul i64 {after}, {self.extents[k]}")
            n = v.assign(f"sdiv i64 {n}, {self.extents[k]}")
        return place

    def _band(self, n: str, band: str, given: Sequence[str], made: Sequence[str]) -> None:
        v, most = self.values, self.attrs["most"]
        at = v.assign(f"mul i64 {band}, {most}")
        sizes = iter(self.own_slots)
        if self.attrs["rows"] is not None:
            left = v.assign(f"sub i64 {self.height}, {at}")
            rows = v.assign(f"call i64 @llvm.smin.i64(i64 {left}, i64 {most})")
            self._store(f"i64 {rows}", self.sizes, next(sizes))
        if self.limited:
            self._store(f"i64 {self._limit(n, band)}", self.sizes, next(sizes))
        operands = [
            self._slice(p, row, at) if by_rows else p
            for p, (_, row), (_, by_rows) in zip(
                given, self.bytes_in, self.attrs["operands"], strict=True
            )
        ]
        rows_out = [
            self._slice(p, row, at)
            for p, (_, row) in zip(made[self.totals :], self.bytes_out[self.totals :], strict=True)
        ]
        code = self._run(0, [*operands, *rows_out, *made[: self.totals]], self.sizes)
        good = self._label("good")
        failing = v.assign(f"icmp ne i64 {code}, 0")
        v.emit(f"br i1 {failing}, label %{self.failed}, label %{good}")
        self._start(good)

    def _limit(self, n: str, band: str) -> str:
        """The columns that a band sees."""
        v = self.values
        place = v.assign(f"add i64 {v.assign(f'mul i64 {n}, {self.bands}')}, {band}")
        at = v.assign(f"getelementptr i64, ptr {self.inputs[0]}, i64 {place}")
        given = v.assign(f"load i64, ptr {at}")
        least = v.assign(f"call i64 @llvm.smax.i64(i64 {given}, i64 0)")
        return v.assign(f"call i64 @llvm.smin.i64(i64 {least}, i64 {self.most_columns})")
