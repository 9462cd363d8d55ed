"""Updates that replace a block of a variable, or scatter into it, write that part alone.

Where there are any, the indices of gathers and blocks are checked on their own, so that no check
has to wait for a value that is computed from a variable which is already written.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphc.ir.dims import bounds
from graphc.ir.dtypes import int64, uint64
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.walk import blame, rebuild
from graphc.ops.cast import astype
from graphc.ops.checked import checked_place
from graphc.ops.indexing.block_writes import block_write
from graphc.ops.indexing.dynamic_slicing import DynamicSlice, DynamicUpdate
from graphc.ops.indexing.gather import Gather
from graphc.ops.indexing.modes import check_places, rest_axes
from graphc.ops.indexing.scatter_writes import scatter_write
from graphc.ops.indexing.slicing import is_nonnegative
from graphc.ops.joining import concat
from graphc.ops.layout import reshape
from graphc.passes.graph import Graph, Pass

#: Elements that an index gives at least where it is worth to be checked on its own.
WORTH = 16


def write_blocks(graph: Graph) -> Graph:
    """The graph with such updates as block writes, and with indices that are checked first."""
    written = {new.node for old, new in graph.updates if _replaces_part(new.node, old)}
    if not written:
        return graph

    def visit(node: Node, inputs: tuple[Tensor, ...]) -> Sequence[Tensor] | None:
        found: Tensor | None = None
        if isinstance(node.op, (DynamicUpdate, DynamicSlice)):
            found = _block(node, inputs, written=node in written)
        elif isinstance(node.op, Gather):
            found = _gather(node, inputs)
        elif node in written:
            found = _scattered(node, inputs)
        if found is None:
            return None
        blame(found, node)
        return (found,)

    return graph.with_results(rebuild(graph.results, visit))


def _replaces_part(node: Node, variable: Tensor) -> bool:
    """Whether the node replaces a part of the variable itself: a block for which there is room, or
    what a scatter names, or several that go one after the other.
    """
    if node.op.name == "scatter":
        *_, first = chain = _chain(node)
        kinds = {tuple(n.attrs[k] for k in ("axes", "combine", "mode")) for n in chain}
        return first.inputs[0] is variable and len(kinds) == 1 and all(map(_may_be_written, chain))
    if not isinstance(node.op, DynamicUpdate) or node.inputs[0] is not variable:
        return False
    return _has_room(node, node.inputs[1]) and variable.ndim > 0


def _chain(node: Node) -> list[Node]:
    """A scatter, and those whose results it changes further, the first one last."""
    chain = [node]
    while chain[-1].inputs[0].node.op.name == "scatter":
        chain.append(chain[-1].inputs[0].node)
    return chain


def _may_be_written(node: Node) -> bool:
    x, _, *indices = node.inputs
    filled = all(is_nonnegative(x.shape[a] - 1) for a in node.attrs["axes"])
    return node.attrs["batch"] == 0 and filled and all(t.dtype is not uint64 for t in indices)


def _scattered(node: Node, inputs: tuple[Tensor, ...]) -> Tensor:
    """One write of what a chain of scatters does, at indices that are checked on their own."""
    given = [inputs]
    while given[-1][0].node.op.name == "scatter":
        given.append(given[-1][0].node.inputs)
    attrs, shape = dict(node.attrs), inputs[0].shape
    parts = [(updates, _places(node, indices)) for _, updates, *indices in reversed(given)]
    if attrs["mode"] == "error":
        attrs["mode"] = "proven"
    if len(parts) == 1:
        ((updates, places),) = parts
    else:
        rest = [shape[k] for k in rest_axes(len(shape), attrs["axes"], 0)]
        updates = concat([reshape(u, (t[0].size, *rest)) for u, t in parts], axis=0)
        lines = zip(*(t for _, t in parts), strict=True)
        places = [concat([reshape(t, (t.size,)) for t in line], axis=0) for line in lines]
        attrs["unique"] = False
    return scatter_write(given[-1][0], updates, places, **attrs)


def _places(node: Node, indices: Sequence[Tensor]) -> list[Tensor]:
    """The indices into what a scatter changes, checked where they have to be."""
    found = [astype(t, int64) for t in indices]
    if node.attrs["mode"] == "error":
        found = check_places(node, indices, node.types[0].shape)
    return found


def _has_room(node: Node, block: Tensor) -> bool:
    x = node.inputs[0]
    return all(is_nonnegative(x.shape[k] - block.shape[k]) for k in node.attrs["axes"])


def _block(node: Node, inputs: tuple[Tensor, ...], *, written: bool) -> Tensor | None:
    """A block that is read or replaced, from starts that are checked on their own."""
    axes, count = node.attrs["axes"], len(node.attrs["axes"])
    block = node.inputs[1] if isinstance(node.op, DynamicUpdate) else node.outputs[0]
    starts = list(inputs[-count:])
    if not _has_room(node, block) or any(t.dtype is uint64 for t in starts):
        return None
    if node.attrs["mode"] == "error":
        for k, axis in enumerate(axes):
            extent, size = inputs[0].shape[axis], block.shape[axis]
            what = f"axis {axis} of length {extent} with a block of {size}"
            starts[k] = checked_place(starts[k], extent, extent - size, what, node.op.name)
    elif not written:
        return None
    if written:
        return block_write(inputs[0], inputs[1], starts, axes)
    attrs = {**node.attrs, "mode": "clip"}
    return apply(node.op, *inputs[:-count], *starts, **attrs).outputs[0]


def _gather(node: Node, inputs: tuple[Tensor, ...]) -> Tensor | None:
    """A gather at indices that are checked on their own, where each gives several elements."""
    x, *indices = inputs
    if node.attrs["mode"] != "error" or any(t.dtype is uint64 for t in indices):
        return None
    lengths = [x.shape[a] for a in node.attrs["axes"]]
    fewest, _ = bounds(node.types[0].size - WORTH * indices[0].size)
    if fewest is None or fewest < 0 or not all(is_nonnegative(n - 1) for n in lengths):
        return None
    checked = [
        checked_place(t, n, n - 1, f"axis {axis} of length {n}", node.op.name)
        for t, n, axis in zip(indices, lengths, node.attrs["axes"], strict=True)
    ]
    return apply(node.op, x, *checked, **{**node.attrs, "mode": "proven"}).outputs[0]


WRITE_BLOCKS = Pass(
    "write_blocks", write_blocks, "an update that replaces a part of its variable writes no more"
)
