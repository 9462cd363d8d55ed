"""Functions of NumPy that are compositions here, against NumPy."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
from tests.support.compare import call
from tests.support.run import TARGETS
from tests.support.slopes import slopes

RNG = np.random.default_rng(0)
POINTS = np.sort(RNG.uniform(-2, 2, 7))
HEIGHTS = RNG.standard_normal(7)
PLACES = np.array([[-9.0, -2.5, POINTS[0], 0.1], [POINTS[3], POINTS[-1], 2.5, np.nan]])
TABLE = RNG.standard_normal((4, 6))
SPACE = RNG.standard_normal((5, 3)), RNG.standard_normal((2, 1, 3))

CASES: dict[str, tuple[Callable[..., Any], Callable[..., Any], tuple[Any, ...]]] = {
    "interp": (gc.interp, np.interp, (PLACES, POINTS, HEIGHTS)),
    "interp with ends": (
        lambda *a: gc.interp(*a, left=-5, right=7.5),
        lambda *a: np.interp(*a, left=-5, right=7.5),
        (PLACES, POINTS, HEIGHTS),
    ),
    "interp of one point": (gc.interp, np.interp, (PLACES[0], POINTS[:1], HEIGHTS[:1])),
    "trapezoid": (gc.trapezoid, np.trapezoid, (TABLE,)),
    "trapezoid of integers": (gc.trapezoid, np.trapezoid, (np.arange(5) ** 2,)),
    "trapezoid at points": (
        lambda y, x: gc.trapezoid(y, x, axis=0),
        lambda y, x: np.trapezoid(y, x, axis=0),
        (TABLE, POINTS[:4]),
    ),
    "trapezoid at points of each line": (gc.trapezoid, np.trapezoid, (TABLE, TABLE**3)),
    "cov": (gc.cov, np.cov, (TABLE,)),
    "cov of columns": (
        lambda x: gc.cov(x, rowvar=False, ddof=0),
        lambda x: np.cov(x, rowvar=False, ddof=0),
        (TABLE,),
    ),
    "cov of one variable": (gc.cov, np.cov, (POINTS,)),
    "corrcoef": (gc.corrcoef, np.corrcoef, (TABLE,)),
    "corrcoef of columns": (
        lambda x: gc.corrcoef(x, rowvar=False),
        lambda x: np.corrcoef(x, rowvar=False),
        (TABLE,),
    ),
    "cross": (gc.cross, np.cross, SPACE),
    "cross along the first axis": (
        lambda a, b: gc.cross(a, b, axis=0),
        lambda a, b: np.cross(a, b, axis=0),
        (TABLE[:3], TABLE[1:] ** 2),
    ),
    "select": (
        lambda x: gc.select([x > 1, x > 0, x > 0.5], [x * 2, -x, x], 7),
        lambda x: np.select([x > 1, x > 0, x > 0.5], [x * 2, -x, x], 7),
        (TABLE,),
    ),
}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", CASES)
def test_values_are_numpys(name: str, target: str) -> None:
    ours, theirs, arrays = CASES[name]
    for symbolic, kind in itertools.product((False, True), ("float64", "float32")):
        if symbolic and name.startswith("cross"):
            continue
        given = [a if a.dtype.kind == "i" else a.astype(kind) for a in arrays]
        found = call(ours, *given, symbolic=symbolic, target=target)
        wanted = theirs(*given)
        np.testing.assert_allclose(found, wanted, rtol=3e-5 if kind == "float32" else 1e-12)


@pytest.mark.parametrize("name", CASES)
def test_slopes_are_limits_of_differences(name: str) -> None:
    ours, theirs, arrays = CASES[name]
    given = [np.where(np.isnan(a), 0.3, a) for a in arrays if a.dtype.kind == "f"]
    if not given or name == "interp of one point":
        return
    given[0] = given[0] + 0.003  # no place lies on a point, where there would be a kink
    found = slopes(lambda *xs: gc.sin(ours(*xs)), *given)
    for k, (x, slope) in enumerate(zip(given, found, strict=True)):
        for place in itertools.islice(np.ndindex(x.shape), 0, None, 3):
            ends = []
            for step in (1e-6, -1e-6):
                moved = [a.copy() for a in given]
                moved[k][place] += step
                ends.append(np.sin(theirs(*moved)).sum())
            np.testing.assert_allclose(slope[place], (ends[0] - ends[1]) / 2e-6, atol=2e-5)


def test_points_and_vectors_of_other_shapes_are_refused() -> None:
    with pytest.raises(gc.ShapeError, match="two vectors of one length"):
        gc.interp(gc.zeros((2,)), gc.zeros((3,)), gc.zeros((4,)))
    with pytest.raises(gc.ShapeError, match="vectors have three elements, not 2"):
        gc.cross(gc.zeros((2,)), gc.zeros((2,)))
    with pytest.raises(gc.ShapeError, match="variables are rows of a matrix"):
        gc.cov(gc.zeros((2, 3, 4)))
    with pytest.raises(gc.GraphError, match="not 1 for 2"):
        gc.select([gc.zeros((2,)) > 0] * 2, [gc.zeros((2,))])
