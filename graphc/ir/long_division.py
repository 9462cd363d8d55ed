"""Long division of polynomials in several atoms, for those that divide without a rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from graphc.ir.polynomials import Monomial

Terms = Mapping["Monomial", int]


def exact_quotient(terms: Terms, divisor: Terms) -> dict[Monomial, int] | None:
    """The terms of the polynomial with integer coefficients that gives `terms` when multiplied by
    `divisor`, which isn't empty; None if there is none.

    The highest term of a product is the product of the highest terms, so that each step finds one
    term of the quotient, or that there is none.
    """
    rank = _order(terms, divisor)
    first = max(divisor, key=rank)
    rest = dict(terms)
    quotient: dict[Monomial, int] = {}
    while rest:
        highest = max(rest, key=rank)
        left = without(highest, first)
        times, remainder = divmod(rest[highest], divisor[first])
        if left is None or remainder:
            return None
        quotient[left] = times
        for monomial, c in divisor.items():
            at = tuple(sorted(left + monomial, key=lambda a: a.key))
            rest[at] = rest.get(at, 0) - times * c
            if not rest[at]:
                del rest[at]
    return quotient


def _order(*polynomials: Terms) -> Callable[[Monomial], tuple[int, ...]]:
    """A key by which monomials keep their order when both are multiplied by a third one: the
    degree, then the exponent of each atom.
    """
    atoms = sorted({a for p in polynomials for m in p for a in m}, key=lambda a: a.key)
    return lambda monomial: (len(monomial), *(monomial.count(a) for a in atoms))


def without(monomial: Monomial, divisor: Monomial) -> Monomial | None:
    """monomial / divisor, None if that isn't one."""
    left = list(monomial)
    for factor in divisor:
        if factor not in left:
            return None
        left.remove(factor)
    return tuple(left)
