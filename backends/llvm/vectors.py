"""Spells what is done with the lanes of vectors as LLVM IR."""

from __future__ import annotations

from graphc.backends.llvm.memory import Memory
from graphc.backends.llvm.types import literal, mangled, scalar_type, type_of, vector_type
from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.ir.dtypes import float32, float64

MANY = 8
"""Lanes of vectors whose exchanges take LLVM long."""


class Vectors(Memory):
    """Vectors made of scalars, of other vectors' lanes, and the other way round."""

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
        made = self.assign(f"shufflevector {a}, {b}, <{x.lanes} x i32> <{chosen}>")
        return self._as_it_stands(x, made) if _is_turned(x) else made

    def _as_it_stands(self, x: Expr, made: str) -> str:
        """The value, into which LLVM does not look: of a square turned over in steps it would try
        to join all steps, for a quarter of its time, and find the same instructions.
        """
        name = f"llvm.arithmetic.fence.{mangled(x.dtype, x.lanes)}"
        self.declare(f"declare {type_of(x)} @{name}({type_of(x)})")
        return self.assign(f"call {type_of(x)} @{name}({type_of(x)} {made})")

    def _across(self, x: Expr) -> str:
        from graphc.backends.lower.nests.combine import combined

        (a,) = x.args
        if x.attr in ("and", "or"):
            return self._across_bits(x, a)
        if x.attr in ("min", "max") and x.dtype.is_float:
            return self._extreme_across(x, a)
        lanes, value = a.lanes, a
        while lanes > 1:
            half = lanes // 2
            low, high = (self._part(value, start, half) for start in (0, half))
            value, lanes = combined(x.attr, low, high), half
        return self.value(value)

    def _extreme_across(self, x: Expr, a: Expr) -> str:
        """NaN if any lane is; of numbers, one instruction for each halving."""
        value, flags = self.value(a), f"i{a.lanes}"
        nan = self.assign(f"fcmp uno {type_of(a)} {value}, {value}")
        bits = self.assign(f"bitcast {vector_type('i1', a.lanes)} {nan} to {flags}")
        any_nan = self.assign(f"icmp ne {flags} {bits}, 0")
        order, lanes = ("gt" if x.attr == "max" else "lt"), a.lanes
        while lanes > 1:
            lanes //= 2
            low, high = (self._part(a, start, lanes) for start in (0, lanes))
            a = e.select(e.compare(order, low, high), low, high)
        element = scalar_type(x.dtype)
        quiet = literal(float("nan"), x.dtype)
        return self.assign(f"select i1 {any_nan}, {element} {quiet}, {element} {self.value(a)}")

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


def _is_turned(x: Expr) -> bool:
    """Whether lanes are exchanged between vectors of many that have exchanged some before."""
    floats = x.dtype in (float32, float64)
    return floats and x.lanes >= MANY and all(a.op == "shuffle" for a in x.args)
