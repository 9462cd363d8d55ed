"""How convolutions part their positions: named sizes are parted like the same numbers."""

import pytest

import graphc as gc
from graphc.backends.lower.convolutions.winograd_sizes import parted
from graphc.ir.dim_values import evaluate

COUNTS = (0, 1, 2, 3, 5, 7, 49, 63, 64, 65, 127, 129, 191, 196, 257, 784, 3136)


@pytest.mark.parametrize("panels", [1, 2, 3, 4, 9, 16])
@pytest.mark.parametrize("fewest", [1, 4])
@pytest.mark.parametrize("most", [1, 13, 64])
def test_named_tiles_are_parted_like_as_many(most, panels, fewest):
    (n,) = gc.placeholder("n", ("n",)).shape
    named = parted(n, most, panels, fewest)
    for tiles in COUNTS:
        block = parted(tiles, most, panels, fewest)
        size, count = (evaluate(d, {"n": tiles}) for d in (named.tiles, named.count))
        assert (size, count) == (block.tiles, block.count)
        assert size <= named.most and tiles <= size * count
        if count < 4:
            assert evaluate(named.groups, {"n": tiles}) == block.groups


@pytest.mark.parametrize("panels", [2, 3, 4, 9, 16])
def test_parts_of_panels_are_equal(panels):
    (n,) = gc.placeholder("n", ("n",)).shape
    named = parted(n, 64, panels)
    assert all(panels % evaluate(named.groups, {"n": tiles}) == 0 for tiles in COUNTS)


@pytest.mark.parametrize("tiles", COUNTS)
def test_some_chunks_share_what_there_is_to_compute(tiles):
    assert parted(tiles, 64, 1, 4).count >= min(tiles, 3)
