"""How many tiles and channels the parts of Winograd's convolutions work on."""

from __future__ import annotations

from graphc.backends.lower.convolutions.blocks import Block
from graphc.backends.lower.counts import divide_up
from graphc.backends.lower.kernel import Schedule
from graphc.ir.dims import Dim
from graphc.ir.record import dataclass
from graphc.ops.convolutions.winograd_matrices import Transforms

#: Bytes of transformed tiles that a chunk keeps, and tiles of a block, at most.
KEPT_BYTES = 420 * 1024
MOST_TILES = 64
#: Operations for each sum that are written out for each register of sums.
MOST_WORK = 16
#: Loading the columns of a tile takes the time of so many rows.
LOADED = 1.5
#: By the bits of a vector and the number of registers: rows of sums in these at most, in two
#: vectors each and in three, of half the width where that is greatest.
_MOST_ROWS = {
    (512, 32): (14, 8),
    (256, 16): (6, 4),
    (128, 32): (14, 8),
    (128, 16): (6, 2),
    (128, 15): (4, 2),
}
_SCALAR_ROWS = 4, 2
#: Elements between the transforms' points beyond what they hold: no power of two apart.
GAP = 16


@dataclass(frozen=True)
class Registers:
    """`rows` x (`vectors` * `lanes`) sums are held in registers, and `last` rows of the last ones
    where there are few.
    """

    lanes: int
    rows: int
    vectors: int
    fused: bool
    last: int

    @property
    def columns(self) -> int:
        """Columns of a tile of sums."""
        return self.lanes * self.vectors

    def time(self, rows: int) -> float:
        """That of tiles for so many rows, in that of a row; columns are loaded for each tile."""
        return -(-rows // self.rows) * (self.rows + LOADED)


@dataclass(frozen=True)
class Image:
    """Tiles of `results` x `results` positions, `down` x `across` for each of `samples`."""

    transforms: Transforms
    samples: Dim
    extent: tuple[Dim, Dim]

    @property
    def down(self) -> Dim:
        return divide_up(self.extent[0], self.transforms.results)

    @property
    def across(self) -> Dim:
        return divide_up(self.extent[1], self.transforms.results)

    @property
    def each(self) -> Dim:
        """Tiles of a sample."""
        return self.down * self.across


def registers(schedule: Schedule, rows: int, width: int, named: bool = False) -> Registers:
    """A tile of sums for so many rows, or up to as many if their number is `named`, and for panels
    of this width.
    """
    lanes, machine = schedule.lanes(32), schedule.machine
    while width % lanes:
        lanes //= 2
    vectors = next(n for n in (2, 3, 1) if width % (n * lanes) == 0)
    most = _MOST_ROWS.get((machine.vector_bits, machine.registers), _SCALAR_ROWS)[vectors == 3]
    high = _rows(rows, most)
    last = max(1, (high + 1) // 3) if named else high
    return Registers(lanes, high, vectors, schedule.fused, last)


def _rows(needed: int, most: int) -> int:
    """Rows at a time for which least is wasted, or spent on loading columns for too few rows."""
    counts = range(max(1, min(needed, most // 2)), most + 1)
    return min(counts, key=lambda r: (-(-needed // r) * (r + LOADED), -r))


def choose_block(image: Image, channels: int, panels: int, most: int = 0) -> Block:
    """Blocks that stay in the cache, or of at most so many tiles."""
    return Block(image.samples * image.each, _wanted(image, channels, most), panels)


def _fitting(image: Image, channels: int) -> int:
    """Tiles that are kept at once."""
    return max(1, min(KEPT_BYTES // (image.transforms.reach**2 * channels * 4), MOST_TILES))


def _wanted(image: Image, channels: int, most: int) -> int:
    """At most so many tiles, if not far more than are kept; with 0, as many as are."""
    fitting = _fitting(image, channels)
    return min(most, 2 * fitting) or fitting


def most_tiles(image: Image, tiles: Dim, channels: int, most: int = 0) -> int:
    """How many of so many tiles are kept at once: what stays in the cache, or at most so many."""
    most = _wanted(image, channels, most)
    return most if not isinstance(tiles, int) else max(1, -(-tiles // max(1, -(-tiles // most))))
