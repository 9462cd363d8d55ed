"""Spells loop-IR expressions as LLVM IR instructions; every expression once per scope."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from graphc.backends.llvm.integers import converted, fits
from graphc.backends.llvm.types import (
    literal,
    mangled,
    scalar_type,
    type_of,
    vector_type,
)
from graphc.backends.llvm.vectors import Vectors
from graphc.backends.loops import expr as e
from graphc.backends.loops.casts import expand_cast
from graphc.backends.loops.expr import Expr
from graphc.backends.math import expand
from graphc.ir.dtypes import int32, int64

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


class Values(Vectors):
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

    def _bounded(self, x: Expr) -> str:
        low, high, which = x.attr
        bounds = ", ".join(
            f"{type_of(x)} {self.value(e.broadcast(e.const(y, x.dtype), x.lanes))}"
            for y in (low, high)
        )
        operands = f"{self.typed(x.args[0])}, {bounds}"
        return self.assign(f"call {type_of(x)} @gc.{which}.v{x.lanes}({operands})")

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
            wide = int32 if fits(a, int32) else int64
            return self.value(e.cast(e.cast(a, wide), x.dtype))
        if x.lanes > 1:
            return converted(self, x, a)
        self.declare(f"declare {type_of(x)} @llvm.{self._saturating(x, a)}({type_of(a)})")
        return self.assign(f"call {type_of(x)} @llvm.{self._saturating(x, a)}({self.typed(a)})")

    def _saturating(self, x: Expr, a: Expr) -> str:
        kind = "s" if x.dtype.kind == "i" else "u"
        return f"fpto{kind}i.sat.{mangled(x.dtype, x.lanes)}.{mangled(a.dtype, a.lanes)}"


def _is_number(x: Expr) -> bool:
    """Whether x is a literal, or that in every lane, and not NaN."""
    y = x.args[0] if x.op == "broadcast" else x
    return y.op == "const" and bool(y.attr == y.attr)
