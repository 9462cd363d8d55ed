"""Spells loads and stores of the loop IR as LLVM IR: scalars, vectors of neighbours, and others."""

from __future__ import annotations

from graphc.backends.llvm.scope import Scope
from graphc.backends.llvm.types import mangled, memory_type, type_of, vector_type
from graphc.backends.loops.expr import Expr
from graphc.ir.dtypes import DType


class Memory(Scope):
    """What one function reads and writes."""

    def address(self, buffer: str, index: Expr, dtype: DType) -> str:
        """Pointer (or vector of pointers) to elements of a buffer."""
        base = self.named(buffer)
        where = index.args[0] if index.op == "ramp" else index
        return self.assign(
            f"getelementptr inbounds {memory_type(dtype)}, ptr {base}, {self.typed(where)}"
        )

    def _load(self, x: Expr) -> str:
        index = x.args[0]
        mask = x.args[1] if len(x.args) > 1 else None
        pointer = self.address(x.attr, index, x.dtype)
        type_ = vector_type(memory_type(x.dtype), x.lanes)
        align = x.dtype.bytes
        if x.lanes > 1 and index.op != "ramp":
            raw = self._gather(type_, pointer, mask, x, align)
        elif mask is None:
            raw = self.assign(f"load {type_}, ptr {pointer}, align {align}")
        elif x.lanes == 1:
            safe = self.assign(f"select {self.typed(mask)}, ptr {pointer}, ptr %zeros")
            raw = self.assign(f"load {type_}, ptr {safe}, align {align}")
        else:
            name = f"llvm.masked.load.v{x.lanes}{self._memory_mangled(x.dtype)}.p0"
            flags = vector_type("i1", x.lanes)
            self.declare(f"declare {type_} @{name}(ptr, i32, {flags}, {type_})")
            arguments = f"ptr {pointer}, i32 {align}, {self.typed(mask)}, {type_} zeroinitializer"
            raw = self.assign(f"call {type_} @{name}({arguments})")
        return self._from_memory(raw, x.dtype, x.lanes)

    def _memory_mangled(self, dtype: DType) -> str:
        return "i8" if dtype.kind == "b" else mangled(dtype, 1)

    def _gather(self, type_: str, pointer: str, mask: Expr | None, x: Expr, align: int) -> str:
        name = f"llvm.masked.gather.v{x.lanes}{self._memory_mangled(x.dtype)}.v{x.lanes}p0"
        flags = vector_type("i1", x.lanes)
        self.declare(f"declare {type_} @{name}(<{x.lanes} x ptr>, i32, {flags}, {type_})")
        on = f"{flags} splat (i1 true)" if mask is None else self.typed(mask)
        arguments = f"<{x.lanes} x ptr> {pointer}, i32 {align}, {on}, {type_} zeroinitializer"
        return self.assign(f"call {type_} @{name}({arguments})")

    def _from_memory(self, raw: str, dtype: DType, lanes: int) -> str:
        if dtype.kind != "b":
            return raw
        zero = "zeroinitializer" if lanes > 1 else "0"
        return self.assign(f"icmp ne {vector_type('i8', lanes)} {raw}, {zero}")

    def _made(self, value: str, x: Expr) -> str:
        """The vector, made before it is stored: LLVM takes the narrowing of integers into a masked
        store, of which it then stores a wide element where it finds that the mask is of one lane.
        """
        if memory_type(x.dtype) in ("float", "double") or x.lanes * x.dtype.bytes % 4:
            return value
        words = x.lanes * x.dtype.bytes // 4
        whole, type_ = vector_type("float", words), vector_type(memory_type(x.dtype), x.lanes)
        name = f"llvm.arithmetic.fence.{'' if words == 1 else f'v{words}'}f32"
        self.declare(f"declare {whole} @{name}({whole})")
        wide = self.assign(f"bitcast {type_} {value} to {whole}")
        made = self.assign(f"call {whole} @{name}({whole} {wide})")
        return self.assign(f"bitcast {whole} {made} to {type_}")

    def _address(self, x: Expr) -> str:
        pointer = self.assign(
            f"getelementptr i8, ptr {self.named(x.attr)}, {self.typed(x.args[0])}"
        )
        return self.assign(f"ptrtoint ptr {pointer} to i64")

    def prefetch(self, buffer: str, index: Expr, dtype: DType, written: bool) -> None:
        """Asks for a line, into the second cache: the first has enough with what is in use; what is
        written soon comes into the first.
        """
        pointer = self.assign(
            f"getelementptr {memory_type(dtype)}, ptr {self.named(buffer)}, {self.typed(index)}"
        )
        how = "1, i32 3" if written else "0, i32 2"
        self.declare("declare void @llvm.prefetch.p0(ptr, i32, i32, i32)")
        self.emit(f"call void @llvm.prefetch.p0(ptr {pointer}, i32 {how}, i32 1)")

    def store(
        self, buffer: str, index: Expr, x: Expr, mask: Expr | None, stream: bool = False
    ) -> None:
        """Writes elements; a masked scalar store is a branch of the caller's. A streamed vector
        lies at a multiple of its size.
        """
        value = self.value(x)
        if x.dtype.kind == "b":
            value = self.assign(f"zext {type_of(x)} {value} to {vector_type('i8', x.lanes)}")
        pointer = self.address(buffer, index, x.dtype)
        type_ = vector_type(memory_type(x.dtype), x.lanes)
        align, lanes = x.dtype.bytes, x.lanes
        flags = vector_type("i1", lanes)
        if lanes > 1 and index.op != "ramp":
            name = f"llvm.masked.scatter.v{lanes}{self._memory_mangled(x.dtype)}.v{lanes}p0"
            self.declare(f"declare void @{name}({type_}, <{lanes} x ptr>, i32, {flags})")
            on = f"{flags} splat (i1 true)" if mask is None else self.typed(mask)
            self.emit(
                f"call void @{name}({type_} {value}, <{lanes} x ptr> {pointer}, i32 {align}, {on})"
            )
        elif mask is None:
            how = f"align {align}"
            if stream and lanes > 1:
                self.declare("!0 = !{i32 1}")
                how = f"align {align * lanes}, !nontemporal !0"
            self.emit(f"store {type_} {value}, ptr {pointer}, {how}")
        else:
            name = f"llvm.masked.store.v{lanes}{self._memory_mangled(x.dtype)}.p0"
            self.declare(f"declare void @{name}({type_}, ptr, i32, {flags})")
            arguments = (
                f"{type_} {self._made(value, x)}, ptr {pointer}, i32 {align}, {self.typed(mask)}"
            )
            self.emit(f"call void @{name}({arguments})")
        self.changed(buffer)
