"""Scalar and vector expressions of the loop IR: immutable, typed, interned.

An expression has a dtype and a number of lanes (1: scalar). Arithmetic on 16-bit floats is written
by the lowering as arithmetic on float32 between casts. Meaning of the primitives:

  const var            a literal; a loop variable, `let` or parameter (attr: its name)
  add sub mul div      IEEE for floats; wrap-around for integers; integer div truncates (undefined
                       for a zero divisor)
  rem                  integer remainder of `div`; not for floats
  fma                  a*b + c rounded once
  neg abs sqrt floor ceil trunc rint     rint rounds halves to even
  min max              a NaN operand gives NaN, zeros of both signs either; integers too
  and or xor not shl shr                 bits (and bool); shr is logical for unsigned, arithmetic
                       for signed
  eq ne lt le gt ge    bool; comparisons with NaN are false, but ne
  select               condition, yes, no (attr "rarely": the condition seldom holds, so `yes` may
                       go behind a branch)
  cast                 NumPy's astype; float to integer out of range is undefined, integers wrap,
                       to bool is `!= 0`
  bitcast              the same bits as another dtype of equal width
  mulhi                upper half of the product of two unsigned integers
  scale                x 2^floor(n) of float32, rounded once; |x| is within 2^-66 and 2^2, n a whole
                       number of sixteenths within -151 and 151 (and others, of an argument that
                       only its remainder bounds)
  bounded              attr: two numbers, and which is asked for of "argument", "remainder" and
                       "rest"; x between them. An argument that is NaN stays so, a remainder or
                       rest becomes any number between. A target bounds a function's argument, or
                       its remainder or rest
  lookup               attr: sixteen float32; the one whose number the low bits of a float32 say
  math                 a function of the math library (attr: its name), expanded by
                       `graphc.backends.math`
  load                 attr: buffer name; args: element index, then a mask (bool) or nothing;
                       masked-off lanes are 0
  address              attr: buffer name; args: offset in bytes; where that byte lies
  ramp                 attr: lanes; args: base; base + (0, 1, ..., lanes - 1)
  broadcast            attr: lanes; args: scalar
  across               attr: sum prod min max and or; the lanes of a vector combined pairwise,
                       halves first: a scalar
  lane                 attr: number; one lane as a scalar
  shuffle              attr: lane numbers; args: two vectors of equal lanes, whose lanes are counted
                       through
  dot                  attr: kind; args: words a and b, total; total + the products of the narrow
                       numbers that the words hold: "u8i8" four bytes, those of a unsigned, "i16"
                       two integers, "bf16" two floats, of which subnormal ones count as zero.
                       For machines that have such instructions
  join                 neighbouring lanes as the words that they are in memory
"""

from __future__ import annotations

import builtins
import functools
import operator
import struct
import weakref
from collections.abc import Callable
from typing import Any, Union

from graphc.ir.dtypes import DType, bool_, int64

Operand = Union["Expr", bool, int, float]
_interned: dict[tuple[Any, ...], weakref.ref[Expr]] = {}
"""Expressions by their fields, for as long as something else has them. What is gone stays until
there is much of it: a call for each that goes takes longer than all else about it. Its fields may
be those of another by then, since they name operands by their numbers, but nothing answers there.
"""
FEW = 8192
"""References that are kept whatever has become of what they refer to."""
_enough = FEW


class Expr:
    """One expression; build with the functions below or with operators (Python numbers adopt the
    other's dtype).
    """

    __slots__ = ("__weakref__", "args", "attr", "dtype", "lanes", "op")

    op: str
    args: tuple[Expr, ...]
    dtype: DType
    lanes: int
    attr: Any

    def __add__(self, other: Operand) -> Expr:
        return binary("add", self, other)

    def __radd__(self, other: Operand) -> Expr:
        return binary("add", other, self)

    def __sub__(self, other: Operand) -> Expr:
        return binary("sub", self, other)

    def __rsub__(self, other: Operand) -> Expr:
        return binary("sub", other, self)

    def __mul__(self, other: Operand) -> Expr:
        return binary("mul", self, other)

    def __rmul__(self, other: Operand) -> Expr:
        return binary("mul", other, self)

    def __truediv__(self, other: Operand) -> Expr:
        return binary("div", self, other)

    def __rtruediv__(self, other: Operand) -> Expr:
        return binary("div", other, self)

    def __and__(self, other: Operand) -> Expr:
        return binary("and", self, other)

    def __or__(self, other: Operand) -> Expr:
        return binary("or", self, other)

    def __xor__(self, other: Operand) -> Expr:
        return binary("xor", self, other)

    def __lshift__(self, other: Operand) -> Expr:
        return binary("shl", self, other)

    def __rshift__(self, other: Operand) -> Expr:
        return binary("shr", self, other)

    def __neg__(self) -> Expr:
        return unary("neg", self)

    def __invert__(self) -> Expr:
        return unary("not", self)

    def __lt__(self, other: Operand) -> Expr:
        return compare("lt", self, other)

    def __le__(self, other: Operand) -> Expr:
        return compare("le", self, other)

    def __gt__(self, other: Operand) -> Expr:
        return compare("gt", self, other)

    def __ge__(self, other: Operand) -> Expr:
        return compare("ge", self, other)

    def __repr__(self) -> str:
        if self.op in ("const", "var"):
            return str(self.attr)
        attr = "" if self.attr is None else f"{self.attr}: "
        return f"{self.op}({attr}{', '.join(map(repr, self.args))})"


def make(op: str, args: tuple[Expr, ...], dtype: DType, lanes: int, attr: Any = None) -> Expr:
    """The interned expression with these fields."""
    key = (op, tuple(map(id, args)), dtype.name, lanes, attr if op != "const" else _bits(attr))
    known = _interned.get(key)
    found = None if known is None else known()
    if found is None:
        found = object.__new__(Expr)
        found.op, found.args, found.dtype, found.lanes, found.attr = op, args, dtype, lanes, attr
        _interned[key] = weakref.ref(found)
        if len(_interned) > _enough:
            _forget_what_is_gone()
    return found


def _forget_what_is_gone() -> None:
    """Drops references to nothing, and waits until there are twice as many again."""
    global _enough
    for key, reference in list(_interned.items()):
        if reference() is None and _interned.get(key) is reference:
            _interned.pop(key, None)  # another thread may forget, too
    _enough = max(FEW, 2 * len(_interned))


def _bits(value: Any) -> Any:
    """A key that tells -0.0 from 0.0, and NaN payloads apart, and 1 from True."""
    return struct.pack("<d", value) if isinstance(value, float) else (type(value).__name__, value)


def const(value: bool | int | float, dtype: DType) -> Expr:
    """A literal, exact in `dtype` (floats are given as Python floats already rounded to it)."""
    if dtype is int64:
        return _index(int(value))
    if dtype.is_float:
        return make("const", (), dtype, 1, float(value))
    return make("const", (), dtype, 1, bool(value) if dtype.kind == "b" else int(value))


@functools.lru_cache(4096)
def _index(value: int) -> Expr:
    return make("const", (), int64, 1, value)


def var(name: str, dtype: DType = int64, lanes: int = 1) -> Expr:
    """A loop variable, `let`, register or parameter."""
    return make("var", (), dtype, lanes, name)


def pair(a: Operand, b: Operand) -> tuple[Expr, Expr]:
    """Two operands with the dtype and the lanes that they have in common."""
    if not isinstance(a, Expr):
        assert isinstance(b, Expr)
        a = const(a, b.dtype)
    if not isinstance(b, Expr):
        b = const(b, a.dtype)
    assert a.dtype is b.dtype, f"{a!r} is {a.dtype} but {b!r} is {b.dtype}"
    if a.lanes == b.lanes:
        return a, b
    lanes = max(a.lanes, b.lanes)
    return broadcast(a, lanes), broadcast(b, lanes)


def broadcast(x: Expr, lanes: int) -> Expr:
    """x in every lane."""
    if x.lanes == lanes:
        return x
    assert x.lanes == 1, f"cannot spread {x.lanes} lanes over {lanes}"
    return make("broadcast", (x,), x.dtype, lanes, lanes)


def unary(op: str, x: Expr) -> Expr:
    """A primitive of one operand, of its type."""
    return make(op, (x,), x.dtype, x.lanes)


def binary(op: str, a: Operand, b: Operand) -> Expr:
    """A primitive of two operands of one dtype; arithmetic on known indices is done at once."""
    x, y = pair(a, b)
    folded = _folded(op, x, y) if x.dtype is int64 else None
    return make(op, (x, y), x.dtype, x.lanes) if folded is None else folded


def _folded(op: str, x: Expr, y: Expr) -> Expr | None:
    """Index arithmetic on literals; None where there is nothing to fold."""
    a = x.attr if x.op == "const" else None
    b = y.attr if y.op == "const" else None
    if a is not None and b is not None and op in _FOLD and not (op in ("div", "rem") and b == 0):
        return const((_FOLD[op](a, b) + 2**63) % 2**64 - 2**63, int64)
    if (op in ("add", "sub") and b == 0) or (op in ("mul", "div") and b == 1):
        return x
    if (op == "add" and a == 0) or (op == "mul" and a == 1):
        return y
    if op == "sub" and x.op == "add" and x.args[0] is y:
        return x.args[1]
    return const(0, int64) if op == "mul" and 0 in (a, b) and x.lanes == 1 else None


_FOLD: dict[str, Callable[[int, int], int]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "min": builtins.min,
    "max": builtins.max,
    "div": lambda a, b: abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1),
    "rem": lambda a, b: abs(a) % abs(b) * (1 if a >= 0 else -1),
}


def compare(op: str, a: Operand, b: Operand) -> Expr:
    """A comparison: a bool for each lane."""
    x, y = pair(a, b)
    return make(op, (x, y), bool_, x.lanes)
