"""Sums of float32 along long rows come together in float64, and so does what a row divides by.

Lanes add up float32, which is where the work is; what they leave is rounded once where it is read.
A root or an inverse of such a sum is computed in float64 too, so that a whole row is multiplied by
a number that is off by half a unit at most.
"""

from __future__ import annotations

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr, make
from graphc.backends.loops.stmt import Let, Stmt
from graphc.ir.dtypes import float32, float64

#: What is computed in float64 of a wide operand and numbers.
ARITHMETIC = ("add", "sub", "mul", "div")


class WideRows:
    """What is known in float64 of values that a row has once."""

    def __init__(self) -> None:
        self.known: dict[str, Expr] = {}

    def named(self, name: str, value: Expr) -> list[Stmt]:
        """Gives a row's value its name, rounded to float32."""
        wide = f"{name}.wide"
        self.known[name] = e.var(wide, float64)
        return [Let(wide, value), Let(name, e.cast(self.known[name], float32))]

    def precise(self, value: Expr) -> Expr:
        """The value, with roots and inverses of what is known in float64 rounded once."""
        return self._rounded(value, {})

    def _rounded(self, x: Expr, seen: dict[Expr, Expr]) -> Expr:
        if x not in seen:
            ends = x.op in ("sqrt", "div") or (x.op, x.attr) == ("math", "rsqrt")
            wide = self._wide(x) if ends else None
            if wide is not None:
                seen[x] = e.cast(wide, x.dtype)
            else:
                args = tuple(self._rounded(a, seen) for a in x.args)
                same = all(a is b for a, b in zip(args, x.args, strict=True))
                seen[x] = x if same else make(x.op, args, x.dtype, x.lanes, x.attr)
        return seen[x]

    def _wide(self, x: Expr) -> Expr | None:
        """x in float64, if it is made of one value that is known so and of numbers."""
        if x.op == "var":
            return self.known.get(x.attr)
        if x.dtype is not float32:
            return None
        if x.op == "sqrt" or (x.op, x.attr) == ("math", "rsqrt"):
            operand = self._wide(x.args[0])
            root = None if operand is None else e.sqrt(operand)
            return root if root is None or x.op == "sqrt" else 1.0 / root
        if x.op in ARITHMETIC:
            a, b = (self._operand(y) for y in x.args)
            found = any(y.op != "const" for y in x.args)
            return e.binary(x.op, a, b) if found and a is not None and b is not None else None
        return None

    def _operand(self, x: Expr) -> Expr | None:
        return e.const(x.attr, float64) if x.op == "const" else self._wide(x)
