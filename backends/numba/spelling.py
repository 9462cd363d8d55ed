"""Expressions of the loop IR as Python text that means the same to Numba.

Python's operators are used where Numba gives them exactly the meaning of the primitive; integers
narrower than 64 bits, which Numba widens, are narrowed again after each; everything else is a
call of a function in `meaning`.
"""

from __future__ import annotations

import keyword
from collections.abc import Iterable

import numpy as np

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.numba.meaning import BY_OP
from graphc.ir.dtypes import DType, bfloat16, float16, float32, int64, uint16

LONGEST = 72
_ATOM, _UNARY, _NOT, _CHOICE = 20, 14, 5, 1
_INFIX = {
    "add": ("+", 11), "sub": ("-", 11), "mul": ("*", 12), "div": ("/", 12),
    "and": ("&", 9), "xor": ("^", 8), "or": ("|", 7), "shl": ("<<", 10), "shr": (">>", 10),
    "eq": ("==", 6), "ne": ("!=", 6), "lt": ("<", 6), "le": ("<=", 6), "gt": (">", 6),
    "ge": (">=", 6),
}  # fmt: skip
_COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")
_TO_FLOAT = {float16: "half_to_float", bfloat16: "brain_to_float"}
_FROM_FLOAT = {float16: "to_half", bfloat16: "to_brain"}


def stored(dtype: DType) -> DType:
    """The dtype that values have in Python: 16-bit floats are kept as their bits."""
    return uint16 if dtype in _TO_FLOAT else dtype


class Names:
    """Python identifiers for what the loop IR names, in nested scopes.

    An identifier never hides another that is in force, and never has two element types in one
    function: Numba would have to reconcile them.
    """

    def __init__(self, taken: Iterable[str] = ()):
        self._types: dict[str, DType | None] = dict.fromkeys(taken)
        self._meant: list[dict[str, str]] = [{}]
        self._in_force: list[set[str]] = [set()]

    def push(self) -> None:
        self._meant.append({})
        self._in_force.append(set())

    def pop(self) -> None:
        self._meant.pop()
        self._in_force.pop()

    def bind(self, what: str, dtype: DType | None = None) -> str:
        """An identifier that means `what` until the scope ends; buffers have no dtype."""
        name = self._meant[-1][what] = self.fresh(what, dtype)
        return name

    def fresh(self, hint: str, dtype: DType | None) -> str:
        """An identifier like the hint that nothing in force has."""
        plain = hint.removeprefix("size.")
        stem = "".join(c if c.isalnum() and c.isascii() else "_" for c in plain)
        stem = f"_{stem}" if stem[0].isdigit() or keyword.iskeyword(stem) else stem
        name, count = stem, 1
        while not self._is_free(name, dtype):
            count += 1
            name = f"{stem}_{count}"
        self._types[name] = dtype
        self._in_force[-1].add(name)
        return name

    def _is_free(self, name: str, dtype: DType | None) -> bool:
        if name not in self._types:
            return True
        same = dtype is not None and self._types[name] is dtype
        return same and not any(name in scope for scope in self._in_force)

    def __getitem__(self, what: str) -> str:
        for scope in reversed(self._meant):
            if what in scope:
                return scope[what]
        raise AssertionError(f"{what} is not defined here")


class Speller:
    """Spells the expressions of one statement.

    What they share, and what grows long, gets a name first: `lines` has these assignments.
    """

    def __init__(self, names: Names, used: set[str]):
        self.names, self.used = names, used
        self.lines: list[str] = []
        self._memo: dict[Expr, tuple[str, int]] = {}
        self._uses: dict[Expr, int] = {}

    def begin(self, *roots: Expr) -> None:
        """Forgets the last statement and counts what this one uses."""
        self._memo, self.lines, self._uses = {}, [], {}
        stack = list(roots)
        while stack:
            x = stack.pop()
            self._uses[x] = self._uses.get(x, 0) + 1
            if self._uses[x] == 1:
                stack.extend(x.args)

    def root(self, x: Expr) -> str:
        """The text of a whole expression, however long, unless it is shared."""
        return self.text(x) if self._uses.get(x, 0) > 1 else self._make(x)[0]

    def text(self, x: Expr, level: int = 0) -> str:
        """x in Python, in parentheses where an operator of that level would take it apart."""
        found = self._memo.get(x)
        if found is None:
            found = self._make(x)
            wanted = self._uses.get(x, 0) > 1 or len(found[0]) > LONGEST
            if wanted and x.op not in ("const", "var"):
                found = (self._named(found[0], x.dtype), _ATOM)
            self._memo[x] = found
        text, own = found
        return f"({text})" if own < level else text

    def _named(self, text: str, dtype: DType) -> str:
        name = self.names.fresh("t", stored(dtype))
        self.lines.append(f"{name} = {text}")
        return name

    def call(self, function: str, *args: str) -> tuple[str, int]:
        self.used.add(function)
        return f"{function}({', '.join(args)})", _ATOM

    def type_name(self, dtype: DType) -> str:
        name = stored(dtype).short
        self.used.add(name)
        return name

    def _make(self, x: Expr) -> tuple[str, int]:
        assert x.lanes == 1, f"{x.op} has {x.lanes} lanes; Python is spelled from scalar kernels"
        if x.op == "var":
            return self.names[x.attr], _ATOM
        if x.op in ("const", "cast", "bitcast", "load", "neg", "not"):
            written: tuple[str, int] = getattr(self, f"_{x.op}")(x)
            return written
        if x.op == "math":
            return self.call(x.attr, *map(self.text, x.args))
        if x.op != "select" and x.args[0].dtype in _TO_FLOAT:
            return self._in_float32(x)
        if x.op in BY_OP and not (x.op == "div" and x.dtype.is_float):
            return self._function(x)
        return self._operator(x)

    def _in_float32(self, x: Expr) -> tuple[str, int]:
        args = tuple(e.cast(a, float32) for a in x.args)
        if x.op in _COMPARISONS:
            return self._make(e.make(x.op, args, x.dtype, 1))
        return self._make(e.cast(e.make(x.op, args, float32, 1), x.dtype))

    def _function(self, x: Expr) -> tuple[str, int]:
        if x.op in ("floor", "ceil", "trunc", "rint") and not x.dtype.is_float:
            return self.text(x.args[0], _ATOM), _ATOM
        return self.call(BY_OP[x.op][0], *map(self.text, x.args))

    def _operator(self, x: Expr) -> tuple[str, int]:
        operator, level = _INFIX[x.op]
        if x.args[0].dtype.kind == "b":
            operator, level = _INFIX[{"add": "xor", "sub": "xor", "mul": "and"}.get(x.op, x.op)]
        tight = level + 1  # comparisons chain, and the right operand of `-` would be taken apart
        left = self.text(x.args[0], tight if x.op in _COMPARISONS else level)
        text = f"{left} {operator} {self.text(x.args[1], tight)}"
        return self._narrowed(text, level, x.dtype)

    def _narrowed(self, text: str, level: int, dtype: DType) -> tuple[str, int]:
        if dtype.is_integer and dtype is not int64:
            return f"{self.type_name(dtype)}({text})", _ATOM
        return text, level

    def _const(self, x: Expr) -> tuple[str, int]:
        if x.dtype.kind == "b":
            return str(bool(x.attr)), _ATOM
        if x.dtype in _TO_FLOAT:
            bits = int(np.asarray(x.attr, dtype=x.dtype.numpy).view(np.uint16))
            return f"{self.type_name(uint16)}({bits:#06x})", _ATOM
        if not x.dtype.is_float:
            text = str(x.attr)
            if x.dtype is int64:
                return text, _ATOM if x.attr >= 0 else _UNARY
            if x.dtype.kind == "u":
                text = str(x.attr % (1 << x.dtype.bits))
            return f"{self.type_name(x.dtype)}({text})", _ATOM
        return f"{self.type_name(x.dtype)}({_float_text(x.attr, x.dtype)})", _ATOM

    def _cast(self, x: Expr) -> tuple[str, int]:
        (a,) = x.args
        if a.dtype in _TO_FLOAT:
            text, level = self.call(_TO_FLOAT[a.dtype], self.text(a))
            return (text, level) if x.dtype is float32 else self._converted(text, float32, x.dtype)
        return self._converted(self.text(a), a.dtype, x.dtype)

    def _converted(self, text: str, have: DType, want: DType) -> tuple[str, int]:
        if want in _FROM_FLOAT:
            return self.call(_FROM_FLOAT[want], text)
        if want.kind == "b":
            return self.call("nonzero", text)
        if have.is_float and want.is_integer:
            return self.call("integer", text, self.type_name(want))
        return f"{self.type_name(want)}({text})", _ATOM

    def _bitcast(self, x: Expr) -> tuple[str, int]:
        (a,) = x.args
        if stored(a.dtype) is stored(x.dtype):
            return self.text(a, _ATOM), _ATOM
        return self.call("bitcast", self.text(a), self.type_name(x.dtype))

    def _neg(self, x: Expr) -> tuple[str, int]:
        (a,) = x.args
        if a.dtype in _TO_FLOAT:
            return self._in_float32(x)
        if x.dtype.kind == "u":
            return self._narrowed(f"{self.type_name(x.dtype)}(0) - {self.text(a, 12)}", 11, x.dtype)
        return self._narrowed(f"-{self.text(a, _UNARY)}", _UNARY, x.dtype)

    def _not(self, x: Expr) -> tuple[str, int]:
        if x.dtype.kind == "b":
            return f"not {self.text(x.args[0], _NOT)}", _NOT
        return self._narrowed(f"~{self.text(x.args[0], _UNARY)}", _UNARY, x.dtype)

    def _load(self, x: Expr) -> tuple[str, int]:
        element = f"{self.names[x.attr]}[{self.text(x.args[0])}]"
        if len(x.args) == 1:
            return element, _ATOM
        zero = self._const(e.const(0, x.dtype))[0]
        return f"{element} if {self.text(x.args[1], _CHOICE + 1)} else {zero}", _CHOICE


def _float_text(value: float, dtype: DType) -> str:
    """The shortest decimal number that reads back as the same value."""
    if np.isnan(value):
        return "np.nan"
    if np.isinf(value):
        return "np.inf" if value > 0 else "-np.inf"
    return str(dtype.numpy.type(value))
