"""How convolutions part positions, or tiles of them, and the channels of their results."""

from __future__ import annotations

from dataclasses import replace

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import Let, Stmt
from graphc.backends.lower.counts import divide_up
from graphc.backends.lower.reader import DimWriter
from graphc.ir.dims import Dim, floordiv, index, maximum, minimum
from graphc.ir.record import dataclass

#: Chunks that there are at least, where channels can be parted.
FEWEST_CHUNKS = 4


@dataclass(frozen=True)
class Block:
    """At most `most` of the `total` tiles at a time: evenly many blocks, and at least `fewest`
    where there are so many tiles. The panels of a result are taken in parts, at least `least` of
    them, where there are few blocks.
    """

    total: Dim
    most: int
    panels: int
    fewest: int = 1
    least: int = 1

    @property
    def named(self) -> bool:
        """Whether how many tiles there are is not known."""
        return not isinstance(self.total, int)

    @property
    def count(self) -> Dim:
        """Blocks in all."""
        if isinstance(self.total, int):
            return divide_up(self.total, self.tiles)
        return maximum(self._evenly(), 1)

    @property
    def tiles(self) -> Dim:
        """Tiles of a block."""
        if not isinstance(self.total, int):
            return maximum(divide_up(self.total, self.count), 1)
        count = max(-(-self.total // self.most), min(self.total, self.fewest), 1)
        count += count % 2 if count > 1 else 0
        return max(1, -(-self.total // count))

    @property
    def widest(self) -> int:
        """Tiles of a block, for any sizes."""
        tiles = self.tiles
        return tiles if isinstance(tiles, int) else self.most

    @property
    def groups(self) -> Dim:
        """Parts of the panels."""
        count = self.count
        if isinstance(count, int):
            return self._parts(count)
        one, two, many = (self._parts(n) for n in (1, 2, FEWEST_CHUNKS))
        fewer = self._within(self.most) * (one - two) + self._within(2 * self.most) * (two - many)
        return many + fewer

    @property
    def chunks(self) -> Dim:
        """Blocks of parts of the panels."""
        count = self.count
        if isinstance(count, int):
            return count * self._parts(count)
        one, two, many = (self._parts(n) for n in (1, 2, FEWEST_CHUNKS))
        if one == two == many:
            return many * self._evenly()
        fewer = self._within(self.most) * (one - 2 * two)
        fewer = fewer + self._within(2 * self.most) * 2 * (two - many)
        return 2 * many * divide_up(self.total, 2 * self.most) + fewer

    def _evenly(self) -> Dim:
        """How many blocks there are, where there are tiles."""
        count = 2 * divide_up(self.total, 2 * self.most) - self._within(self.most)
        return count if self.fewest == 1 else maximum(count, minimum(self.total, self.fewest))

    def _within(self, number: int) -> Dim:
        """1 where there are tiles, and at most so many; otherwise 0."""
        return minimum(maximum(number + 1 - self.total, 0), minimum(self.total, 1))

    def _parts(self, blocks: int) -> int:
        """The parts of the panels for so many blocks: best, evenly many chunks."""
        wanted = min(self.panels, -(-FEWEST_CHUNKS // max(blocks, 1)))
        fitting = [g for g in range(wanted, self.panels + 1) if self.panels % g == 0]
        return max(self.least, min(fitting, key=lambda g: (g * blocks % 2, g)))


@dataclass(frozen=True)
class Chunk:
    """What a kernel knows of its chunks: tiles in all and of a block, blocks, and panels of a part;
    `first` says so.
    """

    first: tuple[Stmt, ...]
    total: Expr
    tiles: Expr
    count: Expr
    panels: Expr


def chunk_of(block: Block, dims: DimWriter) -> Chunk:
    """How a block's tiles and panels are parted, in a kernel."""
    if isinstance(block.total, int):
        panels = floordiv(block.panels, block.groups)
        parts = (block.total, block.tiles, block.count, panels)
        return Chunk((), *(dims(d) for d in parts))
    total, count = index("w.total"), index("w.blocks")
    first = [Let("w.total", dims(block.total))]
    dims.bind(total, e.var("w.total"))
    dims.bind(count, e.var("w.blocks"))
    block = replace(block, total=total)
    tiles = maximum(divide_up(total, count), 1)
    panels = floordiv(block.panels, block.groups)
    for name, d in (("w.blocks", block.count), ("w.tiles", tiles), ("w.panels", panels)):
        first.append(Let(name, dims(d)))
    return Chunk(
        tuple(first), *(e.var(name) for name in ("w.total", "w.tiles", "w.blocks", "w.panels"))
    )
