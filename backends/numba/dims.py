"""Dimensions as Python expressions over the names of sizes."""

from __future__ import annotations

from collections.abc import Mapping

from graphc.ir.dims import Atom, Dim

_OPERATOR = {"floordiv": "//", "mod": "%"}


def dim_text(d: Dim, names: Mapping[str, str]) -> str:
    """The Python expression of a dimension; `names` gives the identifier of each size."""
    if isinstance(d, int):
        return str(d)
    terms = [
        " * ".join([*_factor(c), *(_atom(a, names) for a in monomial)]) for monomial, c in d.terms
    ]
    return " + ".join(term or "1" for term in terms)


def _factor(coefficient: int) -> list[str]:
    return [] if coefficient == 1 else [str(coefficient)]


def _atom(a: Atom, names: Mapping[str, str]) -> str:
    if not a.args:
        return names[a.name]
    if a.kind in _OPERATOR:
        x, y = (_operand(arg, names) for arg in a.args)
        return f"({x} {_OPERATOR[a.kind]} {y})"
    return f"{a.kind}({', '.join(dim_text(arg, names) for arg in a.args)})"


def _operand(d: Dim, names: Mapping[str, str]) -> str:
    text = dim_text(d, names)
    return text if isinstance(d, int) or text.isidentifier() else f"({text})"
