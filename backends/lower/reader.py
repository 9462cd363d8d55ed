"""Scalar expressions of tensor elements: `Op.read` followed down to loads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr, parts_of
from graphc.backends.loops.stmt import Check, Stmt
from graphc.ir.dim_values import atoms
from graphc.ir.dims import Atom, Dim, DimExpr, bounds, dynamic
from graphc.ir.dtypes import int64
from graphc.ir.node import Node, Tensor
from graphc.ir.op import Index
from graphc.ir.types import Shape


def strides_of(shape: Shape) -> tuple[Dim, ...]:
    """Elements between neighbours along each axis of a contiguous array."""
    strides: list[Dim] = []
    step: Dim = 1
    for d in reversed(shape):
        strides.append(step)
        step = step * d
    return tuple(reversed(strides))


def offset_of(shape: Shape, index: Index) -> Dim:
    """The position of an element in a contiguous array."""
    total: Dim = 0
    for i, stride in zip(index, strides_of(shape), strict=True):
        total = total + i * stride
    return total


def size_variable(name: str) -> str:
    """The kernel's name of a named size, unlike any loop variable's or buffer's."""
    return f"size.{name}"


class DimWriter:
    """Writes dimension expressions as int64 expressions."""

    def __init__(self, variables: Mapping[Atom, Expr] | None = None):
        self.variables: dict[Atom, Expr] = dict(variables or {})
        self._memo: dict[Dim, Expr] = {}
        self.sizes: set[str] = set()

    def bind(self, d: DimExpr, value: Expr) -> None:
        """Gives the variable `d` (one index atom) its value; what was written with the old one is
        forgotten.
        """
        ((monomial, _),) = d.terms
        self.variables[monomial[0]] = value
        self._memo.clear()

    def __call__(self, d: Dim) -> Expr:
        if isinstance(d, int):
            return e.const(d, int64)
        found = self._memo.get(d)
        if found is None:
            found = self._memo[d] = self._sum(d)
        return found

    def _sum(self, d: DimExpr) -> Expr:
        total: Expr | None = None
        for monomial, coefficient in d.terms:
            product: Expr | None = None
            for a in monomial:
                factor = self._atom(a)
                product = factor if product is None else product * factor
            if product is None:
                product = e.const(coefficient, int64)
            elif coefficient != 1:
                product = product * coefficient
            total = product if total is None else total + product
        assert total is not None
        return total

    def _atom(self, a: Atom) -> Expr:
        if a.kind == "size":
            name = size_variable(a.name)
            self.sizes.add(name)
            return e.var(name)
        if a in self.variables:
            return self.variables[a]
        assert a.args, f"no value for {a}"
        x, y = (self(arg) for arg in a.args)
        if a.kind in ("floordiv", "mod") and _may_divide_by_zero(a):
            y = e.maximum(y, 1)
        if a.kind == "min":
            return e.minimum(x, y)
        if a.kind == "max":
            return e.maximum(x, y)
        return floor_division(a, x, y)


def _may_divide_by_zero(a: Atom) -> bool:
    """Whether a length is divided by one that may be 0; a call refuses that, but perhaps later. An
    index is divided only where there are elements.
    """
    low, _ = bounds(a.args[1])
    positive = low is not None and low > 0
    return not positive and all(b.kind not in ("index", "dynamic") for b in atoms(a.args[0]))


def floor_division(a: Atom, x: Expr, y: Expr) -> Expr:
    """x // y or x % y; a truncating division where both are known not to be negative."""
    low, _ = bounds(a.args[0])
    quotient, remainder = x / y, e.rem(x, y)
    if low is not None and low >= 0:
        return quotient if a.kind == "floordiv" else remainder
    least, _ = bounds(a.args[1])
    wrong = remainder < 0
    if least is None or least <= 0:
        wrong = e.not_equal(remainder, 0) & ((remainder ^ y) < 0)
    return (
        e.select(wrong, quotient - 1, quotient)
        if a.kind == "floordiv"
        else e.select(wrong, remainder + y, remainder)
    )


class ExprReader:
    """The Reader that makes expressions.

    `stop(x)` gives the buffer name of a tensor in memory, else None. `values` holds what the kernel
    has at hand at the current point of its loops. Checks are appended to `statements`. `fused`:
    multiply and add are one instruction.
    """

    ops: Any = e

    def __init__(
        self,
        stop: Callable[[Tensor], str | None],
        dims: DimWriter,
        fail: Callable[[Node, str], int],
        fused: bool = False,
    ):
        self.stop, self.dims, self.fail, self.fused = stop, dims, fail, fused
        self.values: dict[Tensor, Expr] = {}
        self.statements: list[Stmt] = []
        self._memo: dict[tuple[int, Index, int], Expr] = {}
        self._guards: list[Expr] = []
        self._dynamic = 0
        self._node: list[Node] = []
        self._presumed: dict[Expr, None] | None = None
        self._changing = ""

    def forget(self) -> None:
        """Drops what was computed at another point of the loops."""
        self._memo.clear()

    def at(self, x: Tensor, index: Index) -> Expr:
        if x in self.values:
            return self.values[x]
        key = (id(x), index, id(self._guards[-1]) if self._guards else 0)
        found = self._memo.get(key)
        if found is None:
            found = self._memo[key] = self._read(x, index)
        return found

    def _read(self, x: Tensor, index: Index) -> Expr:
        name = self.stop(x)
        if name is not None:
            mask = self._guards[-1] if self._guards else None
            return e.load(name, self.dims(offset_of(x.shape, index)), x.dtype, mask)
        return self.compute(x, index)

    def compute(self, x: Tensor, index: Index) -> Expr:
        """The element as its op defines it, even where x is in memory."""
        self._node.append(x.node)
        try:
            value = x.node.op.read(x.node, x.index, index, self)
        finally:
            self._node.pop()
        assert isinstance(value, Expr) and value.dtype is x.dtype, (
            f"{x.node.op.name} gave {value!r}, not {x.dtype}"
        )
        return value

    def value(self, index: Dim, dtype: Any) -> Expr:
        return e.cast(self.dims(index), dtype)

    def dynamic(self, scalar: Expr, extent: Dim) -> Dim:
        self._dynamic += 1
        d = dynamic(f"d{self._dynamic}")
        self.dims.variables[d.terms[0][0][0]] = e.cast(scalar, int64)
        return d

    @contextmanager
    def presuming(self, changing: str) -> Iterator[dict[Expr, None]]:
        """Reads as though conditions hold that are the same for all values of the variable
        `changing`; gives them.
        """
        self._presumed, self._changing = {}, changing
        self.forget()
        try:
            yield self._presumed
        finally:
            self._presumed = None
            self.forget()

    def choose(self, condition: Expr, yes: Callable[[], Expr], no: Callable[[], Expr]) -> Expr:
        if self._presumed is not None and _is_uniform(condition, self._changing):
            self._presumed[condition] = None
            return yes()
        with self._guard(condition):
            a = yes()
        with self._guard(~condition):
            b = no()
        return e.select(condition, a, b)

    def multiply_add(self, a: Expr, b: Expr, c: Expr) -> Expr:
        return e.fma(a, b, c) if self.fused else a * b + c

    @contextmanager
    def _guard(self, condition: Expr) -> Iterator[None]:
        self._guards.append(self._guards[-1] & condition if self._guards else condition)
        try:
            yield
        finally:
            self._guards.pop()

    def check(self, condition: Expr, what: str, value: Expr) -> None:
        if self._guards:
            condition = condition | ~self._guards[-1]
        code = self.fail(self._node[-1], what)
        self.statements.append(Check(condition, code, e.cast(value, int64)))


def _is_uniform(x: Expr, changing: str) -> bool:
    """Whether an expression reads neither that variable nor memory."""
    return not any(y.op == "load" or (y.op == "var" and y.attr == changing) for y in parts_of(x))
