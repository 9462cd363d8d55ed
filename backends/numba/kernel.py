"""Spells a scalar loop kernel as a Python function `NAME(status, buffers..., sizes...)`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import (
    Alloc,
    Assign,
    Check,
    Comment,
    For,
    If,
    Let,
    LoopKernel,
    Prefetch,
    Stmt,
    Store,
    While,
)
from graphc.backends.numba.meaning import MEANINGS, TYPED
from graphc.backends.numba.spelling import Names, Speller, stored
from graphc.ir.dtypes import ALL, DType, int64

RESERVED = (*MEANINGS, *TYPED, *(d.short for d in ALL), "np", "range", "status", "cuda", "numba")
_AUGMENTED = {"add": "+=", "sub": "-=", "mul": "*="}


class PythonKernel:
    """The text of one kernel. `used` collects the functions and types that the text names."""

    def __init__(self, kernel: LoopKernel, name: str, used: set[str]):
        self.kernel, self.name, self.used = kernel, name, used
        self.names = Names(RESERVED)
        self.speller = Speller(self.names, used)
        self.lines: list[str] = []
        self._depth = 1

    def text(self) -> str:
        """The function."""
        kernel = self.kernel
        params = [self.names.bind(p.name) for p in kernel.buffers]
        params += [self.names.bind(size, int64) for size in kernel.sizes]
        self.body_of_kernel()
        head = f"def {self.name}({', '.join(['status', *params])}):"
        return "\n".join([head, f'    """{self.purpose()}"""', *self.lines]) + "\n"

    def purpose(self) -> str:
        """What the docstring says."""
        written = [f"{p.name} ({p.dtype.name})" for p in self.kernel.buffers if p.writes]
        notes = "; ".join(self.kernel.notes)
        return (notes + ": " if notes else "") + "writes " + ", ".join(written) + "."

    def body_of_kernel(self) -> None:
        """The chunks, one after the other."""
        kernel = self.kernel
        if kernel.chunks.op == "const" and kernel.chunks.attr == 1:
            self.emit(f"{self.names.bind('chunk', int64)} = 0")
            self.body(kernel.body)
        else:
            self.loop("chunk", e.const(0, int64), kernel.chunks, kernel.body)

    def emit(self, line: str) -> None:
        self.lines.append("    " * self._depth + line)

    def spelled(self, *roots: Expr) -> list[str]:
        """The texts of expressions, after the lines that they need."""
        self.speller.begin(*roots)
        texts = [self.speller.root(x) for x in roots]
        for line in self.speller.lines:
            self.emit(line)
        return texts

    def scope(self, head: str, inside: Callable[[], None]) -> None:
        """An indented block."""
        self.emit(head)
        self.names.push()
        self._depth += 1
        before = len(self.lines)
        inside()
        if len(self.lines) == before:
            self.emit("pass")
        self._depth -= 1
        self.names.pop()

    def body(self, statements: Sequence[Stmt]) -> None:
        for s in statements:
            getattr(self, f"_{type(s).__name__.lower()}")(s)

    def loop(self, what: str, begin: Expr, end: Expr, body: Sequence[Stmt]) -> None:
        first, last = self.spelled(begin, end)
        span = last if begin.op == "const" and begin.attr == 0 else f"{first}, {last}"
        self.names.push()
        name = self.names.bind(what, int64)
        self.scope(f"for {name} in range({span}):", lambda: self.body(body))
        self.names.pop()

    def _for(self, s: For) -> None:
        self.loop(s.var, s.begin, s.end, s.body)

    def _comment(self, s: Comment) -> None:
        self.emit(f"# {s.text}")

    def _prefetch(self, s: Prefetch) -> None:
        """Nothing: it changes no value, and Python has no word for it."""

    def _let(self, s: Let) -> None:
        (value,) = self.spelled(s.value)
        self.emit(f"{self.names.bind(s.name, stored(s.value.dtype))} = {value}")

    _declare = _let

    def _assign(self, s: Assign) -> None:
        value = s.value
        name = self.names[s.name]
        if value.op in _AUGMENTED and _is_plain(value.dtype) and _reads(value.args[0], s.name):
            (step,) = self.spelled(value.args[1])
            self.emit(f"{name} {_AUGMENTED[value.op]} {step}")
        else:
            (text,) = self.spelled(value)
            self.emit(f"{name} = {text}")

    def _store(self, s: Store) -> None:
        if s.mask is not None:
            self._if(If(s.mask, (Store(s.buffer, s.index, s.value),)))
            return
        index, value = self.spelled(s.index, s.value)
        self.emit(f"{self.names[s.buffer]}[{index}] = {value}")

    def _alloc(self, s: Alloc) -> None:
        self.used.add("np")
        type_ = stored(s.dtype).name.replace("bool", "bool_")
        self.emit(f"{self.names.bind(s.buffer)} = np.empty({s.size}, np.{type_})")

    def _if(self, s: If) -> None:
        (condition,) = self.spelled(s.condition)
        self.scope(f"if {condition}:", lambda: self.body(s.then))
        if s.orelse:
            self.scope("else:", lambda: self.body(s.orelse))

    def _while(self, s: While) -> None:
        self.speller.begin(s.condition)
        text = self.speller.text(s.condition)
        if not self.speller.lines:
            self.scope(f"while {text}:", lambda: self.body(s.body))
            return

        def inside() -> None:
            (condition,) = self.spelled(~s.condition)
            self.scope(f"if {condition}:", lambda: self.emit("break"))
            self.body(s.body)

        self.scope("while True:", inside)

    def _check(self, s: Check) -> None:
        condition, value = self.spelled(~s.condition, s.value)
        self.scope(f"if {condition}:", lambda: self.fail(s.code, value))

    def fail(self, code: int, value: str) -> None:
        """Notes a failed check, unless one of a lower code, or a larger value, is noted."""
        again = f"status[0] == {code} and status[1] < {value}"

        def note() -> None:
            self.emit(f"status[0] = {code}")
            self.emit(f"status[1] = {value}")

        self.scope(f"if status[0] == 0 or status[0] > {code} or {again}:", note)


def _is_plain(dtype: DType) -> bool:
    return dtype is int64 or (dtype.is_float and dtype.bits > 16)


def _reads(x: Expr, register: str) -> bool:
    return x.op == "var" and x.attr == register
