"""pad against NumPy."""

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.ir.errors import IndexRangeError, ShapeError
from graphc.ops.padding import pad
from graphc.ops.reduction import sum as total
from graphc.ops.source import placeholder
from graphc.passes.derivatives.differentiate import grad
from tests.support.compare import agrees, call
from tests.support.run import TARGETS, evaluate

X = np.random.default_rng(0).standard_normal((3, 4))
MODES = ("constant", "edge", "reflect", "symmetric", "wrap")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("width", [0, 1, 2, (1, 2), ((1, 0), (0, 2)), ((0, 0), (2, 1))])
def test_pad_gives_what_numpy_gives(mode: Any, width: Any) -> None:
    agrees(lambda x: pad(x, width, mode), lambda x: np.pad(x, width, mode), X, targets=TARGETS)


@pytest.mark.parametrize("mode", MODES)
def test_padding_wider_than_a_known_axis_goes_on_as_in_numpy(mode: Any) -> None:
    agrees(lambda x: pad(x, (9, 7), mode), lambda x: np.pad(x, (9, 7), mode), X, symbolic=[False])


@pytest.mark.parametrize("mode", ["reflect", "symmetric", "wrap"])
@pytest.mark.parametrize("target", TARGETS)
def test_padding_wider_than_a_symbolic_axis_fails_the_call(mode: str, target: str) -> None:
    with pytest.raises(IndexRangeError, match=r"axis 0 of length (3|n3)"):
        call(lambda x: pad(x, ((0, 4), (0, 0)), mode), X, symbolic=True, target=target)


@pytest.mark.parametrize("mode", MODES)
def test_widths_may_have_names(mode: Any) -> None:
    x = placeholder("x", (3, "n"))
    n = x.shape[1]
    y = pad(x, [(1, 2), (n // 2, (-n) % 8)], mode)
    f = gc.compile([x], [y, grad(total(y * y), x)])
    for k in (8, 9, 11, 15):
        a = np.random.default_rng(k).random((3, k), np.float32)
        padded, slope = f(a)
        copies = np.zeros_like(a)
        at = np.pad(np.arange(1, a.size + 1).reshape(a.shape), ((1, 2), (k // 2, -k % 8)), mode)
        np.add.at(copies.reshape(-1), at[at > 0] - 1, 1)
        np.testing.assert_array_equal(padded, np.pad(a, ((1, 2), (k // 2, -k % 8)), mode))
        np.testing.assert_allclose(slope, 2 * a * copies, rtol=1e-6)


def test_no_width_is_negative() -> None:
    x, k = placeholder("x", ("n",)), placeholder("k", ("m",)).shape[0]
    f = gc.compile([x, placeholder("k", ("m",))], pad(x, (0, k - x.shape[0])))
    with pytest.raises(gc.ArgumentError, match="the length m - n would be -1"):
        f(np.ones(3, np.float32), np.ones(2, np.float32))
    moved = pad(x, (k - x.shape[0], x.shape[0] - k))
    with pytest.raises(gc.ArgumentError, match="would be -1"):
        gc.compile([x, placeholder("k", ("m",))], moved)(*(np.ones(n, np.float32) for n in (3, 2)))


@pytest.mark.parametrize("value", [1.5, -0.0, np.nan, -np.inf])
def test_the_constant_keeps_its_bits(value: float) -> None:
    found = call(lambda x: pad(x, 1, constant_values=value), X)
    assert found[0, 0].tobytes() == np.float64(value).tobytes()


def test_padding_with_zero_and_with_negative_zero_are_two_values() -> None:
    zeros = call(lambda x: [pad(x, 1), pad(x, 1, constant_values=-0.0)], X)
    assert [bool(np.signbit(z[0, 0])) for z in zeros] == [False, True]


def test_the_constant_can_be_a_tensor() -> None:
    found = call(lambda x, c: pad(x, (1, 0), constant_values=c), X, np.float64(2.5))
    np.testing.assert_array_equal(found, np.pad(X, (1, 0), constant_values=2.5))


@pytest.mark.parametrize("mode", MODES)
def test_each_element_has_as_many_gradients_as_copies(mode: Any) -> None:
    x = placeholder("x", (3, 4), "float64")
    (found,) = evaluate([grad(total(pad(x, 2, mode)), x)], {x: X})
    copies = np.pad(np.arange(12).reshape(3, 4) + 1, 2, mode).ravel()
    np.testing.assert_array_equal(found.ravel(), np.bincount(copies, minlength=13)[1:])


def test_mistakes_are_named() -> None:
    x = placeholder("x", (3, 4))
    with pytest.raises(ShapeError, match="there is no padding mode 'mirror'"):
        pad(x, 1, "mirror")
    with pytest.raises(ShapeError, match="does not fit 2 axes"):
        pad(x, [1, 2, 3])
    with pytest.raises(ShapeError, match="one constant value is needed"):
        pad(x, (0, placeholder("k", ("m",)).shape[0]), constant_values=placeholder("c", (4,)))
    with pytest.raises(ShapeError, match="padding is counted in whole elements"):
        pad(x, -1)
    with pytest.raises(ShapeError, match="cannot pad axis 0 of length 0 in mode 'edge'"):
        pad(placeholder("e", (0,)), 1, "edge")
