"""Directed graphical models over discrete variables (Pearl, 1988): laws, ancestral samples, and
what their arrows say about independence.

Arrows are given as the parents of each variable, by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from graphc.ir.errors import GraphError, ShapeError
from graphc.ir.node import Tensor
from graphc.ops.convert import TensorLike, as_tensor
from graphc.ops.indexing.gather import take_along_axis
from graphc.ops.layout import broadcast_to, expand_dims
from graphc.ops.randomness.distributions import categorical
from graphc.ops.randomness.generator import KeyLike, split
from graphc.ops.statistics import log_softmax
from graphc.probability.enumeration import joint_logits

Arrows = Mapping[str, Sequence[str]]


class DirectedModel:
    """p = the product over variables of p(variable | its parents); those that `parents` does not
    name have none.

    logits: for each variable a table with one axis for each parent, in the order of `parents`, and
    a last one for its own values; its softmax along that is the conditional law.
    """

    def __init__(self, parents: Arrows, logits: Mapping[str, Tensor]):
        self.parents = {name: tuple(parents.get(name, ())) for name in (*parents, *logits)}
        self.logits = dict(logits)
        self.order = _ordered(self.parents)
        if set(self.order) != self.logits.keys():
            raise GraphError(f"tables of {sorted(self.order)} needed, not {sorted(logits)}")
        self.sizes = {name: int(self.logits[name].shape[-1]) for name in self.order}
        for name in self.order:
            wanted = tuple(self.sizes[p] for p in (*self.parents[name], name))
            if self.logits[name].shape != wanted:
                raise ShapeError(
                    f"the table of {name} needs shape {wanted}\n  {self.logits[name].describe()}"
                )

    def sample(self, key: KeyLike, count: int) -> dict[str, Tensor]:
        """`count` draws, int64, of each variable: parents before children."""
        keys = split(key, len(self.order))
        found: dict[str, Tensor] = {}
        for k, name in enumerate(self.order):
            given = tuple(found[p] for p in self.parents[name])
            table = self.logits[name]
            rows = table[given] if given else broadcast_to(table, (count, *table.shape))
            found[name] = categorical(keys[k], rows)
        return found

    def log_probability(self, states: Mapping[str, TensorLike]) -> Tensor:
        """log p of rows of states, integers (N,) for every variable."""
        rows = {name: as_tensor(x) for name, x in states.items()}
        parts = []
        for name in self.order:
            given = tuple(rows[p] for p in self.parents[name])
            law = log_softmax(self.logits[name])
            each = law[given] if given else broadcast_to(law, (rows[name].shape[0], *law.shape))
            parts.append(take_along_axis(each, expand_dims(rows[name], -1), axis=-1)[:, 0])
        return sum(parts[1:], parts[0])

    def log_joint(self) -> Tensor:
        """log p as a table with an axis for each variable, in `order`."""
        place = {name: k for k, name in enumerate(self.order)}
        factors = {
            tuple(place[p] for p in (*self.parents[name], name)): log_softmax(table)
            for name, table in self.logits.items()
        }
        return joint_logits([self.sizes[name] for name in self.order], factors)


def moral_graph(parents: Arrows) -> dict[str, set[str]]:
    """The neighbours of each variable when arrows lose their heads and parents of a common child
    are joined.
    """
    found: dict[str, set[str]] = {name: set() for name in _ordered(parents)}
    for child, above in parents.items():
        family = {child, *above}
        for name in family:
            found[name] |= family - {name}
    return found


def markov_blanket(parents: Arrows, variable: str) -> set[str]:
    """Parents, children and their other parents: given these, a variable is independent of all
    others.
    """
    return moral_graph(parents)[variable]


def separated(
    neighbours: Mapping[str, Iterable[str]], a: str, b: str, given: Iterable[str] = ()
) -> bool:
    """Whether every path from a to b in an undirected graph meets one of `given`: then a and b are
    independent given these.
    """
    closed = set(given)
    seen, ahead = {a}, [a]
    while ahead:
        for name in neighbours[ahead.pop()]:
            if name not in seen and name not in closed:
                seen.add(name)
                ahead.append(name)
    return b not in seen


def d_separated(parents: Arrows, a: str, b: str, given: Iterable[str] = ()) -> bool:
    """Whether the arrows make a and b independent given some variables: separation in the moral
    graph of all these and their ancestors (Lauritzen et al., 1990).
    """
    kept, ahead = set(), [a, b, *given]
    while ahead:
        name = ahead.pop()
        if name not in kept:
            kept.add(name)
            ahead.extend(parents.get(name, ()))
    above = {name: parents.get(name, ()) for name in kept}
    return separated(moral_graph(above), a, b, given)


def _ordered(parents: Arrows) -> list[str]:
    try:
        return list(TopologicalSorter(parents).static_order())
    except CycleError as error:
        cycle = " -> ".join(reversed(error.args[1]))
        raise GraphError(f"arrows of a directed model run in a circle: {cycle}") from error
