"""What is known of the greatest value of an index."""

import pytest

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.extents import most
from graphc.ir.dtypes import int64

n, m = e.var("n"), e.var("m")
one = e.minimum(e.const(1, int64), n)


@pytest.mark.parametrize(
    ("index", "limit"),
    [
        (one, 1),
        (n - (n - one), 1),
        (n - (one * -1 + n), 1),
        (one * 3 + 4, 7),
        (e.const(5, int64) - e.maximum(n, 2), 3),
        ((n + m) * 2 - n * 2 - m - m, 0),
        (n, None),
        (n * -1, None),
        (n - one, None),
        (e.minimum(n, m), None),
        (e.const(5, int64) - one, None),
        (e.maximum(n, 2), None),
        (n * m, None),
    ],
    ids=str,
)
def test_the_greatest_value_of_an_index(index: Expr, limit: int | None) -> None:
    assert most(index) == limit
