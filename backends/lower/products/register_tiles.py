"""How many sums of a product are held in registers: rows, and vectors side by side."""

from __future__ import annotations

from graphc.backends.lower.kernel import Schedule
from graphc.ir.dims import Dim
from graphc.ops.linear.packed import PANEL

RegisterTile = tuple[int, int, int]
"""Rows, those of a tile at the last rows, and vectors."""

#: By the bits of a vector and the number of its registers: tiles of one, two ... vectors. Where
#: multiply and add are two instructions, a register holds the product between them.
_TILES: dict[tuple[int, int], tuple[RegisterTile, ...]] = {
    (512, 32): ((16, 4, 1), (12, 4, 2), (8, 2, 3), (6, 2, 4)),
    (256, 16): ((12, 2, 1), (6, 2, 2), (4, 2, 3)),
    (128, 32): ((16, 4, 1), (12, 4, 2), (8, 2, 3), (6, 2, 4)),
    (128, 16): ((8, 2, 1), (6, 2, 2)),
    (128, 15): ((8, 2, 1), (4, 2, 2)),
}
_SCALAR: tuple[RegisterTile, ...] = ((4, 1, 1), (4, 1, 2))


def register_tile(columns: Dim, lanes: int, schedule: Schedule, folded: bool) -> RegisterTile:
    """What fits the registers; where every line of columns is on its own (`folded`), what loses
    fewest lanes.
    """
    tiles = _tiles(schedule)
    if schedule.tile_vectors:
        return tiles[min(schedule.tile_vectors, len(tiles)) - 1]
    if not isinstance(columns, int):
        return tiles[-1]
    for tile in tiles:
        if columns <= tile[2] * lanes:
            return tile
    if not folded and len(tiles) == 4:
        return tiles[-1]
    return min(reversed(tiles[1:]), key=lambda tile: -columns % (tile[2] * lanes))


def panel_tile(lanes: int, schedule: Schedule) -> RegisterTile:
    """The widest tile that panels packed before hold a whole number of."""
    return next(tile for tile in reversed(_tiles(schedule)) if PANEL % (tile[2] * lanes) == 0)


def _tiles(schedule: Schedule) -> tuple[RegisterTile, ...]:
    machine = schedule.machine
    return _TILES.get((machine.vector_bits, machine.registers), _SCALAR)
