"""How convolutions part their positions: named sizes are parted like the same numbers."""

import pytest

import graphc as gc
from graphc.backends.lower.convolutions.blocks import Block
from graphc.ir.dim_values import evaluate

COUNTS = (0, 1, 2, 3, 5, 7, 49, 63, 64, 65, 127, 129, 191, 196, 257, 784, 3136)
(N,) = gc.placeholder("n", ("n",)).shape


@pytest.mark.parametrize("panels", [1, 2, 3, 4, 9, 16])
@pytest.mark.parametrize("fewest", [1, 4])
@pytest.mark.parametrize("most", [1, 13, 64])
def test_named_tiles_are_parted_like_as_many(most, panels, fewest):
    named = Block(N, most, panels, fewest)
    for tiles in COUNTS:
        own = Block(tiles, most, panels, fewest)
        size, count = (evaluate(d, {"n": tiles}) for d in (named.tiles, named.count))
        assert size == own.tiles <= named.widest
        assert own.count <= count <= own.count + 1 and tiles <= size * count
        chunks, groups = (evaluate(d, {"n": tiles}) for d in (named.chunks, named.groups))
        assert chunks == min(tiles, 1) * count * groups or (tiles and fewest > 1)


@pytest.mark.parametrize("panels", [2, 3, 4, 9, 16])
@pytest.mark.parametrize("least", [1, 2])
def test_parts_of_panels_are_equal(panels, least):
    named = Block(N, 64, panels, least=least)
    for tiles in COUNTS[1:]:
        groups = evaluate(named.groups, {"n": tiles})
        assert groups >= least and (panels % groups == 0 or groups == least)
        if Block(tiles, 64, panels).count < 3:
            assert groups == Block(tiles, 64, panels, least=least).groups


@pytest.mark.parametrize("tiles", COUNTS)
def test_some_chunks_share_what_there_is_to_compute(tiles):
    for total in (tiles, N):
        assert evaluate(Block(total, 64, 1, 4).chunks, {"n": tiles}) >= min(tiles, 3)
