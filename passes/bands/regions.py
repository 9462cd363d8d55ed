"""Regions of values that have both rows and columns, as the scores of attention have: which nodes
make them from less, and which use them up.

Each axis of such a value has a label: its place in the batch, `ROW` or `COLUMN`; what is multiplied
to make it has others, and axes of length 1 may come and go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graphc.ir.dims import Dim
from graphc.ir.node import Node, Tensor
from graphc.ops.elementwise import Elementwise
from graphc.ops.linear.contraction import free_axes

ROW, COLUMN, OTHER, UNIT = "row", "column", "other", "unit"
Labels = tuple[int | str, ...]


def is_big(labels: Labels) -> bool:
    """Whether a value has rows and columns."""
    return ROW in labels and COLUMN in labels


def is_kept(label: int | str) -> bool:
    """Whether a band of one matrix has the axis."""
    return isinstance(label, str) and label != UNIT


class Region:
    """The region around a product: `labels` of the values that it makes, and for each node in it
    those of what it reads. `sinks` are the nodes that use big values up. `sound` tells whether
    nothing else reads a big value that is made of products.
    """

    def __init__(
        self, seed: Node, readers: Mapping[Tensor, Sequence[Node]], results: Sequence[Tensor]
    ):
        self.readers, self.results = readers, set(results)
        self.labels: dict[Tensor, Labels] = {}
        self.operands: dict[Node, tuple[Labels, ...]] = {}
        self.sinks: dict[Node, None] = {}
        self.products: dict[Node, None] = {}
        self.heavy: set[Tensor] = set()
        self.sound = True
        (out,) = seed.outputs
        self.batch = out.shape[:-2]
        self.rows, self.columns = out.shape[-2:]
        self._todo: list[Tensor] = []
        self._join(seed, (*range(out.ndim - 2), ROW, COLUMN))
        while self._todo and self.sound:
            self._follow(self._todo.pop())

    def complete(self) -> None:
        """Takes in what makes rows of the region's own results for it."""
        self._after = self._later()
        for node in list(self.operands):
            self._ask_rows(node)

    def makes(self, x: Tensor, labels: Labels) -> bool:
        """Whether a band computes x, with these labels, itself."""
        return ROW in labels and self.labels.get(x) == labels

    # --- growing ----------------------------------------------------------------------------------

    def _extent(self, label: int | str) -> Dim | None:
        if isinstance(label, int):
            return self.batch[label]
        return {ROW: self.rows, COLUMN: self.columns, UNIT: 1}.get(label)

    def _fits(self, x: Tensor, labels: Labels) -> bool:
        named = [label for label in labels if label not in (OTHER, UNIT)]
        return len(set(named)) == len(named) and all(
            label == OTHER or d == self._extent(label)
            for d, label in zip(x.shape, labels, strict=True)
        )

    def _join(self, node: Node, labels: Labels) -> bool:
        """Takes a node in whose output has these labels; whether it is in."""
        (out,) = node.outputs
        if out in self.labels:
            self.sound &= self.labels[out] == labels
            return True
        operands = operand_labels(node, labels) if self._fits(out, labels) else None
        if operands is None or not all(map(self._fits, node.inputs, operands)):
            return False
        self.labels[out], self.operands[node] = labels, operands
        if node.op.name == "dot_general":
            self.products[node] = None
            self._make_heavy(out)
        for x, own in zip(node.inputs, operands, strict=True):
            if is_big(own) and x.node.op.lowering != "source" and len(x.node.outputs) == 1:
                self._join(x.node, own)
            if x in self.heavy:
                self._make_heavy(out)
        return True

    def _make_heavy(self, x: Tensor) -> None:
        """x is made of products, and is not to be computed again outside."""
        todo = [x]
        while todo:
            y = todo.pop()
            if y not in self.heavy and is_big(self.labels.get(y, ())):
                self.heavy.add(y)
                self._todo.append(y)
                todo += [n.outputs[0] for n in self.readers.get(y, ()) if n in self.operands]

    def _follow(self, x: Tensor) -> None:
        """Takes in whatever reads a heavy value."""
        if x in self.results:
            self.sound = False
            return
        for node in self.readers.get(x, ()):
            if node in self.operands:
                continue
            labels = result_labels(node, x, self.labels[x])
            taken = labels is not None and len(node.outputs) == 1 and self._take(node, x, labels)
            self.sound = self.sound and taken

    def _take(self, node: Node, x: Tensor, labels: Labels) -> bool:
        if is_big(labels):
            return node.op.name != "dot_general" and self._join(node, labels)
        operands = sink_labels(node, x, self.labels[x])
        out = node.outputs[0]
        if operands is None or not all(map(self._fits, node.inputs, operands)):
            return False
        if not _adds_up(node, self.labels[x], labels):
            return False
        if not set(range(len(self.batch))).issubset(self.labels[x]):
            return False
        for y, own in zip(node.inputs, operands, strict=True):
            mine = self.labels.get(y, own)
            if mine != own and (is_big(own) or is_big(mine)):
                return False
        self.sinks[node], self.operands[node], self.labels[out] = None, operands, labels
        return True

    # --- rows between reductions and what they are repeated along ---------------------------------

    def _later(self) -> set[Tensor]:
        """What depends on a sink."""
        found: set[Tensor] = set()
        todo = [y for node in self.sinks for y in node.outputs]
        while todo:
            x = todo.pop()
            if x not in found:
                found.add(x)
                todo += [y for node in self.readers.get(x, ()) for y in node.outputs]
        return found

    def _ask_rows(self, node: Node) -> None:
        """Takes in what makes a node's operands, row by row, of what sinks give."""
        todo = list(zip(node.inputs, self.operands[node], strict=True))
        while todo:
            x, labels = todo.pop()
            local = ROW in labels and not is_big(labels) and x in self._after
            if not local or x in self.labels or x.node.op.name == "dot_general":
                continue
            own = operand_labels(x.node, labels) if len(x.node.outputs) == 1 else None
            if own is not None and all(map(self._fits, x.node.inputs, own)):
                self.labels[x], self.operands[x.node] = labels, own
                todo += zip(x.node.inputs, own, strict=True)


def _adds_up(node: Node, before: Labels, after: Labels) -> bool:
    """Whether what bands and matrices give can be added up where a sink needs several."""
    lost = [label for label in before if label not in after and label not in (COLUMN, OTHER, UNIT)]
    if not lost:
        return True
    return node.op.name in ("sum", "dot_general") and node.types[0].dtype.bits >= 32


# --- labels through single nodes ------------------------------------------------------------------


def operand_labels(node: Node, labels: Labels) -> tuple[Labels, ...] | None:
    """Labels of a node's operands, given those of what it makes of them element by element or as
    products; None for other nodes.
    """
    name, inputs = node.op.name, node.inputs
    if isinstance(node.op, Elementwise):
        return tuple(labels for _ in inputs)
    if name == "broadcast":
        return (tuple(labels[a] for a in node.attrs["axes"]),)
    if name == "transpose":
        axes = node.attrs["axes"]
        return (tuple(labels[axes.index(k)] for k in range(len(axes))),)
    if name == "reshape":
        return _moved_units(labels, node.outputs[0], inputs[0])
    if name == "random_bits" and inputs[0].ndim == 1 and labels[-1] == COLUMN:
        return ((OTHER,),)
    if name == "dot_general":
        return _product_labels(node, labels)
    return None


def _moved_units(labels: Labels, old: Tensor, new: Tensor) -> tuple[Labels] | None:
    """Labels of `new`, which has the axes of `old` but for those of length 1."""
    wide = [label for label, d in zip(labels, old.shape, strict=True) if d != 1]
    if [d for d in old.shape if d != 1] != [d for d in new.shape if d != 1]:
        return None
    left = iter(wide)
    return (tuple(UNIT if d == 1 else next(left) for d in new.shape),)


def _product_labels(node: Node, labels: Labels) -> tuple[Labels, ...]:
    a, b = node.inputs
    (ba, bb), (ca, cb) = node.attrs["batch"], node.attrs["contract"]
    ours, theirs = free_axes(a.ndim, ba, ca), free_axes(b.ndim, bb, cb)
    n, m = len(ba), len(ba) + len(ours)
    left = dict(zip((*ba, *ours), labels[:m], strict=True))
    right = dict(zip((*bb, *theirs), (*labels[:n], *labels[m:]), strict=True))
    return tuple(
        tuple(own.get(k, OTHER) for k in range(x.ndim)) for own, x in ((left, a), (right, b))
    )


def result_labels(node: Node, x: Tensor, labels: Labels) -> Labels | None:
    """Labels of what a node makes of x, None if it is no node of a region."""
    if isinstance(node.op, Elementwise):
        return labels
    if node.op.name == "transpose":
        return tuple(labels[k] for k in node.attrs["axes"])
    if node.op.name == "reshape":
        moved = _moved_units(labels, x, node.outputs[0])
        return None if moved is None else moved[0]
    if node.op.lowering == "reduce":
        return tuple(label for k, label in enumerate(labels) if k not in node.attrs["axes"])
    if node.op.name == "dot_general" and sum(y is x for y in node.inputs) == 1:
        operands = sink_labels(node, x, labels)
        assert operands is not None
        (ba, bb), (ca, cb) = node.attrs["batch"], node.attrs["contract"]
        a, b = operands
        free = [a[k] for k in free_axes(len(a), ba, ca)] + [b[k] for k in free_axes(len(b), bb, cb)]
        return (*(a[k] for k in ba), *free)
    return None


def sink_labels(node: Node, x: Tensor, labels: Labels) -> tuple[Labels, ...] | None:
    """Labels of all operands of a node that uses x up."""
    if node.op.lowering == "reduce":
        return (labels,)
    if node.op.name != "dot_general":
        return None
    a, b = node.inputs
    pairs = [
        *zip(*node.attrs["batch"], strict=True),
        *zip(*node.attrs["contract"], strict=True),
    ]
    if x is b:
        pairs = [(theirs, ours) for ours, theirs in pairs]
    known = {theirs: labels[ours] for ours, theirs in pairs}
    partner = tuple(known.get(k, OTHER) for k in range((b if x is a else a).ndim))
    return (labels, partner) if x is a else (partner, labels)
