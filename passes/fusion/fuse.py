"""Fusion: a graph becomes a list of kernel bodies, each one pass over a domain of loop indices.

A *root* is a value that a kernel computes as such; everything else is recomputed where it is read.
First `roots` decides what to compute as such (outputs, reductions, operands of opaque kernels,
expensive values with several readers), then `fuse` puts roots that loop over the same domain into
one kernel while the bytes saved beat the work repeated.
Promises: every output and update is a root; the kernels' order respects every dependency.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import field
from typing import Literal

from graphc.ir.dims import Dim, index
from graphc.ir.node import Node, Tensor
from graphc.ir.record import dataclass
from graphc.ir.walk import topological
from graphc.passes.fusion.access import Access, AccessRecorder, domain_index, full_index, space
from graphc.passes.fusion.body import Body, Root
from graphc.passes.fusion.roles import Role, domain_of, gives_places, row_index, shape_role
from graphc.passes.fusion.roots import base, choose_roots, is_buffer, is_view

#: A kernel that reads and makes this many values takes no more.
WIDEST = 32
#: Operations of an element in a kernel, at most, but for a single value: beside so many, storing
#: what comes of them and loading it again takes no time, and compiling them together takes ever
#: longer.
MOST_OPERATIONS = 512


@dataclass(eq=False)
class _Group:
    """A kernel while it grows."""

    kind: Literal["nest", "contraction", "loops"]
    domain: tuple[Dim, ...]
    row_axes: tuple[int, ...] | None = None
    operations: int = 0
    roots: dict[Tensor, Root] = field(default_factory=dict)
    reads: set[Tensor] = field(default_factory=set)
    needs: set[_Group] = field(default_factory=set)


class _Fuser:
    def __init__(self, outputs: Sequence[Tensor], window: int):
        self.outputs = outputs
        self.roots, self.operations = choose_roots(outputs)
        self.window = window
        self.groups: list[_Group] = []
        self.group_of: dict[Tensor, _Group] = {}
        self._needed: dict[_Group, set[_Group]] = {}

    def run(self) -> list[Body]:
        place = {node: k for k, node in enumerate(topological(self.outputs))}
        for node in place:
            mine = [x for x in node.outputs if x in self.roots]
            if node.op.lowering in ("loops", "control", "contraction"):
                self._opaque(node)
            else:
                for x in mine:
                    if node.op.lowering != "source" and not is_view(node) and not is_buffer(x):
                        self._place(x)
        read = {x for g in self.groups for x in g.reads}
        stored = {base(x) for x in (*self.outputs, *read)}
        return [_body(g, stored, place) for g in self._ordered()]

    # --- placing roots ----------------------------------------------------------------------------

    def _opaque(self, node: Node) -> None:
        kind: Literal["contraction", "loops"] = (
            "contraction" if node.op.lowering == "contraction" else "loops"
        )
        group = _Group(kind, space(node.types[0].shape))
        recorder = AccessRecorder(self._stop)
        for x in node.inputs:
            recorder.at(
                x, full_index(x.shape, [index(f"operand{k}") for k in range(len(space(x.shape)))])
            )
        for x in node.outputs:
            self._add(group, Root(x, "map", 0, tuple(recorder.accesses)))
        self.groups.append(group)

    def _stop(self, x: Tensor) -> bool:
        return x in self.roots or is_buffer(x)

    def _place(self, x: Tensor) -> None:
        domain, axes = domain_of(x)
        alone = self._draft(x, domain_index(len(domain)))
        for group in self._candidates(alone.accesses, MOST_OPERATIONS - self._work(x)):
            role = shape_role(group, x, domain, axes)
            if role is None:
                continue
            draft = self._draft(x, row_index(group)) if role == "rowmap" else alone
            if self._fits(group, role, draft.accesses) and self._saves(group, draft.accesses):
                self._join(group, draft, role, axes)
                return
        group = _Group("nest", domain)
        role = shape_role(group, x, domain, axes)
        assert role is not None
        self.groups.append(group)
        self._join(group, alone, role, axes)

    def _draft(self, x: Tensor, loop: tuple[Dim, ...]) -> Root:
        """x as a root, with what it reads at these loop variables."""
        recorder = AccessRecorder(lambda y: y is not x and self._stop(y))
        if x.node.op.lowering == "reduce":
            (y,) = x.node.inputs
            recorder.at(y, full_index(y.shape, loop))
            opaque = (*recorder.opaque_dims, *(loop if gives_places(x) else ()))
            return Root(x, "row", 0, tuple(recorder.accesses), opaque)
        recorder.at(x, full_index(x.shape, loop))
        return Root(x, "map", 0, tuple(recorder.accesses), tuple(recorder.opaque_dims))

    def _work(self, x: Tensor) -> int:
        """Operations for an element of x, or of what x reduces."""
        y = x.node.inputs[0] if x.node.op.lowering == "reduce" else x
        return 0 if y is not x and y in self.roots else self.operations.get(y, 0)

    def _candidates(self, accesses: Iterable[Access], most: int) -> list[_Group]:
        """Kernels to try that have so many operations at most: those that make what x reads first,
        then the latest.
        """
        producers = [
            self.group_of[base(a.tensor)] for a in accesses if base(a.tensor) in self.group_of
        ]
        tried = dict.fromkeys([*reversed(producers), *reversed(self.groups[-self.window :])])
        return [
            g
            for g in tried
            if g.kind != "loops" and g.operations <= most and len(g.reads) + len(g.roots) < WIDEST
        ]

    def _fits(self, group: _Group, role: Role, accesses: Sequence[Access]) -> bool:
        return self._reads_agree(group, role, accesses) and not self._through_others(
            group, accesses
        )

    def _reads_agree(self, group: _Group, role: Role, accesses: Sequence[Access]) -> bool:
        """Values of the group are read at the very element that the loops are at."""
        loop: tuple[Dim, ...] = domain_index(len(group.domain))
        rows = row_index(group)
        if role == "rowmap":
            loop = rows
        for access in accesses:
            root = group.roots.get(base(access.tensor))
            if root is None:
                continue
            if root.role in ("column", "total") or (root.role == "map" and role == "rowmap"):
                return False
            here = loop if root.role == "map" else rows
            if root.tensor is not access.tensor or access.index != full_index(
                access.tensor.shape, here
            ):
                return False
        return True

    def _through_others(self, group: _Group, accesses: Sequence[Access]) -> bool:
        """Whether x needs a kernel that in turn needs the group (directly or not)."""
        producers = (self.group_of.get(base(a.tensor)) for a in accesses)
        return any(
            g is not None and g is not group and group in self._needed_by(g) for g in producers
        )

    def _needed_by(self, group: _Group) -> set[_Group]:
        """The group and all that it needs, directly or not."""
        found = self._needed.get(group)
        if found is None:
            found, stack = set(), [group]
            while stack:
                g = stack.pop()
                if g in self._needed:
                    found |= self._needed[g]
                elif g not in found:
                    found.add(g)
                    stack.extend(g.needs)
            self._needed[group] = found
        return found

    def _saves(self, group: _Group, accesses: Sequence[Access]) -> bool:
        """Whether sharing a kernel saves memory traffic: a value or an input is read (or made) once
        instead of twice.
        """
        tensors = {a.tensor for a in accesses}
        if group.kind == "contraction":
            return any(t in group.roots for t in tensors)
        return bool(tensors & (group.reads | group.roots.keys())) or (
            not tensors and not group.reads
        )

    def _join(self, group: _Group, draft: Root, role: Role, axes: tuple[int, ...] | None) -> None:
        if role == "row":
            group.row_axes = axes
        elif role == "column":
            group.row_axes = tuple(k for k in range(len(group.domain)) if k not in (axes or ()))
        level = self._level(group, draft.accesses)
        self._add(group, Root(draft.tensor, role, level, draft.accesses, draft.opaque))

    def _level(self, group: _Group, accesses: Iterable[Access]) -> int:
        """After the rows' reductions that it reads."""
        read = [r for a in accesses if (r := group.roots.get(a.tensor)) is not None]
        return max((r.level + (r.role == "row") for r in read), default=0)

    def _add(self, group: _Group, root: Root) -> None:
        group.roots[root.tensor] = root
        group.operations += self._work(root.tensor)
        self.group_of[root.tensor] = group
        for access in root.accesses:
            producer = self.group_of.get(base(access.tensor))
            if producer is not group:
                group.reads.add(access.tensor)
                if producer is not None and producer not in group.needs:
                    group.needs.add(producer)
                    if len(group.roots) > 1:  # others may need it already
                        self._needed.clear()

    # --- results ----------------------------------------------------------------------------------

    def _ordered(self) -> list[_Group]:
        """The kernels in an order that respects their needs, otherwise as found."""
        place = {group: k for k, group in enumerate(self.groups)}
        order: list[_Group] = []
        done: set[_Group] = set()
        stack = [(g, False) for g in reversed(self.groups)]
        while stack:
            group, expanded = stack.pop()
            if group in done:
                continue
            if expanded:
                done.add(group)
                order.append(group)
                continue
            stack.append((group, True))
            stack.extend(
                (g, False)
                for g in sorted(group.needs, key=place.__getitem__, reverse=True)
                if g not in done
            )
        return order


def _body(group: _Group, stored: Container[Tensor], place: Mapping[Node, int]) -> Body:
    """The body of a kernel that is complete; it stores what others read, and sums that it has only
    at its end, which nobody reads where a piece of all is taken from another. `place` is where a
    node is among all: their age would depend on what was built before the graph.
    """
    late = {x for x, root in group.roots.items() if root.role in ("column", "total")}
    return Body(
        group.kind,
        group.domain,
        group.row_axes or (),
        tuple(group.roots.values()),
        tuple(sorted(group.reads, key=lambda t: (place[t.node], t.index))),
        tuple(x for x in group.roots if x in stored or x in late or group.kind == "loops"),
    )


def fuse(outputs: Sequence[Tensor], window: int = 24) -> list[Body]:
    """Kernel bodies that compute the outputs, in an order in which they can run."""
    return _Fuser(list(dict.fromkeys(outputs)), window).run()
