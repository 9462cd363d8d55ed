"""Reductions that leave NaN out, against NumPy."""

import itertools
from typing import Any

import numpy as np
import pytest

import graphc as gc
from tests.support.compare import call
from tests.support.run import TARGETS, evaluate

X = np.random.default_rng(0).standard_normal((4, 5, 6))
X[0, 1, 2:4] = X[2, :, 1] = X[1, 4, 5] = np.nan
PAIRS = [(gc.nansum, np.nansum), (gc.nanmean, np.nanmean), (gc.nanmax, np.nanmax)]
PAIRS += [(gc.nanmin, np.nanmin)]


@pytest.mark.filterwarnings("ignore:(Mean of empty|All-NaN)")
@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
@pytest.mark.parametrize("axis", [None, 0, 1, (0, 2)])
def test_what_is_nan_is_left_out(ours: Any, theirs: Any, axis: Any) -> None:
    def both(x: gc.Tensor) -> list[gc.Tensor]:
        return [ours(x, axis, keepdims) for keepdims in (False, True)]

    for x in (X, X.astype(np.float32), (np.nan_to_num(X) * 9).astype(np.int16)):
        for target, named in itertools.product(TARGETS, (False, True)):
            values = call(both, x, symbolic=named, target=target)
            for keepdims, found in zip((False, True), values, strict=True):
                wanted = theirs(x, axis, keepdims=keepdims)
                np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
                assert found.dtype == wanted.dtype
                assert np.shape(found) == np.shape(wanted)


def test_the_slope_of_what_is_left_out_is_zero() -> None:
    x = gc.placeholder("x", (3,), "float64")
    values = np.array([1.0, np.nan, 5.0])
    for function, slope in ((gc.nanmean, [0.5, 0, 0.5]), (gc.nanmax, [0, 0, 1])):
        (found,) = evaluate([gc.grad(function(x), x)], {x: values}, "cpu")
        np.testing.assert_array_equal(found, slope)
