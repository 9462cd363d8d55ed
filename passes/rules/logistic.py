"""A rule of what differentiation leaves of sigmoids and their logarithms, as users write them.

Below, P = sigmoid(u) and Q = sigmoid(-u) = 1 - P. Then exp(u) = P / Q and 1 + exp(u) = 1 / Q, so
products of all these and their inverses are powers of P and Q.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from graphc.ir.dtypes import float64
from graphc.ir.node import Node, Tensor
from graphc.ir.record import dataclass
from graphc.ops.arithmetic import less_square, reciprocal
from graphc.ops.exponential import exp, sigmoid
from graphc.ops.source import placeholder
from graphc.passes.rule import procedure
from graphc.passes.rules.facts import full, made_by, number_of

#: Terms that a product may have once it is multiplied out; how deep its factors are looked for, and
#: in how many nodes.
TERMS, DEPTH, NODES = 6, 10, 60
PARTS = ("negative", "reciprocal", "multiply", "divide", "add", "subtract")


@dataclass(frozen=True)
class Term:
    """sign * (product of `over`) / (product of `under`) * P**p * Q**q; `vanishes` if a factor on
    the way was divided by what may be 0.
    """

    sign: int = 1
    over: tuple[Tensor, ...] = ()
    under: tuple[Tensor, ...] = ()
    p: int = 0
    q: int = 0
    vanishes: bool = False


Terms = list[Term]


def _data(name: str) -> Tensor:
    return placeholder(name, (3, 5), float64)


def _of_log_of_one_plus_exp() -> Tensor:
    e = exp(_data("u"))
    return e * (_data("g") / (e + 1))


def _of_log_of_one_plus_exp_alone() -> Tensor:
    u = _data("u")
    return exp(u) * sigmoid(-u)


def _of_log_of_sigmoid() -> Tensor:
    p = sigmoid(_data("u"))
    return _data("g") / p * less_square(p, p)


def _of_cross_entropy() -> Tensor:
    p = sigmoid(_data("u"))
    return (_data("b") / (1 - p) - _data("a") / p) * less_square(p, p)


def _of_cross_entropy_by_exp() -> Tensor:
    u = _data("u")
    e, p = exp(-u), sigmoid(u)
    return e * (p * (_data("b") / (1 - p) - _data("a") / p) / (e + 1))


def _of_quotient() -> Tensor:
    u = _data("u")
    e, p = exp(u), sigmoid(u)
    return e * (reciprocal(p) / (e + 1) - p * reciprocal(p) / (e + 1))


@procedure(
    "multiply",
    exact=False,
    examples=[
        _of_log_of_one_plus_exp,
        _of_log_of_one_plus_exp_alone,
        _of_log_of_sigmoid,
        _of_cross_entropy,
        _of_cross_entropy_by_exp,
        _of_quotient,
    ],
)
def powers_of_sigmoids(node: Node) -> Tensor | None:
    """What overflows or vanishes cancels: a gradient is finite where its function is."""
    u = next((u for x in node.inputs if (u := _argument(x)) is not None), None)
    if u is None or not u.dtype.is_float or not _is_divided(node.outputs[0], u):
        return None
    terms = _expand(node.outputs[0], u, DEPTH)
    if not any(t.vanishes for t in terms):
        return None
    terms = _joined(terms)
    if any(t.p < 0 or t.q < 0 for t in terms) or not any(t.p or t.q for t in terms):
        return None  # the sum must keep every NaN of u
    return _sum([(t.sign, _product(t, u)) for t in terms])


def _argument(x: Tensor) -> Tensor | None:
    """The u of exp, sigmoid, or sigmoid less its square, without its sign."""
    if made_by(x, "less_square"):
        x = x.node.inputs[0]
        return _unsigned(x.node.inputs[0])[0] if made_by(x, "sigmoid") else None
    return _unsigned(x.node.inputs[0])[0] if made_by(x, "exp", "sigmoid") else None


def _is_divided(x: Tensor, u: Tensor) -> bool:
    """Whether powers of P and Q divide something in x, or both exp(u) and P are in it."""
    found, has_exp = [x], False
    for y in found:
        if len(found) > NODES:
            return False
        if _powers(y, u) is not None:
            has_exp = has_exp or made_by(y, "exp")
            continue
        if made_by(y, "divide", "reciprocal") and _powers(y.node.inputs[-1], u) is not None:
            return True
        if made_by(y, *PARTS):
            found += y.node.inputs
    return has_exp and any(made_by(y, "sigmoid") for y in found)


def _unsigned(x: Tensor) -> tuple[Tensor, int]:
    """(y, sign) with x = sign * y."""
    sign = 1
    while made_by(x, "negative"):
        x, sign = x.node.inputs[0], -sign
    if made_by(x, "multiply"):
        for a, b in (x.node.inputs, x.node.inputs[::-1]):
            number = number_of(b)
            if made_by(a, "negative"):
                return a.node.inputs[0] * b, -sign
            if number is not None and number < 0:
                return a * -b, -sign
    return x, sign


def _expand(x: Tensor, u: Tensor, depth: int) -> Terms:
    """x multiplied out; what would take too many terms, or has nothing to do with u, is a factor
    as it is.
    """
    powers = _powers(x, u)
    if powers is not None:
        return [Term(p=powers[0], q=powers[1], vanishes=min(powers) < 0)]
    terms = _parts(x, u, depth - 1) if depth else []
    return terms if 0 < len(terms) <= TERMS else [Term(over=(x,))]


def _parts(x: Tensor, u: Tensor, depth: int) -> Terms:
    """The terms of a product, a quotient or a sum; none for others."""
    if made_by(x, "negative"):
        return _times([Term(-1)], _expand(x.node.inputs[0], u, depth))
    if made_by(x, "reciprocal"):
        return _inverse(x.node.inputs[0], u, depth)
    if not made_by(x, *PARTS):
        return []
    a, b = x.node.inputs
    left = _expand(a, u, depth)
    right = _inverse(b, u, depth) if made_by(x, "divide") else _expand(b, u, depth)
    if made_by(x, "multiply", "divide"):
        return _times(left, right)
    terms = left + _times([Term(1 if made_by(x, "add") else -1)], right)
    return terms if any(t.p or t.q for t in terms) else []


def _inverse(x: Tensor, u: Tensor, depth: int) -> Terms:
    """The one term of 1 / x."""
    terms = _expand(x, u, depth)
    if len(terms) > 1:
        return [Term(under=(x,))]
    (t,) = terms
    return [Term(t.sign, t.under, t.over, -t.p, -t.q, min(-t.p, -t.q) < 0)]


def _powers(x: Tensor, u: Tensor) -> tuple[int, int] | None:
    """(p, q) of x = P**p * Q**q; None if it is no such thing."""
    if made_by(x, "exp", "sigmoid"):
        return _turned(x, u, (1, -1) if made_by(x, "exp") else (1, 0))
    if made_by(x, "less_square"):
        same = x.node.inputs[0] is x.node.inputs[1] and made_by(x.node.inputs[0], "sigmoid")
        return _turned(x.node.inputs[0], u, (1, 1)) if same else None
    if made_by(x, "add"):
        for e, one in (x.node.inputs, x.node.inputs[::-1]):
            if made_by(e, "exp") and number_of(one) == 1:
                return _turned(e, u, (0, -1))
    if made_by(x, "subtract") and number_of(x.node.inputs[0]) == 1:
        p = x.node.inputs[1]
        return _turned(p, u, (0, 1)) if made_by(p, "sigmoid") else None
    return None


def _turned(x: Tensor, u: Tensor, powers: tuple[int, int]) -> tuple[int, int] | None:
    """The powers of a function of u as they are, of a function of -u the other way round."""
    y, sign = _unsigned(x.node.inputs[0])
    return None if y is not u else powers if sign > 0 else powers[::-1]


def _times(a: Terms, b: Terms) -> Terms:
    return [
        Term(
            s.sign * t.sign,
            s.over + t.over,
            s.under + t.under,
            s.p + t.p,
            s.q + t.q,
            s.vanishes or t.vanishes,
        )
        for s, t in itertools.product(a, b)
    ]


def _joined(terms: Terms) -> Terms:
    """The terms with c - c * P as c * Q, and c - c * Q as c * P, which do not cancel."""
    for s, t in itertools.permutations(terms, 2):
        if s.sign == -t.sign and _same(s.over, t.over) and _same(s.under, t.under):
            more = (t.p - s.p, t.q - s.q)
            if more in ((1, 0), (0, 1)):
                rest = [x for x in terms if x is not s and x is not t]
                one = Term(s.sign, s.over, s.under, s.p + more[1], s.q + more[0])
                return _joined([one, *rest])
    return terms


def _same(a: Sequence[Tensor], b: Sequence[Tensor]) -> bool:
    """Whether these are the same factors, in any order."""
    return sorted(map(id, a)) == sorted(map(id, b))


def _product(t: Term, u: Tensor) -> Tensor | None:
    """The term without its sign; None for 1."""
    factors = [*t.over, *[sigmoid(u)] * t.p, *[sigmoid(-u)] * t.q]
    return _quotient(_multiplied(factors), _multiplied(t.under))


def _multiplied(factors: Sequence[Tensor]) -> Tensor | None:
    result = None
    for x in factors:
        result = x if result is None else result * x
    return result


def _quotient(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    if b is None:
        return a
    return reciprocal(b) if a is None else a / b


def _sum(terms: Sequence[tuple[int, Tensor | None]]) -> Tensor | None:
    """The signed terms added up, a positive one first if there is one; None stands for 1."""
    (sign, first), *rest = sorted(terms, key=lambda term: -term[0])
    other = next(x for _, x in terms if x is not None)
    result = _filled(first, other) if sign > 0 else -_filled(first, other)
    for sign, x in rest:
        result = result + _filled(x, other) if sign > 0 else result - _filled(x, other)
    return result


def _filled(x: Tensor | None, like: Tensor) -> Tensor:
    return full(1, like) if x is None else x
