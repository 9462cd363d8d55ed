"""Which products are computed where their operands lie, and how many sums of each axis at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from graphc.backends.lower.kernel import Schedule
from graphc.backends.lower.products.axes import Axis, Operand, Product
from graphc.backends.lower.reader import ExprReader, offset_of
from graphc.ir.dim_values import coefficient
from graphc.ir.dims import Dim, bounds, maximum, minimum
from graphc.ir.dtypes import DType
from graphc.ir.record import dataclass
from graphc.ops.convolutions.windows import Windows
from graphc.passes.fusion.access import AccessRecorder

#: What a tile costs beside its multiplications, in multiplications of its sums.
OVERHEAD = 3
#: Vectors of columns up to which it does not pay to pack the rows' elements; twice as many where
#: these do not lie in lines, or in ones shorter than a vector.
MOST_VECTORS = 4
#: Rows up to which it does not pay to pack the columns' elements.
MOST_ROWS = 16
#: Sums of a tile that are enough, and rows of one where no more is known of their number than that
#: they are as many: all but one in the last tile may be in others too.
SUMS, NEIGHBOURS = 16, 8
#: Of products without windows: rows at least and at most, of a tile at least, vectors of columns in
#: a tile, and elements of the right operand at most, which stays in the second cache. Where
#: the number of rows is not known, there is code for each height of a tile: rows and vectors of one
#: at most, and columns whose sums are kept.
FEW, MANY = 5, 32
LEAST = 4
EVEN, EVEN_VECTORS, EVEN_COLUMNS = 8, 8, 2048
FEW_VECTORS = 2
IN_CACHE = 2**17


@dataclass(frozen=True)
class Source:
    """A buffer and the offset of an operand's element in it, over the product's axes."""

    buffer: str
    offset: Dim

    def step(self, axis: Axis) -> Dim | None:
        """Elements from neighbour to neighbour along an axis, where that is the same everywhere."""
        found = coefficient(self.offset, axis.atom)
        return None if found is None else found[0]


@dataclass(frozen=True)
class Tiled:
    """An axis of which `size` elements are taken at once; `size` is no more than its extent. Where
    they are `even`, this is not known: tiles have about as many elements each, up to `size`.
    """

    axis: Axis
    size: int
    even: bool = False

    @property
    def exact(self) -> bool:
        """Whether no element is taken twice."""
        extent = self.axis.extent
        whole = isinstance(extent, int) and extent % self.size == 0
        return self.size == 1 or self.even or whole


@dataclass(frozen=True)
class DirectPlan:
    """A tile is `rows` x `lines` sums, or as many times `vectors` vectors along `along`.

    `along`: the last column axis, or the last summed axis if `inner`: lanes then hold parts of sums
    that meet at last. `lines` are the columns without `along`. `widths`: the vectors of tiles with
    one row, two rows and so on, where these are even.
    """

    left: Source
    right: Source
    rows: tuple[Tiled, ...]
    lines: tuple[Tiled, ...]
    along: Axis
    vectors: int
    inner: bool
    widths: tuple[int, ...] = ()

    @property
    def fits(self) -> Dim:
        """1 where no axis of an unknown length is shorter than what is taken of it, else 0."""
        found: Dim = 1
        for t in (*self.rows, *self.lines):
            if not t.exact and not isinstance(t.axis.extent, int):
                found = minimum(found, maximum(0, t.axis.extent - t.size + 1))
        return found

    def one_by_one(self) -> DirectPlan:
        """The same for lengths of any size: of axes of unknown length one element at a time."""
        rows, lines = (
            tuple(t if isinstance(t.axis.extent, int) else Tiled(t.axis, 1) for t in tiles)
            for tiles in (self.rows, self.lines)
        )
        return replace(self, rows=rows, lines=lines)


def plan_direct(
    product: Product, reader: ExprReader, sum_type: DType, schedule: Schedule
) -> DirectPlan | None:
    """How to multiply with windows of what lies in memory; None where packing is better."""
    lanes = schedule.lanes(sum_type.bits)
    if lanes == 1 or product.turned or product.packed or not product.columns or not product.inner:
        return None
    if not schedule.direct:
        return None
    windows = any(isinstance(x.tensor.node.op, Windows) for x in (product.left, product.right))
    if not windows and not _is_small(product, lanes):
        return None
    left, right = (_source(x, reader, sum_type) for x in (product.left, product.right))
    if left is None or right is None:
        return None
    registers = schedule.machine.operands
    if not windows:
        return _few_rows(product, left, right, lanes, registers)
    return _along_columns(product, left, right, lanes, registers) or _along_sum(
        product, left, right, lanes, registers
    )


def _source(operand: Operand, reader: ExprReader, sum_type: DType) -> Source | None:
    """Where the operand lies, if each of its elements is one element of a buffer of its own."""
    recorder = AccessRecorder(lambda x: reader.stop(x) is not None)
    recorder.at(operand.tensor, operand.shared)
    if len(recorder.accesses) != 1 or recorder.opaque_dims:
        return None
    (access,) = recorder.accesses
    if access.tensor.dtype is not sum_type:
        return None
    buffer = reader.stop(access.tensor)
    assert buffer is not None
    return Source(buffer, offset_of(access.tensor.shape, access.index))


def _along_columns(
    product: Product, left: Source, right: Source, lanes: int, registers: int
) -> DirectPlan | None:
    along = product.columns[-1]
    if right.step(along) != 1 or left.step(along) != 0 or not _fills(along.extent, lanes):
        return None
    vectors = _vectors(along.extent, lanes)
    assert isinstance(along.extent, int)
    most = MOST_VECTORS * (1 if _in_lines(product.inner[-1], left, lanes) else 2)
    few_columns = along.extent <= most * lanes and len(product.columns) == 1
    rows = _rows(product.rows, registers // vectors - 1, vectors)
    lines = tile(product.columns[:-1], registers // (vectors * (_count(rows) + 1)))
    all_rows = _known(product.rows)
    few_rows = all_rows is not None and all_rows <= MOST_ROWS and _count(rows) == all_rows
    if not (few_columns or few_rows):
        return None
    return DirectPlan(left, right, rows, lines, along, vectors, False)


def _in_lines(axis: Axis, left: Source, lanes: int) -> bool:
    """Whether the elements of a row are neighbours, by whole vectors as far as is known."""
    short = isinstance(axis.extent, int) and axis.extent < lanes
    return not short and left.step(axis) == 1


def _rows(axes: Sequence[Axis], most: int, vectors: int) -> tuple[Tiled, ...]:
    """Rows of a tile: some neighbours, where the last axis has an unknown length."""
    *outer, last = axes or (None,)
    if last is None or isinstance(last.extent, int):
        return tile(axes, most)
    size = max(1, min(most, SUMS // vectors, NEIGHBOURS))
    return (*(Tiled(axis, 1) for axis in outer if axis is not None), Tiled(last, size))


def _is_small(product: Product, lanes: int) -> bool:
    """Whether some known rows meet a right operand that stays in the cache, line by line."""
    columns, inner = map(_known, (product.columns, product.inner))
    if columns is None or inner is None or len(product.columns) != 1:
        return False
    if product.batch or len(product.rows) != 1 or product.right.along != "free":
        return False
    rows, least = _at_most(product.rows[0]), FEW if _known(product.rows) is not None else 1
    some = rows is not None and least <= rows <= MANY
    return some and lanes <= columns and columns * inner <= IN_CACHE


def _at_most(axis: Axis) -> int | None:
    """The greatest length of an axis."""
    return axis.extent if isinstance(axis.extent, int) else bounds(axis.extent)[1]


def _few_rows(
    product: Product, left: Source, right: Source, lanes: int, registers: int
) -> DirectPlan | None:
    """Tiles of rows that divide them, or are as high, so that no row is computed twice."""
    along, (axis,) = product.columns[-1], product.rows
    if right.step(along) != 1 or left.step(along) != 0 or not _fills(along.extent, lanes):
        return None
    assert isinstance(along.extent, int)
    vectors = best_size(-(-along.extent // lanes), FEW_VECTORS)
    most = registers // vectors - 1
    if not isinstance(axis.extent, int):
        return _even_rows(left, right, axis, along, min(most, EVEN), registers, lanes)
    most = min(axis.extent, most)
    size = next((n for n in range(most, LEAST - 1, -1) if axis.extent % n == 0), None)
    if size is None:
        return None
    return DirectPlan(left, right, (Tiled(axis, size),), (), along, vectors, False)


def _even_rows(
    left: Source, right: Source, axis: Axis, along: Axis, most: int, registers: int, lanes: int
) -> DirectPlan | None:
    """Tiles of up to `most` rows; the lower, the more vectors of columns."""
    columns, rows = along.extent, _at_most(axis)
    assert isinstance(columns, int) and rows is not None
    if columns > EVEN_COLUMNS:
        return None
    most = max(1, min(most, rows))
    several = [min(SUMS // n, registers // (n + 1), EVEN_VECTORS) for n in range(1, most + 1)]
    widths = tuple(best_size(-(-columns // lanes), max(1, n)) for n in several)
    tiles = (Tiled(axis, most, even=True),)
    return DirectPlan(left, right, tiles, (), along, widths[-1], False, widths)


def _along_sum(
    product: Product, left: Source, right: Source, lanes: int, registers: int
) -> DirectPlan | None:
    along = product.inner[-1]
    if right.step(along) != 1 or left.step(along) != 1:
        return None
    if isinstance(along.extent, int) and not _fills(along.extent, lanes):
        return None
    lines = tile(product.columns, registers // 3)
    rows = tile(product.rows, (registers - 1) // (_count(lines) + 1))
    return DirectPlan(left, right, rows, lines, along, 1, True)


def _fills(extent: Dim, lanes: int) -> bool:
    """Whether most lanes of vectors along an axis are used."""
    return isinstance(extent, int) and 2 * extent >= -(-extent // lanes) * lanes > 0


def _vectors(extent: Dim, lanes: int) -> int:
    """Vectors side by side: all of a short line, or what divides a long one best."""
    assert isinstance(extent, int)
    return best_size(-(-extent // lanes), MOST_VECTORS)


def _known(axes: Sequence[Axis]) -> int | None:
    total = 1
    for axis in axes:
        if not isinstance(axis.extent, int):
            return None
        total *= axis.extent
    return total


def _count(tiles: Sequence[Tiled]) -> int:
    total = 1
    for t in tiles:
        total *= t.size
    return total


def tile(axes: Sequence[Axis], most: int) -> tuple[Tiled, ...]:
    """Sizes whose product is no more than `most`: the last axis first, others once it is whole."""
    left, sizes = max(1, most), list[int]()
    for axis in reversed(axes):
        extent = axis.extent
        size = 1
        if isinstance(extent, int) and extent > 0:
            size = best_size(extent, left, max(1, most) // left)
        sizes.append(size)
        left = left // size if size == extent else 1
    return tuple(Tiled(a, s) for a, s in zip(axes, reversed(sizes), strict=True))


def best_size(extent: int, most: int, sums: int = 1) -> int:
    """How many of `extent` to take at once, with so many sums for each: few are lost at the end,
    and the sums are many.
    """

    def worth(size: int) -> float:
        used = extent / (-(-extent // size) * size)
        return used * size * sums / (size * sums + OVERHEAD)

    return max(range(1, max(1, min(extent, most)) + 1), key=worth)
