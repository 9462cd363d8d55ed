"""Values with rows and columns that are made of products and used up by reductions and products, as
the scores of attention are: they are computed for a band of rows at a time and never stored.

    softmax(q k') v          one loop over bands: the rows of q k', their softmax, their part of v
    its gradients            the same rows again, from q, k and what is kept for each row; what is
                             summed over rows is added up band by band

What a band's rows need of earlier loops, for instance the sum of a row, is stored; all that is as
large as rows times columns is computed again. Any elementwise function may stand between the
products. A fixed share of the bands, whatever the number of threads, adds to the same totals.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphc.ir.dim_values import product
from graphc.ir.node import Node, Tensor
from graphc.ir.walk import rebuild, topological, users
from graphc.passes.bands.limits import COMPARISONS
from graphc.passes.bands.loops import (
    COLUMN_SHARE,
    COLUMNS,
    LEAST_SEEN,
    ROW_SHARE,
    ROWS,
    Loop,
    is_large,
    usual,
)
from graphc.passes.bands.regions import Labels, Region, is_big
from graphc.passes.graph import Graph, Pass

#: Loops that the values of one region may take.
MOST_LOOPS = 4


def bands(graph: Graph) -> Graph:
    """The graph with such values computed in bands where that pays."""
    seen: set[Node] = set()
    while True:
        nodes = topological(graph.results)
        seeds = [n for n in nodes if n not in seen and _is_large(n)]
        readers = users(graph.results) if seeds else {}
        for seed in seeds:
            if seed in seen:
                continue
            region = Region(seed, readers, graph.results)
            seen.update(region.products)
            loops = _loops(region, nodes, graph) if _may_pay(region) else None
            if loops is not None and loops.pays():
                graph = graph.with_results(loops.results())
                break
        else:
            return graph


def _is_large(node: Node) -> bool:
    """Whether a product gives rows and columns that may fill the caches, of sums of few."""
    if node.op.name != "dot_general" or len(node.types[0].shape) < 2:
        return False
    (out,) = node.types
    if isinstance(out.bytes, int) and out.bytes < LEAST_SEEN:
        return False
    return all(usual(d) >= _depth(node) for d in out.shape[-2:])


def _depth(node: Node) -> int:
    """How much is summed for an element of a product."""
    x = node.inputs[0]
    return usual(product(x.shape[k] for k in node.attrs["contract"][0]))


def _may_pay(region: Region) -> bool:
    """Whether it is worth a closer look: there is a mask of places, or the values are large, and
    sums of few.
    """
    if not region.sound:
        return False
    if any(n.op.name in COMPARISONS and n.inputs[0].dtype.is_integer for n in region.operands):
        return is_large(region, limited=True)
    deepest = max(map(_depth, region.products))
    rows, columns = usual(region.rows), usual(region.columns)
    share = columns >= ROW_SHARE * deepest and rows >= COLUMN_SHARE * deepest
    return share and is_large(region, limited=False)


def _loops(region: Region, nodes: Sequence[Node], graph: Graph) -> _Loops:
    """As few loops as can be, or more of them if that leaves hidden columns out."""
    region.complete()
    apart = _Loops(region, nodes, graph, apart=True)
    if apart.loops and all(loop.limits is not None for loop in apart.loops):
        return apart
    return _Loops(region, nodes, graph, apart=False)


class _Loops:
    """The loops over bands that compute what a region gives. `apart`: products of big values and
    rows take the latter from earlier loops, where it is known whether they are finite.
    """

    def __init__(self, region: Region, nodes: Sequence[Node], graph: Graph, *, apart: bool):
        self.region, self.old, self.apart = region, graph.results, apart
        self.order = [n for n in nodes if n in region.operands]
        self.at = self._phases(nodes)
        self.stored = self._stored(nodes)
        last = max((self.at[n] for n in self.order), default=0)
        self.loops: list[Loop] = []
        names = graph.new_size(ROWS), graph.new_size(COLUMNS)
        for k in range(last, -1, -1) if last < MOST_LOOPS else ():
            needed = self._needed(k)
            sinks = [n for n in self.order if n in self.stored and self.at[n] == k]
            if sinks:
                nodes_of_loop = [n for n in self.order if n in needed]
                self.loops.insert(0, Loop(region, nodes_of_loop, sinks, names))

    def _phases(self, nodes: Sequence[Node]) -> dict[Node, int]:
        """After how many loops each node of the region can be computed."""
        ready: dict[Tensor, int] = {}
        at: dict[Node, int] = {}
        for node in nodes:
            known = [ready.get(x, 0) for x in node.inputs]
            if node in self.region.operands:
                pairs = zip(node.inputs, self.region.operands[node], known, strict=True)
                at[node] = max(
                    (at[x.node] if self._makes(node, x, own) else k for x, own, k in pairs),
                    default=0,
                )
            sink = node in self.region.sinks
            known_now = at[node] + 1 if sink else max(known, default=0)
            ready.update(dict.fromkeys(node.outputs, known_now))
        return at

    def _makes(self, node: Node, x: Tensor, labels: Labels) -> bool:
        """Whether the band that computes a node has x, an operand of it, of its own."""
        if self.apart and node.op.name == "dot_general" and not is_big(labels):
            return False
        return self.region.makes(x, labels)

    def _stored(self, nodes: Sequence[Node]) -> set[Node]:
        """The sinks whose values something outside of the loops reads, or that gives them what they
        read.
        """
        region, found = self.region, set[Node]()
        todo = list(self.old)
        for node in nodes:
            if node not in region.operands:
                todo += node.inputs
                continue
            pairs = zip(node.inputs, region.operands[node], strict=True)
            todo += [x for x, own in pairs if not self._makes(node, x, own)]
        done: set[Tensor] = set()
        while todo:
            x = todo.pop()
            if x.node in region.sinks:
                found.add(x.node)
            elif x.node in region.operands and x not in done:
                done.add(x)
                todo += x.node.inputs
        return found

    def _needed(self, k: int) -> set[Node]:
        """The nodes of loop k. Sinks of earlier loops that they read are stored from here on."""
        needed = {n for n in self.stored if self.at[n] == k}
        for node in reversed(self.order):
            if node not in needed:
                continue
            for x, own in zip(node.inputs, self.region.operands[node], strict=True):
                if not self._makes(node, x, own):
                    continue
                earlier = x.node in self.region.sinks and self.at[x.node] < k
                (self.stored if earlier else needed).add(x.node)
        return needed

    def pays(self) -> bool:
        """Whether there are loops, and little is read and made beside the values."""
        return bool(self.loops) and all(loop.pays() for loop in self.loops)

    def results(self) -> list[Tensor]:
        """The graph's results by way of the loops."""
        replaced: dict[Tensor, Tensor] = {}
        for loop in self.loops:
            given = rebuild(loop.given, lambda node, inputs: None, replaced)
            replaced.update(loop.run(given))
        return rebuild(self.old, lambda node, inputs: None, replaced)


BANDS = Pass("bands", bands, "no value of rows and columns that fills the caches is between loops")
