"""Spells loop-IR expressions as LLVM IR instructions; every expression once per scope."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from graphc.backends.llvm.scope import Scope
from graphc.backends.llvm.types import (
    literal,
    mangled,
    memory_type,
    scalar_type,
    type_of,
    vector_type,
)
from graphc.backends.loops import expr as e
from graphc.backends.loops.casts import expand_cast
from graphc.backends.loops.expr import Expr
from graphc.backends.math import expand
from graphc.ir.dtypes import DType, int64

_INTEGER = {
    "add": "add",
    "sub": "sub",
    "mul": "mul",
    "and": "and",
    "or": "or",
    "xor": "xor",
    "shl": "shl",
}
_FLOAT = {"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv"}
_ROUND = {
    "floor": "floor",
    "ceil": "ceil",
    "trunc": "trunc",
    "rint": "rint",
    "sqrt": "sqrt",
    "abs": "fabs",
}
_DOTS = {"u8i8": "avx512.vpdpbusd", "i16": "avx512.vpdpwssd", "bf16": "avx512bf16.dpbf16ps"}


class Values(Scope):
    """The values of one function."""

    tables = True
    """Whether tables may be looked up."""

    def make(self, x: Expr) -> str:
        if x.op == "var":
            slot, dtype, lanes = self.registers[x.attr]
            return self.assign(f"load {vector_type(scalar_type(dtype), lanes)}, ptr {slot}")
        if x.op == "broadcast":
            return self._broadcast(x)
        if x.op == "math":
            return self.value(expand(x, self.tables))
        if x.op in ("eq", "ne", "lt", "le", "gt", "ge"):
            return self._compare(x)
        handler = getattr(self, f"_{x.op}", None)
        return handler(x) if handler is not None else self._arithmetic(x)

    def _arithmetic(self, x: Expr) -> str:
        names = [self.value(a) for a in x.args]
        if x.op in _ROUND and (x.dtype.is_float or x.op != "abs"):
            return self.intrinsic(_ROUND[x.op], x, x.args) if x.dtype.is_float else names[0]
        opcode = (_FLOAT if x.dtype.is_float else _INTEGER)[x.op]
        return self.assign(f"{opcode} {type_of(x)} {names[0]}, {names[1]}")

    def intrinsic(self, name: str, x: Expr, args: Iterable[Expr]) -> str:
        args = list(args)
        suffix = mangled(x.dtype, x.lanes)
        types = ", ".join(type_of(a) for a in args)
        self.declare(f"declare {type_of(x)} @llvm.{name}.{suffix}({types})")
        return self.assign(
            f"call {type_of(x)} @llvm.{name}.{suffix}({', '.join(map(self.typed, args))})"
        )

    def _fma(self, x: Expr) -> str:
        return self.intrinsic("fma", x, x.args)

    def _dot(self, x: Expr) -> str:
        a, b, total = x.args
        kind, result = _DOTS[x.attr], type_of(x)
        operand = type_of(a) if x.dtype.is_integer else vector_type("bfloat", 2 * x.lanes)
        name = f"llvm.x86.{kind}.{x.lanes * x.dtype.bits}"
        self.declare(f"declare {result} @{name}({result}, {operand}, {operand})")
        words = [f"{operand} {self._as(operand, y)}" for y in (a, b)]
        return self.assign(f"call {result} @{name}({self.typed(total)}, {', '.join(words)})")

    def _join(self, x: Expr) -> str:
        return self._as(type_of(x), x.args[0])

    def _as(self, type_: str, x: Expr) -> str:
        """The bits of x as another type."""
        if type_of(x) == type_:
            return self.value(x)
        return self.assign(f"bitcast {self.typed(x)} to {type_}")

    def _abs(self, x: Expr) -> str:
        if x.dtype.is_float:
            return self.intrinsic("fabs", x, x.args)
        if x.dtype.kind != "i":
            return self.value(x.args[0])
        return self.value(e.select(x.args[0] < 0, -x.args[0], x.args[0]))

    def _neg(self, x: Expr) -> str:
        (a,) = x.args
        if x.dtype.is_float:
            return self.assign(f"fneg {self.typed(a)}")
        return self.assign(f"sub {type_of(x)} {self._zero(x)}, {self.value(a)}")

    def _zero(self, x: Expr) -> str:
        return "zeroinitializer" if x.lanes > 1 else "0"

    def _not(self, x: Expr) -> str:
        ones = "true" if x.dtype.kind == "b" else "-1"
        other = ones if x.lanes == 1 else f"splat ({scalar_type(x.dtype)} {ones})"
        return self.assign(f"xor {self.typed(x.args[0])}, {other}")

    def _div(self, x: Expr) -> str:
        a, b = map(self.value, x.args)
        opcode = "fdiv" if x.dtype.is_float else ("udiv" if x.dtype.kind == "u" else "sdiv")
        return self.assign(f"{opcode} {type_of(x)} {a}, {b}")

    def _rem(self, x: Expr) -> str:
        a, b = map(self.value, x.args)
        assert not x.dtype.is_float, "the remainder of floats is written out by its op"
        return self.assign(f"{'urem' if x.dtype.kind == 'u' else 'srem'} {type_of(x)} {a}, {b}")

    def _shr(self, x: Expr) -> str:
        a, b = map(self.value, x.args)
        return self.assign(f"{'lshr' if x.dtype.kind == 'u' else 'ashr'} {type_of(x)} {a}, {b}")

    def _mulhi(self, x: Expr) -> str:
        wide = vector_type(f"i{2 * x.dtype.bits}", x.lanes)
        a, b = (self.assign(f"zext {self.typed(arg)} to {wide}") for arg in x.args)
        product = self.assign(f"mul {wide} {a}, {b}")
        shift = str(x.dtype.bits) if x.lanes == 1 else f"splat (i{2 * x.dtype.bits} {x.dtype.bits})"
        upper = self.assign(f"lshr {wide} {product}, {shift}")
        return self.assign(f"trunc {wide} {upper} to {type_of(x)}")

    def _scale(self, x: Expr) -> str:
        """See `tables`, which has the function of each target."""
        operands = ", ".join(map(self.typed, x.args))
        return self.assign(f"call {type_of(x)} @gc.scale.v{x.lanes}({operands})")

    def _lookup(self, x: Expr) -> str:
        numbers = ", ".join(f"float {literal(number, x.dtype)}" for number in x.attr)
        name = f"@gc.table.{hashlib.sha256(numbers.encode()).hexdigest()[:8]}"
        self.declare(f"{name} = private unnamed_addr constant [16 x float] [{numbers}], align 64")
        operands = f"{self.typed(x.args[0])}, ptr {name}"
        return self.assign(f"call {type_of(x)} @gc.lookup.v{x.lanes}({operands})")

    def _min(self, x: Expr) -> str:
        return self._extreme(
            x, "olt" if x.dtype.is_float else ("ult" if x.dtype.kind != "i" else "slt")
        )

    def _max(self, x: Expr) -> str:
        return self._extreme(
            x, "ogt" if x.dtype.is_float else ("ugt" if x.dtype.kind != "i" else "sgt")
        )

    def _extreme(self, x: Expr, order: str) -> str:
        """Of floats, the second one where they do not compare: alone that is enough if the first is
        a number, and one instruction of x86.
        """
        numbers = [y for y in x.args if _is_number(y)]
        first, second = x.args if not numbers or numbers[0] is x.args[0] else x.args[::-1]
        if not numbers and x.dtype.is_float and x.dtype.bits >= 32 and x.lanes > 1:
            return self._float_extreme(x)
        a, b = self.value(first), self.value(second)
        type_, flags = type_of(x), vector_type("i1", x.lanes)
        compare = "fcmp" if x.dtype.is_float else "icmp"
        wins = self.assign(f"{compare} {order} {type_} {a}, {b}")
        chosen = self.assign(f"select {flags} {wins}, {type_} {a}, {type_} {b}")
        if not x.dtype.is_float or numbers:
            return chosen
        nan = self.assign(f"fcmp uno {type_} {a}, {a}")
        return self.assign(f"select {flags} {nan}, {type_} {a}, {type_} {chosen}")

    def _float_extreme(self, x: Expr) -> str:
        """One comparison, where selects would be taken for two; of two zeros either (nsz)."""
        name = f"llvm.{x.op}imum.{mangled(x.dtype, x.lanes)}"
        self.declare(f"declare {type_of(x)} @{name}({type_of(x)}, {type_of(x)})")
        operands = ", ".join(map(self.typed, x.args))
        return self.assign(f"call nsz {type_of(x)} @{name}({operands})")

    def _compare(self, x: Expr) -> str:
        a, b = x.args
        if a.dtype.is_float:
            order = {"ne": "une"}.get(x.op, "o" + x.op)
            return self.assign(f"fcmp {order} {type_of(a)} {self.value(a)}, {self.value(b)}")
        sign = "" if x.op in ("eq", "ne") else ("s" if a.dtype.kind == "i" else "u")
        return self.assign(f"icmp {sign}{x.op} {type_of(a)} {self.value(a)}, {self.value(b)}")

    def _select(self, x: Expr) -> str:
        if x.attr == "rarely":
            return self._rarely(x)
        c, a, b = map(self.typed, x.args)
        return self.assign(f"select {c}, {a}, {b}")

    def _rarely(self, x: Expr) -> str:
        """A select whose first side is computed behind a branch, taken where any lane needs it."""
        condition, usual = self.typed(x.args[0]), self.value(x.args[2])
        here, rare, end, done = (self.fresh(hint) for hint in ("here", "rare", "end", "done"))
        self._block(here)
        needed = self.value(x.args[0])
        if x.lanes > 1:
            bits = self.assign(f"bitcast {condition} to i{x.lanes}")
            needed = self.assign(f"icmp ne i{x.lanes} {bits}, 0")
        self.emit(f"br i1 {needed}, label {rare}, label {done}")
        self.lines.append(f"{rare[1:]}:")
        self.push()
        chosen = self.assign(f"select {condition}, {self.typed(x.args[1])}, {type_of(x)} {usual}")
        self.pop()
        self._block(end)
        self._block(done)
        return self.assign(f"phi {type_of(x)} [ {usual}, {here} ], [ {chosen}, {end} ]")

    def _block(self, label: str) -> None:
        """Ends the current block and starts the next."""
        self.emit(f"br label {label}")
        self.lines.append(f"{label[1:]}:")

    def _bitcast(self, x: Expr) -> str:
        (a,) = x.args
        if type_of(a) == type_of(x):
            return self.value(a)
        return self.assign(f"bitcast {self.typed(a)} to {type_of(x)}")

    def _cast(self, x: Expr) -> str:
        simpler = expand_cast(x)
        if simpler is not None:
            return self.value(simpler)
        (a,) = x.args
        have, want = a.dtype, x.dtype
        if want.kind == "b":
            return self.value(e.not_equal(a, 0))
        if have.is_float and want.is_float:
            opcode = "fpext" if want.bits > have.bits else "fptrunc"
        elif have.is_float:
            return self._to_integer(x, a)
        elif want.is_float:
            opcode = "sitofp" if have.kind == "i" else "uitofp"
        elif have.bits == want.bits:
            return self.value(a)
        else:
            opcode = "trunc" if want.bits < have.bits else ("sext" if have.kind == "i" else "zext")
        return self.assign(f"{opcode} {self.typed(a)} to {type_of(x)}")

    def _to_integer(self, x: Expr, a: Expr) -> str:
        """Small integers go through a wide one, so that values outside wrap instead of being
        undefined.
        """
        if x.dtype.bits < 32:
            return self.value(e.cast(e.cast(a, int64), x.dtype))
        self.declare(f"declare {type_of(x)} @llvm.{self._saturating(x, a)}({type_of(a)})")
        return self.assign(f"call {type_of(x)} @llvm.{self._saturating(x, a)}({self.typed(a)})")

    def _saturating(self, x: Expr, a: Expr) -> str:
        kind = "s" if x.dtype.kind == "i" else "u"
        return f"fpto{kind}i.sat.{mangled(x.dtype, x.lanes)}.{mangled(a.dtype, a.lanes)}"

    # --- vectors ----------------------------------------------------------------------------------

    def _broadcast(self, x: Expr) -> str:
        (a,) = x.args
        element = scalar_type(x.dtype)
        if a.op == "const":
            return f"splat ({element} {self.value(a)})"
        one = self.assign(f"insertelement {type_of(x)} poison, {element} {self.value(a)}, i64 0")
        mask = f"<{x.lanes} x i32> zeroinitializer"
        return self.assign(f"shufflevector {type_of(x)} {one}, {type_of(x)} poison, {mask}")

    def _ramp(self, x: Expr) -> str:
        base = self.value(e.broadcast(x.args[0], x.lanes))
        steps = ", ".join(f"i{x.dtype.bits} {k}" for k in range(x.lanes))
        return self.assign(f"add {type_of(x)} {base}, <{steps}>")

    def _lane(self, x: Expr) -> str:
        return self.assign(f"extractelement {self.typed(x.args[0])}, i64 {x.attr}")

    def _shuffle(self, x: Expr) -> str:
        a, b = map(self.typed, x.args)
        chosen = ", ".join(f"i32 {k}" for k in x.attr)
        return self.assign(f"shufflevector {a}, {b}, <{x.lanes} x i32> <{chosen}>")

    def _across(self, x: Expr) -> str:
        from graphc.backends.lower.nests.combine import combined

        (a,) = x.args
        if x.attr in ("and", "or"):
            return self._across_bits(x, a)
        lanes, value = a.lanes, a
        while lanes > 1:
            half = lanes // 2
            low, high = (self._part(value, start, half) for start in (0, half))
            value, lanes = combined(x.attr, low, high), half
        return self.value(value)

    def _part(self, x: Expr, start: int, count: int) -> Expr:
        """Lanes start .. start+count of x, under a name."""
        if count == 1:
            name = self.assign(f"extractelement {self.typed(x)}, i64 {start}")
        else:
            chosen = ", ".join(f"i32 {k}" for k in range(start, start + count))
            name = self.assign(
                f"shufflevector {self.typed(x)}, {type_of(x)} poison, <{count} x i32> <{chosen}>"
            )
        self.names[-1][name] = name
        return e.var(name, x.dtype, count)

    def _across_bits(self, x: Expr, a: Expr) -> str:
        name = f"llvm.vector.reduce.{x.attr}.{mangled(a.dtype, a.lanes)}"
        self.declare(f"declare {type_of(x)} @{name}({type_of(a)})")
        return self.assign(f"call {type_of(x)} @{name}({self.typed(a)})")

    # --- memory -----------------------------------------------------------------------------------

    def address(self, buffer: str, index: Expr, dtype: DType) -> str:
        """Pointer (or vector of pointers) to elements of a buffer."""
        base = self._named(buffer)
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

    def _address(self, x: Expr) -> str:
        pointer = self.assign(
            f"getelementptr i8, ptr {self._named(x.attr)}, {self.typed(x.args[0])}"
        )
        return self.assign(f"ptrtoint ptr {pointer} to i64")

    def prefetch(self, buffer: str, index: Expr, dtype: DType) -> None:
        """Asks for a line, into the second cache: the first has enough with what is in use."""
        pointer = self.assign(
            f"getelementptr {memory_type(dtype)}, ptr {self._named(buffer)}, {self.typed(index)}"
        )
        self.declare("declare void @llvm.prefetch.p0(ptr, i32, i32, i32)")
        self.emit(f"call void @llvm.prefetch.p0(ptr {pointer}, i32 0, i32 2, i32 1)")

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
            arguments = f"{type_} {value}, ptr {pointer}, i32 {align}, {self.typed(mask)}"
            self.emit(f"call void @{name}({arguments})")
        self.changed(buffer)


def _is_number(x: Expr) -> bool:
    """Whether x is a literal, or that in every lane, and not NaN."""
    y = x.args[0] if x.op == "broadcast" else x
    return y.op == "const" and bool(y.attr == y.attr)
