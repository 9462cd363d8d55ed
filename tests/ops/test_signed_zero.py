"""What minima, maxima and softmax give at zeros and infinities, as they promise."""

import numpy as np
import pytest

import graphc as gc

TARGETS = ["cpu", "numba", "reference"]
LEFT = np.array([-0.0, 0.0, np.nan, -0.0, 1.0], np.float32)
RIGHT = np.array([0.0, -0.0, 0.0, -0.0, np.nan], np.float32)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("function", [gc.maximum, gc.minimum])
def test_of_two_zeros_either_comes_and_nan_stays(function: gc.Tensor, target: str) -> None:
    x, y = gc.placeholder("x", ("n",)), gc.placeholder("y", ("n",))
    found = gc.compile([x, y], function(x, y), target=target)(LEFT, RIGHT)  # type: ignore[operator]
    np.testing.assert_array_equal(found, [0, 0, np.nan, 0, np.nan])
    assert np.signbit(found[3])


@pytest.mark.parametrize("target", TARGETS)
def test_relu_keeps_nan(target: str) -> None:
    x = gc.placeholder("x", ("n",))
    found = gc.compile([x], gc.relu(x), target=target)(LEFT - np.float32(0))
    np.testing.assert_array_equal(found, [0, 0, np.nan, 0, 1])


@pytest.mark.parametrize("target", TARGETS)
def test_beside_an_infinity_softmax_is_0(target: str) -> None:
    x = gc.placeholder("x", ("n",))
    run = gc.compile([x], [gc.softmax(x), gc.log_softmax(x)], target=target)
    with np.errstate(all="ignore"):
        found, logs = run(np.array([1, np.inf, 2, -np.inf], np.float32))
    np.testing.assert_array_equal(found, [0, np.nan, 0, 0])
    np.testing.assert_array_equal(logs, [-np.inf, np.nan, -np.inf, -np.inf])
