"""How many summands are added one after the other: the rounding error of a sum grows with them."""

from __future__ import annotations

from graphc.ir.dims import Dim

#: Summands of a chain, about: a sum of 1024 then errs by 2.1e-7 of its size, not by 5.7e-7, for 1 %
#: of its time; chains of 256 err by 2.9e-7 for half of that.
CHAIN = 128
#: The same of a tile in registers, for which shorter ones take no longer: 1.9e-7.
TILE_CHAIN = 96
#: Summands from which on a tile in registers has three chains, and from which on it may have two: a
#: sum of 64 then errs by 0.8e-7 of its size, not by 1.4e-7, for a few percent of its time.
THREE, TWO = 64, 128


def chain_of(summands: Dim) -> int | None:
    """Summands of a chain, before they are added to other such sums; None: all of them are one."""
    if not isinstance(summands, int):
        return CHAIN
    chains = -(-(2 * summands - CHAIN) // (2 * CHAIN))
    return None if chains <= 1 else -(-summands // chains)


def tile_chain_of(summands: Dim) -> int | None:
    """The same for a tile of sums in registers, where one chain more takes next to no time:
    TILE_CHAIN at most, and several from THREE summands on.
    """
    if not isinstance(summands, int):
        return TILE_CHAIN
    if summands < THREE:
        return None
    return -(-summands // max(3 if summands < TWO else 2, -(-summands // TILE_CHAIN)))
