"""How many summands are added one after the other: the rounding error of a sum grows with them."""

from __future__ import annotations

from graphc.ir.dims import Dim

#: Summands of a chain, about: a sum of 1024 then errs by 2.1e-7 of its size, not by 5.7e-7, for 1 %
#: of its time; chains of 256 err by 2.9e-7 for half of that.
CHAIN = 128
#: The same of a tile in registers, for which shorter ones take no longer: 1.9e-7.
TILE_CHAIN = 96
#: Summands from which on a tile in registers has two chains: a sum of 64 then errs by 1.0e-7 of its
#: size, not by 1.2e-7, for 1 % of its time.
TWO = 64


def chain_of(summands: Dim) -> int | None:
    """Summands of a chain, before they are added to other such sums; None: all of them are one."""
    if not isinstance(summands, int):
        return CHAIN
    chains = -(-(2 * summands - CHAIN) // (2 * CHAIN))
    return None if chains <= 1 else -(-summands // chains)


def tile_chain_of(summands: Dim) -> int | None:
    """The same for a tile of sums in registers, where one chain more takes next to no time:
    TILE_CHAIN at most, and two from TWO summands on.
    """
    if not isinstance(summands, int):
        return TILE_CHAIN
    if summands < TWO:
        return None
    return -(-summands // max(2, -(-summands // TILE_CHAIN)))
