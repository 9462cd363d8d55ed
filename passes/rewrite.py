"""Rewriting: a graph in which no rule applies any more.

Nodes are brought to their normal form inputs first; what a rule puts in a node's place is brought
to its normal form too. Each node is visited once, so the time is linear in the graph and the steps.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from graphc.ir.node import Node, Tensor
from graphc.ir.op import Op
from graphc.ir.walk import blame, topological, with_inputs
from graphc.passes.rule import Rule

#: Rewriting steps allowed for each node of a graph; rules that need more never end.
STEPS_PER_NODE = 100


def rewrite(
    outputs: Iterable[Tensor],
    rules: Sequence[Rule],
    counts: Counter[str] | None = None,
    kept: Iterable[Tensor] = (),
) -> list[Tensor]:
    """The outputs rewritten until no rule applies; earlier rules go first at a node.

    `counts` gains the number of times that each rule applied. Tensors that are `kept` stay as they
    are. Rules that undo each other, or that never end, are an assertion that names them.
    """
    outputs = list(outputs)
    limit = STEPS_PER_NODE * (len(topological(outputs)) + 10)
    rewriter = _Rewriter(by_root(tuple(rules)), Counter() if counts is None else counts, limit)
    rewriter.normal.update((x, x) for x in kept)
    rewriter.run([x.node for x in outputs])
    return [rewriter.normal[x] for x in outputs]


@functools.lru_cache(maxsize=16)
def by_root(rules: tuple[Rule, ...]) -> Mapping[Op, Sequence[Rule]]:
    """The rules that may replace each op."""
    found: dict[Op, list[Rule]] = {}
    for rule in rules:
        for op in sorted(rule.roots, key=lambda op: op.name):
            found.setdefault(op, []).append(rule)
    return found


class _Rewriter:
    def __init__(self, rules: Mapping[Op, Sequence[Rule]], counts: Counter[str], limit: int):
        self.rules, self.counts, self.limit = rules, counts, limit
        self.normal: dict[Tensor, Tensor] = {}
        self.becomes: dict[Node, tuple[Tensor, ...]] = {}
        self.steps = 0

    def run(self, roots: Sequence[Node]) -> None:
        """Fills `normal` for the roots and everything that they depend on."""
        stack = list(reversed(roots))
        waiting: set[Node] = set()
        while stack:
            node = stack[-1]
            missing = [] if self._done(node) else self._missing(node)
            if missing:
                waiting.add(node)
                for other in missing:
                    assert other not in waiting, self._complaint(other)
                stack.extend(reversed(missing))
                continue
            stack.pop()
            waiting.discard(node)

    def _done(self, node: Node) -> bool:
        return all(map(self.normal.__contains__, node.outputs))

    def _missing(self, node: Node) -> list[Node]:
        """The nodes whose normal forms this one waits for; with none left, its own is set."""
        if node not in self.becomes:
            missing = [x.node for x in node.inputs if x not in self.normal]
            if missing:
                return missing
            self.becomes[node] = self._step(node)
        target = self.becomes[node]
        missing = [y.node for y in target if y.node is not node and y not in self.normal]
        if not missing:
            for x, y in zip(node.outputs, target, strict=True):
                self._settle(x, y if y.node is node else self.normal[y])
        return missing

    def _settle(self, x: Tensor, y: Tensor) -> None:
        if x.label and not y.label:
            y.label = x.label
        self.normal[x] = y

    def _step(self, node: Node) -> tuple[Tensor, ...]:
        """What the node becomes at once: itself on normal inputs, or what a rule puts there."""
        moved = with_inputs(node, tuple(self.normal[x] for x in node.inputs))
        if moved is not node or len(node.outputs) != 1:
            return moved.outputs
        read = {x.node.op for x in node.inputs}
        for rule in self.rules.get(node.op, ()):
            right = rule.replace(node) if rule.needs <= read else None
            if right is not None:
                self._count(rule)
                blame(right, node)
                return (right,)
        return node.outputs

    def _count(self, rule: Rule) -> None:
        self.counts[rule.name] += 1
        self.steps += 1
        assert self.steps <= self.limit, f"rewriting does not end: {self.counts.most_common(5)}"

    def _complaint(self, node: Node) -> str:
        return f"rules undo each other at {node!r}: {self.counts.most_common(5)}"
