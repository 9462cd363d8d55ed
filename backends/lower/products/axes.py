"""The axes of a product: rows, columns, summed and batch axes, and how its operands lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from graphc.backends.lower.reader import offset_of
from graphc.ir.dim_values import atoms, coefficient, product, substitute
from graphc.ir.dims import Atom, Dim, DimExpr, index
from graphc.ir.node import Node, Tensor
from graphc.ir.op import Index
from graphc.ir.record import dataclass
from graphc.ops.linear.contraction import AxisPair, free_axes
from graphc.ops.linear.packed import PackedProduct
from graphc.passes.fusion.access import AccessRecorder, domain_index, full_index
from graphc.passes.fusion.body import Body

Along = Literal["inner", "free", "neither"]


@dataclass(frozen=True)
class Axis:
    """A loop variable and its extent; consecutive axes of an array that step alike are one axis."""

    name: str
    extent: Dim

    @property
    def atom(self) -> Atom:
        return Atom("index", self.name)

    @property
    def variable(self) -> DimExpr:
        return index(self.name)


@dataclass(frozen=True)
class Operand:
    """An operand, its element at the loop variables, and the axis along which neighbours lie.

    That is the last summed axis, the last free one (of the left's rows, the right's columns), or
    neither. `step`: elements from neighbour to neighbour along the other one, where that is one
    step. `stored`: elements are in memory as they are. `inner` are the summed axes as this operand
    steps along them, `shared` is its element over the axes of the product.
    """

    tensor: Tensor
    index: Index
    inner: tuple[Axis, ...]
    along: Along
    step: Dim | None
    stored: bool
    shared: Index


@dataclass(frozen=True)
class Product:
    """result[batch, row, column]: sums of left[batch, row, inner] * right[batch, inner, column].

    There is at most one column axis, or some before a short one: neighbours lie along the last.
    `loop_index` is the index of every axis of the body's domain.
    `turned`: neighbours in the result lie along the rows. `packed`: the right operand lies in
    panels.
    """

    left: Operand
    right: Operand
    batch: tuple[Axis, ...]
    rows: tuple[Axis, ...]
    columns: tuple[Axis, ...]
    inner: tuple[Axis, ...]
    loop_index: tuple[Dim, ...]
    turned: bool
    packed: bool


def extent_of(axes: Sequence[Axis]) -> Dim:
    """The joint extent of some axes."""
    return product(axis.extent for axis in axes)


def product_of(body: Body, lanes: int, *, turns: bool = True) -> Product:
    """The axes of the product that the body computes.

    Where there are too few columns to fill vectors of so many lanes, they become rows if `turns`
    and sums are long.
    """
    node = body.node
    out = full_index(node.types[0].shape, domain_index(len(body.domain)))
    inner = _inner_index(node)
    left, right = _operand_indices(node, out, inner)
    groups = _Groups(*_offsets(body, left, right))
    (ba, _), (ca, _) = _axes(node)
    a, b = node.inputs
    n, m = len(ba), len(free_axes(a.ndim, ba, ca))
    extents = node.types[0].shape
    batch = groups.join(out[:n], extents[:n])
    rows = groups.join(out[n : n + m], extents[n : n + m])
    columns = groups.join(out[n + m :], extents[n + m :])
    summed = groups.join(inner, [a.shape[k] for k in ca])
    ours = _operand(body, a, groups.merge(left), summed, rows)
    packed = right is None
    if right is None:
        theirs = Operand(b, (), summed, "free", None, stored=True, shared=())
    else:
        theirs = _operand(body, b, groups.merge(right), summed, columns)
    turned = turns and not packed and _narrow(rows, columns, lanes)
    turned = turned and _worth_turning(columns, summed, lanes, lies_so=ours.along == "free")
    if turned or not columns:
        ours, theirs, rows, columns = theirs, ours, columns, rows
    loop = groups.merge(domain_index(len(body.domain)))
    if ours.along == "free" and len(rows) > 1:
        batch, rows = (*batch, *rows[:-1]), rows[-1:]
    if not columns or not _short(columns[-1], lanes):
        batch, columns = (*batch, *columns[:-1]), columns[-1:]
    return Product(ours, theirs, batch, rows, columns, summed, loop, turned, packed)


def _short(axis: Axis, lanes: int) -> bool:
    """Whether blocks should reach over several lines of this axis."""
    return isinstance(axis.extent, int) and axis.extent <= 4 * lanes


def many_rows(lanes: int) -> int:
    """Rows that fill vectors of so many lanes better than few columns do."""
    return 4 * lanes


def _narrow(rows: Sequence[Axis], columns: Sequence[Axis], lanes: int) -> bool:
    """Whether vectors are better filled along the rows."""
    if len(columns) != 1 or not rows:
        return False
    few, many = columns[0].extent, rows[-1].extent
    enough = not isinstance(many, int) or many >= many_rows(lanes)
    return isinstance(few, int) and 4 * few <= 3 * lanes and enough


def _worth_turning(
    columns: Sequence[Axis], inner: Sequence[Axis], lanes: int, *, lies_so: bool
) -> bool:
    """Whether sums are long enough for full vectors along the rows to save more than the result
    takes that is stored across them, and packing rows so unless the left operand `lies_so`.
    """
    few, terms = extent_of(columns), extent_of(inner)
    assert isinstance(few, int), "few columns are known"
    if few == 1:
        return True
    if lies_so:
        least = 2 * lanes if 2 * few <= lanes else 12 * lanes
    elif few <= max(2, lanes // 4):
        least = 8 * lanes
    else:
        return False
    return not isinstance(terms, int) or terms >= least


def _axes(node: Node) -> tuple[AxisPair, AxisPair]:
    """The batch and summed axes of both operands; none of what lies in panels."""
    if isinstance(node.op, PackedProduct):
        return ((), ()), (node.attrs["contract"], ())
    return node.attrs["batch"], node.attrs["contract"]


def _inner_index(node: Node) -> tuple[Dim, ...]:
    a, axes = node.inputs[0], _axes(node)[1][0]
    return tuple(0 if a.shape[k] == 1 else index(f"k{j}") for j, k in enumerate(axes))


def _operand_indices(node: Node, out: Index, inner: Index) -> tuple[Index, Index | None]:
    """The elements of both operands that belong to an element of the result and a summand; None
    for panels.
    """
    a, b = node.inputs
    (ba, bb), (ca, cb) = _axes(node)
    fa, fb = free_axes(a.ndim, ba, ca), free_axes(b.ndim, bb, cb)
    n, m = len(ba), len(fa)
    at_a = dict(zip((*ba, *fa, *ca), (*out[: n + m], *inner), strict=True))
    left = tuple(at_a[k] for k in range(a.ndim))
    if isinstance(node.op, PackedProduct):
        return left, None
    at_b = dict(zip((*bb, *fb, *cb), (*out[:n], *out[n + m :], *inner), strict=True))
    return left, tuple(at_b[k] for k in range(b.ndim))


def _recorded(body: Body, x: Tensor, at: Index) -> AccessRecorder:
    memory = set(body.inputs)
    recorder = AccessRecorder(lambda y: y in memory)
    recorder.at(x, at)
    return recorder


def _offsets(body: Body, left: Index, right: Index | None) -> tuple[list[Dim], frozenset[Atom]]:
    """Every offset that the body addresses, and the variables used for more than addressing."""
    loop = domain_index(len(body.domain))
    memory = set(body.inputs)
    opaque: list[Dim] = []
    offsets: list[Dim] = []
    for x, at in zip(body.node.inputs, (left, right), strict=True):
        if at is None:
            continue
        recorder = _recorded(body, x, at)
        offsets += [offset_of(access.tensor.shape, access.index) for access in recorder.accesses]
        opaque += recorder.opaque_dims
    for root in body.roots:
        offsets.append(offset_of(root.tensor.shape, full_index(root.tensor.shape, loop)))
        opaque += root.opaque
    for root in body.roots[1:]:
        reads = [access for access in root.accesses if access.tensor in memory]
        offsets += [offset_of(access.tensor.shape, access.index) for access in reads]
    return offsets, frozenset(a for d in opaque for a in atoms(d))


class _Groups:
    """Joins consecutive axes over which every offset steps as over one axis."""

    def __init__(self, offsets: list[Dim], opaque: frozenset[Atom]):
        self.offsets, self.opaque = offsets, opaque
        self.merged: set[Atom] = set()

    def join(self, variables: Sequence[Dim], extents: Sequence[Dim]) -> tuple[Axis, ...]:
        found: list[Axis] = []
        for variable, extent in zip(variables, extents, strict=True):
            if not isinstance(variable, DimExpr):
                continue
            ((monomial, _),) = variable.terms
            axis = Axis(monomial[0].name, extent)
            if found and self._together(found[-1], axis):
                self.merged.add(found[-1].atom)
                axis = replace(axis, extent=found.pop().extent * extent)
            found.append(axis)
        return tuple(found)

    def _together(self, first: Axis, second: Axis) -> bool:
        if first.atom in self.opaque or second.atom in self.opaque:
            return False
        for offset in self.offsets:
            a, b = coefficient(offset, first.atom), coefficient(offset, second.atom)
            if a is None or b is None or a[0] != b[0] * second.extent:
                return False
        return True

    def merge(self, index: Sequence[Dim]) -> tuple[Dim, ...]:
        return tuple(substitute(d, lambda atom: 0 if atom in self.merged else None) for d in index)


def _operand(
    body: Body, x: Tensor, at: Index, inner: Sequence[Axis], free: Sequence[Axis]
) -> Operand:
    accesses = _recorded(body, x, at)
    offsets = [offset_of(access.tensor.shape, access.index) for access in accesses.accesses]
    opaque = frozenset(a for d in accesses.opaque_dims for a in atoms(d))
    groups = _Groups(offsets, opaque)
    own = groups.join([axis.variable for axis in inner], [axis.extent for axis in inner])
    shared, at, offsets = at, groups.merge(at), list(groups.merge(offsets))
    along: Along = "neither"
    if own and _contiguous(offsets, own[-1]):
        along = "inner"
    elif free and _contiguous(offsets, free[-1]):
        along = "free"
    step = _step(offsets, free if along == "inner" else own)
    stored = all(access.tensor.dtype is x.dtype for access in accesses.accesses)
    return Operand(x, at, own, along, step, stored, shared)


def _step(offsets: Sequence[Dim], axes: Sequence[Axis]) -> Dim | None:
    """Elements from neighbour to neighbour along a single axis of a single access."""
    found = coefficient(offsets[0], axes[0].atom) if len(axes) == len(offsets) == 1 else None
    return None if found is None else found[0]


def _contiguous(offsets: Sequence[Dim], axis: Axis) -> bool:
    """Whether the axis steps from neighbour to neighbour wherever it steps at all."""
    found = [coefficient(offset, axis.atom) for offset in offsets]
    steps = [None if c is None else c[0] for c in found]
    return 1 in [s for s in steps if isinstance(s, int)] and all(
        isinstance(s, int) and s in (0, 1) for s in steps
    )
