"""How many tiles and channels the parts of Winograd's convolutions work on."""

from __future__ import annotations

from graphc.backends.lower.kernel import Schedule
from graphc.ir.dims import Dim, bounds, floordiv, maximum, minimum, mod
from graphc.ir.record import dataclass
from graphc.ops.convolutions.winograd_matrices import Transforms

#: Bytes of transformed tiles that a chunk keeps, and tiles of a block, at most.
KEPT_BYTES = 420 * 1024
MOST_TILES = 64
#: Operations for each sum that are written out for each register of sums.
MOST_WORK = 16
#: Chunks that there are at least, where channels can be parted.
FEWEST_CHUNKS = 4
#: By the bits of a vector: rows of sums in registers, two vectors each, at most.
_MOST_ROWS = {512: 14, 256: 6, 128: 6}
#: The same for three vectors, of half the width where that is greatest.
_MOST_OF_THREE = {512: 8, 256: 4}
#: Elements between the transforms' points beyond what they hold: no power of two apart.
GAP = 16


@dataclass(frozen=True)
class Registers:
    """`rows` x (`vectors` * `lanes`) sums are held in registers."""

    lanes: int
    rows: int
    vectors: int
    fused: bool

    @property
    def columns(self) -> int:
        """Columns of a tile of sums."""
        return self.lanes * self.vectors


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


@dataclass(frozen=True)
class Block:
    """`tiles` tiles at a time, at most `most` for any sizes, `count` blocks in all; the panels of a
    result in `groups` parts.
    """

    most: int
    tiles: Dim
    count: Dim
    groups: Dim


def registers(schedule: Schedule, rows: int, width: int) -> Registers:
    """A tile of sums for so many rows and for panels of this width."""
    lanes, bits = schedule.lanes(32), schedule.vector_bits
    while width % lanes:
        lanes //= 2
    vectors = next(n for n in (2, 3, 1) if width % (n * lanes) == 0)
    most = _MOST_OF_THREE.get(bits, 2) if vectors == 3 else _MOST_ROWS.get(bits, 4)
    return Registers(lanes, _rows(rows, most), vectors, schedule.fused)


def _rows(needed: int, most: int) -> int:
    """Rows at a time for which least is wasted, or spent on loading columns for too few rows."""
    counts = range(max(1, min(needed, most // 2)), most + 1)
    return min(counts, key=lambda r: (-(-needed // r) * (r + 1.5), -r))


def choose_block(image: Image, channels: int, panels: int, most: int = 0) -> Block:
    """Blocks that stay in the cache, or of at most so many tiles."""
    return parted(image.samples * image.each, _wanted(image, channels, most), panels)


def parted(tiles: Dim, most: int, panels: int, fewest: int = 1) -> Block:
    """Blocks of at most so many tiles: evenly many, and at least `fewest` where there are so many
    tiles.
    """
    count = maximum(maximum(divide_up(tiles, most), minimum(tiles, fewest)), 1)
    count = count + mod(count, 2) * minimum(count - 1, 1)
    size = maximum(divide_up(tiles, count), 1)
    count = divide_up(tiles, size)
    return Block(bounds(minimum(size, most))[1] or most, size, count, _groups(count, panels))


def _fitting(image: Image, channels: int) -> int:
    """Tiles that are kept at once."""
    return max(1, min(KEPT_BYTES // (image.transforms.reach**2 * channels * 4), MOST_TILES))


def _wanted(image: Image, channels: int, most: int) -> int:
    """At most so many tiles, if not far more than are kept; with 0, as many as are."""
    fitting = _fitting(image, channels)
    return min(most, 2 * fitting) or fitting


def most_tiles(image: Image, channels: int, most: int = 0) -> int:
    """Tiles of one sample that are kept at once: what stays in the cache, or at most so many."""
    most, each = _wanted(image, channels, most), image.each
    return most if not isinstance(each, int) else max(1, -(-each // max(1, -(-each // most))))


def _groups(blocks: Dim, panels: int) -> Dim:
    """In how many parts panels are taken, where there are so few blocks."""
    if isinstance(blocks, int):
        return _parts(blocks, panels)
    found: Dim = _parts(FEWEST_CHUNKS, panels)
    for n in range(FEWEST_CHUNKS, 1, -1):
        fewer = maximum(minimum(n - blocks, 1), 0)
        found = found + fewer * (_parts(n - 1, panels) - _parts(n, panels))
    return found


def _parts(blocks: int, panels: int) -> int:
    """The parts of panels for so many blocks: best, evenly many chunks."""
    wanted = min(panels, -(-FEWEST_CHUNKS // max(blocks, 1)))
    fitting = [g for g in range(wanted, panels + 1) if panels % g == 0]
    return min(fitting, key=lambda g: (g * blocks % 2, g))


def divide_up(x: Dim, y: Dim) -> Dim:
    """x / y, rounded up."""
    return floordiv(x + (y - 1), y)
