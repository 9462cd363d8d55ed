"""Polynomials with integer coefficients, which dimensions are, in a normal form in which equality
is provable.

An expression is a polynomial with integer coefficients over atoms. An atom is a named size, or a
floor division, remainder, minimum or maximum of expressions. Two expressions that denote the same
polynomial are equal and hash alike; an expression without atoms is always a plain `int`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Union

import numpy as np

from graphc.ir.errors import GraphError, ShapeError
from graphc.ir.long_division import exact_quotient, without

Dim = Union[int, "DimExpr"]
Monomial = tuple["Atom", ...]


class Atom:
    """Something a polynomial treats as unknown; `kind` is "size", "index", "dynamic", "floordiv",
    "mod", "min" or "max".

    A "size" is at least 0 and known at call entry; an "index" is a loop variable, a "dynamic" one
    computed on the way.
    """

    __slots__ = ("_hash", "_text", "args", "bounds", "key", "kind", "name")
    _table: ClassVar[dict[tuple[object, ...], Atom]] = {}

    def __new__(cls, kind: str, name: str, args: tuple[Dim, ...] = ()) -> Atom:
        key = (kind, name, args)
        found = cls._table.get(key)
        if found is None:
            found = object.__new__(cls)
            found.kind, found.name, found.args = kind, name, args
            found.key = (kind, name, tuple(str(a) for a in args))
            found._hash = hash(key)
            found._text, found.bounds = None, None
            cls._table[key] = found
        return found

    kind: str
    name: str
    args: tuple[Dim, ...]
    key: tuple[object, ...]
    bounds: tuple[int | None, int | None] | None
    _hash: int
    _text: str | None

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[object, ...]:
        return Atom, (self.kind, self.name, self.args)

    def __str__(self) -> str:
        if self._text is None:
            self._text = self._written() if self.args else self.name
        return self._text

    def _written(self) -> str:
        a, b = map(str, self.args)
        if isinstance(self.args[0], DimExpr) and len(self.args[0].terms) > 1:
            a = f"({a})"
        if isinstance(self.args[1], DimExpr) and not b.isidentifier():
            b = f"({b})"
        if self.kind == "floordiv":
            return f"{a}//{b}"
        if self.kind == "mod":
            return f"{a}%{b}"
        return f"{self.kind}({self.args[0]}, {self.args[1]})"


class DimExpr:
    """A polynomial over atoms, never constant (constants are `int`)."""

    __slots__ = ("_hash", "_text", "terms")

    def __init__(self, terms: Mapping[Monomial, int]):
        self.terms: tuple[tuple[Monomial, int], ...] = tuple(
            sorted(terms.items(), key=lambda item: [a.key for a in item[0]])
        )
        self._hash = hash(self.terms)
        self._text: str | None = None

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, DimExpr) and self.terms == other.terms)

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        if self._text is None:
            self._text = self._written()
        return self._text

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def _written(self) -> str:
        text = ""
        for monomial, coefficient in self.terms:
            alone = len(monomial) == 1 and coefficient == 1
            factors = [
                str(a) if alone or a.kind not in ("floordiv", "mod") else f"({a})" for a in monomial
            ]
            if abs(coefficient) != 1 or not factors:
                factors.insert(0, str(abs(coefficient)))
            text += (" - " if coefficient < 0 else " + ") + "*".join(factors)
        return text[3:] if text.startswith(" + ") else "-" + text[3:]

    # --- what needs the number --------------------------------------------------------------------

    def _unknown(self, other: object = 0) -> Any:
        if not isinstance(other, (int, float, DimExpr)):
            return NotImplemented  # a tensor, which knows what to do
        raise GraphError(
            f"the length {self} is not known while the graph is built\n"
            "  hint: gc.as_tensor(x.shape[0]) is a tensor of it, and tensors can be multiplied,"
            " divided by or compared with it"
        )

    __lt__ = __le__ = __gt__ = __ge__ = __truediv__ = __rtruediv__ = __rpow__ = _unknown
    __index__ = __int__ = __float__ = __abs__ = _unknown

    # --- arithmetic -------------------------------------------------------------------------------

    def __add__(self, other: Dim) -> Dim:
        if not isinstance(other, (int, DimExpr)):
            return self._unknown(other)
        total = dict(self.terms)
        for monomial, coefficient in terms_of(other):
            total[monomial] = total.get(monomial, 0) + coefficient
        return of_terms(total)

    def __mul__(self, other: Dim) -> Dim:
        if not isinstance(other, (int, DimExpr)):
            return self._unknown(other)
        total: dict[Monomial, int] = {}
        for m1, c1 in self.terms:
            for m2, c2 in terms_of(other):
                m = tuple(sorted(m1 + m2, key=lambda a: a.key))
                total[m] = total.get(m, 0) + c1 * c2
        return of_terms(total)

    __radd__ = __add__
    __rmul__ = __mul__

    def __neg__(self) -> Dim:
        return self * -1

    def __sub__(self, other: Dim) -> Dim:
        if not isinstance(other, (int, DimExpr)):
            return self._unknown(other)
        return self + -other

    def __rsub__(self, other: Dim) -> Dim:
        return -self + other

    def __pow__(self, exponent: Any) -> Any:
        if not isinstance(exponent, int) or exponent < 0:
            return self._unknown(exponent)
        result: Dim = 1
        for _ in range(exponent):
            result = self * result
        return result

    def __floordiv__(self, other: Dim) -> Dim:
        if not isinstance(other, (int, DimExpr)):
            return self._unknown(other)
        return floordiv(self, other)

    def __rfloordiv__(self, other: Dim) -> Any:
        if not isinstance(other, int):
            return self._unknown(other)
        return floordiv(other, self)

    def __mod__(self, other: Dim) -> Dim:
        if not isinstance(other, (int, DimExpr)):
            return self._unknown(other)
        return mod(self, other)

    def __rmod__(self, other: Dim) -> Any:
        if not isinstance(other, int):
            return self._unknown(other)
        return mod(other, self)

    def __divmod__(self, other: Dim) -> tuple[Dim, Dim]:
        return self // other, self % other

    def __rdivmod__(self, other: Dim) -> tuple[Dim, Dim]:
        return other // self, other % self

    def __pos__(self) -> Dim:
        return self

    def __round__(self, _: int = 0) -> Dim:
        return self

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        """NumPy's integers compute with lengths as Python's do; its functions need the number."""
        if len(inputs) == 1:
            return self._unknown()
        if not all(isinstance(x, (DimExpr, int, float, np.generic, np.ndarray)) for x in inputs):
            return NotImplemented
        return getattr(ufunc, method)(*(np.asarray(x).astype(object) for x in inputs), **options)


def terms_of(d: Dim) -> Iterable[tuple[Monomial, int]]:
    """Its monomials and their coefficients; those of a number are () alone, or none for 0."""
    if isinstance(d, DimExpr):
        return d.terms
    return (((), int(d)),) if d else ()


def of_terms(terms: Mapping[Monomial, int]) -> Dim:
    """The sum of these terms, as a number if it is one."""
    kept = {m: c for m, c in terms.items() if c}
    if not kept:
        return 0
    if len(kept) == 1 and () in kept:
        return kept[()]
    return DimExpr(kept)


def atom(kind: str, a: Dim, b: Dim) -> DimExpr:
    """The expression of one atom with two operands."""
    return DimExpr({(Atom(kind, "", (a, b)),): 1})


def floordiv(a: Dim, b: Dim) -> Dim:
    """a // b, with exact division of every term that allows it."""
    _check_divisor(a, b)
    if isinstance(a, int) and isinstance(b, int):
        return a // b
    if isinstance(b, int) and b < 0:
        return floordiv(-a, -b)
    if b == 1:
        return a
    exact, rest = divide(a, b)
    if rest == 0:
        return exact
    if isinstance(b, int) and exact != 0:
        return exact + floordiv(rest, b)
    return atom("floordiv", a, b)


def mod(a: Dim, b: Dim) -> Dim:
    """a % b, with the sign of b."""
    _check_divisor(a, b)
    if isinstance(a, int) and isinstance(b, int):
        return a % b
    if isinstance(b, int) and b < 0:
        return -mod(-a, -b)
    if b == 1:
        return 0
    exact, rest = divide(a, b)
    if rest == 0:
        return 0
    if isinstance(b, int) and exact != 0:
        return mod(rest, b)
    return atom("mod", a, b)


def _check_divisor(a: Dim, b: Dim) -> None:
    if b == 0:
        raise ShapeError(f"the length {a} is divided by zero")


def divide(a: Dim, b: Dim) -> tuple[Dim, Dim]:
    """(q, r) with a = q*b + r, where q takes every term of `a` that the single term `b` divides
    exactly; several terms divide `a` as a whole or not at all.
    """
    divisor = dict(terms_of(b))
    if len(divisor) != 1:
        found = exact_quotient(dict(terms_of(a)), divisor)
        return (0, a) if found is None else (of_terms(found), 0)
    ((monomial, coefficient),) = divisor.items()
    quotient: dict[Monomial, int] = {}
    rest: dict[Monomial, int] = {}
    for m, c in terms_of(a):
        left = without(m, monomial) if c % coefficient == 0 else None
        if left is None:
            rest[m] = c
        else:
            quotient[left] = c // coefficient
    return of_terms(quotient), of_terms(rest)
