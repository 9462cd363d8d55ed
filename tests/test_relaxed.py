"""Rewrites that break IEEE arithmetic happen only where they were asked for."""

import numpy as np

import graphc as gc


def test_infinity_minus_itself_is_nan_unless_relaxed():
    x = gc.placeholder("x", (2,))
    strict, relaxed = (gc.compile([x], x - x, relaxed=r) for r in (False, True))
    given = np.array([1, np.inf], np.float32)
    np.testing.assert_array_equal(strict(given), [0, np.nan])
    np.testing.assert_array_equal(relaxed(given), [0, 0])
