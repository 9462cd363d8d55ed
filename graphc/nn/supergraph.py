"""One network that holds many: every edge has all operations, and an architecture is a choice among
them, made by weights, masks, numbers or chance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphc.control import switch
from graphc.ir.errors import GraphError
from graphc.ir.node import Tensor
from graphc.nn.layer import Layer
from graphc.nn.wiring import Make, Operation
from graphc.ops.convert import TensorLike, as_operand
from graphc.ops.custom import stop_gradient
from graphc.ops.indexing.gather import take
from graphc.ops.joining import concat
from graphc.ops.layout import reshape, transpose
from graphc.ops.randomness.distributions import gumbel, uniform
from graphc.ops.randomness.generator import KeyLike, fold_in, split
from graphc.ops.reduction import argmax
from graphc.ops.reduction import sum as total
from graphc.ops.select import where
from graphc.ops.sorting.topk import topk
from graphc.ops.source import constant, variable
from graphc.ops.statistics import softmax

# What an edge makes of its input, its operations, their logits (O,), and its number.
EdgeRule = Callable[[Tensor, Sequence[Operation], Tensor, int], Tensor]


def mixed_operations(x: Tensor, operations: Sequence[Operation], weights: Tensor) -> Tensor:
    """The sum of all operations on x, weighted: with a mask of zeros and ones, a sub-network."""
    parts = [op(x) * weights[k] for k, op in enumerate(operations)]
    return sum(parts[1:], parts[0])


def relaxed_edge(
    x: Tensor, operations: Sequence[Operation], logits: Tensor, edge: int = 0
) -> Tensor:
    """All operations, weighted by softmax(logits): Liu et al. (2019)."""
    return mixed_operations(x, operations, softmax(logits))


def indexed_edge(choices: Tensor) -> EdgeRule:
    """An edge that runs the operation whose number an integer vector (edges,) has for it: one
    compiled step for every architecture, in which only that architecture's operations run.
    """

    def edge(x: Tensor, operations: Sequence[Operation], logits: Tensor, k: int = 0) -> Tensor:
        y: Tensor = switch(choices[k], list(operations), x)
        return y

    return edge


def gumbel_edge(key: KeyLike, temperature: TensorLike = 1.0) -> EdgeRule:
    """An edge that runs one operation, drawn with chances softmax(logits). Its value is that of the
    operation; its gradient for the logits is that of the Gumbel-softmax weight at this temperature
    (Dong and Yang, 2019).
    """

    def edge(x: Tensor, operations: Sequence[Operation], logits: Tensor, k: int = 0) -> Tensor:
        noisy = logits + gumbel(fold_in(key, k), logits.shape, logits.dtype)
        chosen = argmax(noisy)
        weight = take(softmax(noisy / as_operand(temperature, logits.dtype)), chosen)
        y: Tensor = switch(chosen, list(operations), x)
        return y * (1 + weight - stop_gradient(weight))

    return edge


def binary_edge(key: KeyLike) -> EdgeRule:
    """An edge that draws two operations and runs both, one of them with gate 1 and the other with
    gate 0; gradients reach the logits of both through the gates (Cai et al., 2019).
    """

    def edge(x: Tensor, operations: Sequence[Operation], logits: Tensor, k: int = 0) -> Tensor:
        keys = split(fold_in(key, k), 2)
        _, two = topk(logits + gumbel(keys[0], logits.shape, logits.dtype), 2)
        chances = softmax(take(logits, two))
        first = uniform(keys[1], (), dtype=logits.dtype) < stop_gradient(chances[0])
        gates = where(first, constant(np.array([1.0, 0.0])), constant(np.array([0.0, 1.0])))
        gates = gates.astype(logits.dtype) + chances - stop_gradient(chances)
        ys: list[Tensor] = [switch(two[m], list(operations), x) for m in range(2)]
        return gates[0] * ys[0] + gates[1] * ys[1]

    return edge


def partial_edge(share: int, edge: EdgeRule = relaxed_edge, axis: int = 1) -> EdgeRule:
    """An edge that hands every `share`-th channel (1 / share of them) to its operations and the
    others on as they are; channels are then shuffled so that the next edge takes others (Xu et
    al., 2020).
    """

    def of_part(x: Tensor, operations: Sequence[Operation], logits: Tensor, k: int = 0) -> Tensor:
        channels = x.shape[axis]
        if not isinstance(channels, int) or channels % share:
            raise GraphError(f"{channels} channels have no part of 1 / {share}")
        if share == 1:
            return edge(x, operations, logits, k)
        cut: list[Any] = [slice(None)] * x.ndim
        cut[axis] = slice(0, channels // share)
        rest = list(cut)
        rest[axis] = slice(channels // share, None)
        y = concat([edge(x[tuple(cut)], operations, logits, k), x[tuple(rest)]], axis=axis)
        before, after = y.shape[:axis], y.shape[axis + 1 :]
        groups = reshape(y, (*before, share, channels // share, *after))
        order = [*range(axis), axis + 1, axis, *range(axis + 2, groups.ndim)]
        return reshape(transpose(groups, tuple(order)), y.shape)

    return of_part


def dropped_edge(rate: TensorLike, key: KeyLike, edge: EdgeRule = relaxed_edge) -> EdgeRule:
    """An edge whose value is 0 with probability `rate`, which may follow a schedule, and else
    divided by 1 - rate.
    """

    def kept(x: Tensor, operations: Sequence[Operation], logits: Tensor, k: int = 0) -> Tensor:
        y = edge(x, operations, logits, k)
        chance = as_operand(rate, y.dtype)
        stays = uniform(fold_in(key, k), (), dtype=y.dtype) >= chance
        return where(stays, y / (1 - chance), 0)

    return kept


def expected_cost(logits: Tensor, costs: TensorLike) -> Tensor:
    """Σ p · cost over all edges and operations, p = softmax(logits) along the last axis: latency,
    say, as a term of the loss.
    """
    p = softmax(logits)
    return total(p * as_operand(costs, p.dtype))


class Supergraph(Layer):
    """Nodes that each read all values before them by all operations: of `logits` (edges, O) the
    edges are in the order of their nodes, then of their sources.

    operations: as for `Wiring`, made once for every edge. The last node is the output. With
    `edge_weights` what a node reads is weighted by the softmax of further logits, one for each of
    its edges.
    """

    def __init__(
        self,
        inputs: int,
        nodes: int,
        operations: Mapping[str, Make],
        edge_weights: bool = False,
        dtype: Any = "float32",
    ):
        self.inputs, self.names = inputs, list(operations)
        self.places = [(k, s) for k in range(nodes) for s in range(inputs + k)]
        self.edges = [{name: make(1) for name, make in operations.items()} for _ in self.places]
        self.logits = variable(np.zeros((len(self.places), len(operations)), dtype), "logits")
        self.edge_logits = (
            variable(np.zeros(len(self.places), dtype), "edge_logits") if edge_weights else None
        )

    def choices(self) -> list[Tensor]:
        """The variables that choose the architecture."""
        return [self.logits] + ([self.edge_logits] if self.edge_logits is not None else [])

    def weights(self) -> list[Tensor]:
        """The variables of the operations."""
        chosen = set(self.choices())
        return [p for p in self.parameters() if p not in chosen]

    def __call__(
        self, *inputs: Tensor, edge: EdgeRule = relaxed_edge, logits: Tensor | None = None
    ) -> Tensor:
        """The output with this rule on every edge, and these logits (edges, O) or its own."""
        rows = self.logits if logits is None else logits

        def value(k: int, x: Tensor) -> Tensor:
            return edge(x, list(self.edges[k].values()), rows[k], k)

        return self._run(inputs, value)

    def masked(self, mask: Tensor, *inputs: Tensor) -> Tensor:
        """The output with each operation of each edge multiplied by its mask (edges, O)."""
        return self._run(
            inputs, lambda k, x: mixed_operations(x, list(self.edges[k].values()), mask[k])
        )

    def chosen(self, choice: Sequence[str | None], *inputs: Tensor) -> Tensor:
        """The output of the sub-network with one operation, or None, on each edge; nothing else
        becomes part of the graph.
        """

        def value(k: int, x: Tensor) -> Tensor | None:
            name = choice[k]
            return None if name is None else self.edges[k][name](x)

        return self._run(inputs, value)

    def best(self) -> list[str]:
        """The operation with the largest logit on each edge."""
        array = np.asarray(self.logits.value)
        return [self.names[k] for k in array.argmax(1)]

    def mask(self, choice: Sequence[str | None]) -> np.ndarray[Any, Any]:
        """The mask (edges, O) of a choice."""
        rows = [[float(name == other) for other in self.names] for name in choice]
        return np.array(rows, self.logits.dtype.numpy)

    def _run(self, inputs: Sequence[Tensor], value: Callable[[int, Tensor], Any]) -> Tensor:
        if len(inputs) != self.inputs:
            raise GraphError(f"the supergraph has {self.inputs} inputs, not {len(inputs)}")
        values = list(inputs)
        for node in range(self.places[-1][0] + 1):
            numbers = [k for k, (n, _) in enumerate(self.places) if n == node]
            scales = self._scales(numbers)
            parts = []
            for m, k in enumerate(numbers):
                y = value(k, values[self.places[k][1]])
                if y is not None:
                    parts.append(y if scales is None else y * scales[m])
            values.append(sum(parts[1:], parts[0]) if parts else 0 * inputs[0])
        return values[-1]

    def _scales(self, numbers: Sequence[int]) -> Tensor | None:
        if self.edge_logits is None:
            return None
        return softmax(self.edge_logits[numbers[0] : numbers[-1] + 1])
