"""What holds a value where: the names of one function's values, by scope, and its lines so far."""

from __future__ import annotations

from graphc.backends.llvm.types import literal, type_of
from graphc.backends.loops.expr import Expr
from graphc.ir.dtypes import DType


class Scope:
    """The lines of one function as they are written, and which name holds which expression where.

    An expression is made once per scope, and anew after what it reads has changed.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.declarations: dict[str, None] = {}
        self.registers: dict[str, tuple[str, DType, int]] = {}
        self.names: list[dict[str, str]] = [{}]
        self._literals: dict[Expr, str] = {}
        self._scopes: list[dict[Expr, str]] = [{}]
        self._dependents: dict[str, set[Expr]] = {}
        self._depends: dict[Expr, frozenset[str]] = {}
        self._count = 0

    def fresh(self, hint: str = "v") -> str:
        """A name that nothing has yet."""
        self._count += 1
        return f"%{hint}{self._count}"

    def emit(self, line: str) -> None:
        """Writes an instruction without a result."""
        self.lines.append("  " + line)

    def assign(self, instruction: str, hint: str = "v") -> str:
        """Writes an instruction; the name of its result."""
        name = self.fresh(hint)
        self.lines.append(f"  {name} = {instruction}")
        return name

    def declare(self, line: str) -> None:
        """Notes an intrinsic that the module must declare."""
        self.declarations[line] = None

    def push(self) -> None:
        """Begins a scope: what is made in it is not known after it."""
        self._scopes.append({})
        self.names.append({})

    def pop(self) -> None:
        """Ends a scope."""
        self._scopes.pop()
        self.names.pop()

    def changed(self, what: str) -> None:
        """A register or buffer has new contents: what reads it must be evaluated anew."""
        for x in self._dependents.pop(what, ()):
            for scope in self._scopes:
                scope.pop(x, None)

    def _reads(self, x: Expr) -> frozenset[str]:
        """Registers and buffers that an expression reads."""
        found = self._depends.get(x)
        if found is None:
            found = frozenset()
            for a in x.args:
                found |= self._reads(a)
            if x.op == "load" or (x.op == "var" and x.attr in self.registers):
                found |= {x.attr}
            self._depends[x] = found
        return found

    def value(self, x: Expr) -> str:
        """The name or literal that holds x at this point."""
        if x.op == "const":
            known = self._literals.get(x)
            if known is None:
                known = self._literals[x] = literal(x.attr, x.dtype)
            return known
        if x.op == "var" and x.attr not in self.registers:
            return self.named(x.attr)
        for scope in reversed(self._scopes):
            if x in scope:
                return scope[x]
        result = self.make(x)
        self._scopes[-1][x] = result
        for what in self._reads(x):
            self._dependents.setdefault(what, set()).add(x)
        return result

    def named(self, name: str) -> str:
        """What a loop variable, `let` or parameter is called here."""
        for scope in reversed(self.names):
            if name in scope:
                return scope[name]
        raise AssertionError(f"{name} is not defined here")

    def typed(self, x: Expr) -> str:
        """Type and name of x."""
        return f"{type_of(x)} {self.value(x)}"

    def make(self, x: Expr) -> str:
        """Writes the instructions that compute x; the name of the result."""
        raise NotImplementedError
