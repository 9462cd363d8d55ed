"""Rewrites that break IEEE arithmetic happen only where they were asked for."""

import numpy as np

import graphc as gc


def test_infinity_minus_itself_is_nan_unless_relaxed() -> None:
    x = gc.placeholder("x", (2,))
    strict, relaxed = (gc.compile([x], x - x, relaxed=r) for r in (False, True))
    given = np.array([1, np.inf], np.float32)
    np.testing.assert_array_equal(strict(given), [0, np.nan])
    np.testing.assert_array_equal(relaxed(given), [0, 0])


def test_bodies_of_loops_and_branches_are_as_relaxed_as_the_graph() -> None:
    x = gc.placeholder("x", (2,))
    loop, _ = gc.scan(lambda c, _: (c - c, None), x, length=2)
    branch = gc.cond(x[0] > 0, lambda: x - x, lambda: x)
    given = np.array([1, np.inf], np.float32)
    for y in (loop, branch):
        strict, relaxed = (gc.compile([x], y, relaxed=r) for r in (False, True))
        np.testing.assert_array_equal(strict(given), [0, np.nan])
        np.testing.assert_array_equal(relaxed(given), [0, 0])
