"""Architectures as data: directed acyclic graphs whose edges carry the names of operations, ways to
draw and to change them, and what they are like.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from graphc.ir.errors import GraphError
from graphc.ir.record import dataclass

Array = np.ndarray[Any, Any]
Edge = tuple[int, str]


@dataclass(frozen=True)
class Architecture:
    """Values 0 .. inputs - 1 are given; node k makes value inputs + k, the sum over its edges
    (source, operation) of the operation on an earlier value. What no node reads is the output.
    """

    inputs: int
    nodes: tuple[tuple[Edge, ...], ...]

    def __post_init__(self) -> None:
        for k, edges in enumerate(self.nodes):
            wrong = [s for s, _ in edges if not 0 <= s < self.inputs + k]
            if wrong or not edges:
                what = f"value {wrong[0]}" if wrong else "nothing"
                raise GraphError(
                    f"node {k} reads {what}, where 0 to {self.inputs + k - 1} are there"
                )

    @property
    def ends(self) -> tuple[int, ...]:
        """The values of nodes that no node reads."""
        read = {source for edges in self.nodes for source, _ in edges}
        every = range(self.inputs, self.inputs + len(self.nodes))
        return tuple(v for v in every if v not in read)

    @property
    def operations(self) -> list[str]:
        """The operations of all edges, in order."""
        return [op for edges in self.nodes for _, op in edges]


def chain(operations: Sequence[str]) -> Architecture:
    """One operation after the other."""
    return Architecture(1, tuple(((k, op),) for k, op in enumerate(operations)))


def draw_chain(rng: np.random.Generator, operations: Sequence[str], depth: int) -> Architecture:
    """A chain of so many operations."""
    return chain([operations[k] for k in rng.integers(len(operations), size=depth)])


def draw_cell(rng: np.random.Generator, operations: Sequence[str], blocks: int) -> Architecture:
    """A cell of two inputs: each of its blocks adds two operations on two earlier values (Zoph et
    al., 2018).
    """
    nodes = []
    for k in range(blocks):
        sources = rng.integers(2 + k, size=2)
        chosen = rng.integers(len(operations), size=2)
        nodes.append(tuple((int(s), operations[o]) for s, o in zip(sources, chosen, strict=True)))
    return Architecture(2, tuple(nodes))


def draw_motif(rng: np.random.Generator, operations: Sequence[str], nodes: int) -> Architecture:
    """A motif of one input: every node reads every earlier value by an operation of its own; the
    last one is the output (Liu et al., 2018).
    """
    count = len(operations)
    return Architecture(
        1,
        tuple(
            tuple((s, operations[int(rng.integers(count))]) for s in range(k + 1))
            for k in range(nodes)
        ),
    )


def expanded(
    architecture: Architecture, motifs: Mapping[str, Architecture], identity: str = "identity"
) -> Architecture:
    """The architecture with each edge whose operation is the name of a motif replaced by the motif,
    level by level until only plain operations are left.
    """
    nodes: list[tuple[Edge, ...]] = []
    places = list(range(architecture.inputs))
    for edges in architecture.nodes:
        fresh: list[Edge] = []
        for source, op in edges:
            if op not in motifs:
                fresh.append((places[source], op))
                continue
            inner = expanded(motifs[op], {n: m for n, m in motifs.items() if n != op}, identity)
            where = [places[source]]
            for inside in inner.nodes:
                nodes.append(tuple((where[s], o) for s, o in inside))
                where.append(architecture.inputs + len(nodes) - 1)
            fresh += [(where[end], identity) for end in inner.ends]
        nodes.append(tuple(fresh))
        places.append(architecture.inputs + len(nodes) - 1)
    return Architecture(architecture.inputs, tuple(nodes))


def mutated(
    architecture: Architecture, operations: Sequence[str], rng: np.random.Generator
) -> Architecture:
    """The architecture after one change: another operation on an edge, another source of it, a node
    put into it, or a node with a single edge taken out.
    """
    nodes = [list(edges) for edges in architecture.nodes]
    k = int(rng.integers(len(nodes)))
    e = int(rng.integers(len(nodes[k])))
    source, op = nodes[k][e]
    kind = rng.choice(["operation", "source", "insert", "remove"])
    if kind == "operation":
        others = [o for o in operations if o != op] or [op]
        nodes[k][e] = (source, others[rng.integers(len(others))])
    elif kind == "source":
        nodes[k][e] = (int(rng.integers(architecture.inputs + k)), op)
    elif kind == "insert":
        place = architecture.inputs + k
        nodes[k][e] = (place, operations[int(rng.integers(len(operations)))])
        later = [[(s + (s >= place and row is not nodes[k]), o) for s, o in row] for row in nodes]
        nodes = [*later[:k], [(source, op)], *later[k:]]
    elif len(nodes[k]) == 1 and len(nodes) > 1:
        place = architecture.inputs + k
        moved = [[(source if s == place else s - (s > place), o) for s, o in row] for row in nodes]
        nodes = moved[:k] + moved[k + 1 :]
    return Architecture(architecture.inputs, tuple(tuple(row) for row in nodes))


def neighbourhoods(architecture: Architecture, rounds: int = 3) -> Counter[Any]:
    """How often each neighbourhood occurs: labels of values, made in each round of their own and
    those they read, with the operations (Weisfeiler and Lehman, 1968).
    """
    read = {s for edges in architecture.nodes for s, _ in edges}
    labels: list[Any] = [f"input {k}" for k in range(architecture.inputs)]
    labels += [
        "inner" if architecture.inputs + k in read else "end"
        for k in range(len(architecture.nodes))
    ]
    found = Counter(labels)
    for _ in range(rounds):
        fresh = labels[: architecture.inputs]
        for k, edges in enumerate(architecture.nodes):
            around = tuple(sorted((op, repr(labels[s])) for s, op in edges))
            fresh.append((labels[architecture.inputs + k], around))
        labels = fresh
        found.update(labels[architecture.inputs :])
    return found


def graph_distances(architectures: Iterable[Architecture], rounds: int = 3) -> Array:
    """Euclidean distances (N, N) of the counts of neighbourhoods: 0 for equal graphs."""
    counts = [neighbourhoods(a, rounds) for a in architectures]
    names = {name: k for k, name in enumerate(dict.fromkeys(n for c in counts for n in c))}
    rows = np.zeros((len(counts), len(names)))
    for row, c in zip(rows, counts, strict=True):
        row[[names[n] for n in c]] = list(c.values())
    return np.asarray(np.sqrt(((rows[:, None] - rows[None]) ** 2).sum(-1)))


def graph_kernel(
    architectures: Iterable[Architecture], scale: float = 1.0, rounds: int = 3
) -> Array:
    """exp(-distance² / (2 scale²)), a kernel for Gaussian processes over architectures: positive
    semidefinite, since the distances are Euclidean.
    """
    return np.asarray(np.exp(-0.5 * (graph_distances(architectures, rounds) / scale) ** 2))
