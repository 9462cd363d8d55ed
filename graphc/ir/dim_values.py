"""What dimensions are made of, and what they are for given sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from graphc.ir.dims import (
    Atom,
    Dim,
    DimExpr,
    Monomial,
    floordiv,
    maximum,
    minimum,
    mod,
    of_terms,
    terms_of,
)


def is_unit(d: Dim) -> bool:
    """Whether a dimension is known to be 1."""
    return isinstance(d, int) and d == 1


def coefficient(d: Dim, a: Atom) -> tuple[Dim, Dim] | None:
    """(c, rest) with d = c*a + rest and `a` in neither; None when d is not linear in `a`."""
    linear: dict[Monomial, int] = {}
    rest: dict[Monomial, int] = {}
    for m, c in terms_of(d):
        if a in m:
            left = list(m)
            left.remove(a)
            linear[tuple(left)] = c
        else:
            rest[m] = c
    c_, r_ = of_terms(linear), of_terms(rest)
    return None if a in atoms(c_) or a in atoms(r_) else (c_, r_)


def atoms(d: Dim) -> frozenset[Atom]:
    """Every atom in `d`, nested ones too."""
    found: set[Atom] = set()
    for m, _ in terms_of(d):
        for a in m:
            found.add(a)
            for arg in a.args:
                found |= atoms(arg)
    return frozenset(found)


def is_name(d: Dim) -> bool:
    """Whether a dimension is one named size."""
    return (
        isinstance(d, DimExpr)
        and len(d.terms) == 1
        and d.terms[0][1] == 1
        and [a.kind for a in d.terms[0][0]] == ["size"]
    )


def sizes(d: Dim) -> frozenset[str]:
    """Names of the sizes that `d` depends on."""
    return frozenset(a.name for a in atoms(d) if a.kind == "size")


_FOLD: dict[str, Callable[[Dim, Dim], Dim]] = {
    "floordiv": floordiv, "mod": mod, "min": minimum, "max": maximum,
}  # fmt: skip


def substitute(d: Dim, value_of: Callable[[Atom], Dim | None]) -> Dim:
    """`d` with every size or index atom replaced by `value_of(atom)` (None keeps it)."""
    if isinstance(d, int):
        return d
    total: Dim = 0
    for m, c in d.terms:
        product: Dim = c
        for a in m:
            product = product * _substitute_atom(a, value_of)
        total = total + product
    return total


def _substitute_atom(a: Atom, value_of: Callable[[Atom], Dim | None]) -> Dim:
    if a.args:
        x, y = (substitute(arg, value_of) for arg in a.args)
        return _FOLD[a.kind](x, y)
    value = value_of(a)
    return DimExpr({(a,): 1}) if value is None else value


def evaluate(d: Dim, values: Mapping[str, int]) -> int:
    """The integer that `d` is when each named size has its value."""
    result = substitute(d, lambda a: values.get(a.name))
    assert isinstance(result, int), f"{d} needs a value for {sorted(sizes(result))}"
    return result


def product(shape: Iterable[Dim]) -> Dim:
    """The number of elements of a shape."""
    total: Dim = 1
    for d in shape:
        total = total * d
    return total
