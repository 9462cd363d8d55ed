"""Images resized, sampled between pixels, and with channels as pixels."""

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from graphc.ir.errors import ShapeError
from tests.support.run import TARGETS, evaluate


def S(a, *shape):
    return np.sin(a + np.arange(np.prod(shape, dtype=int)).reshape(shape))


def value(f, *arrays, target="cpu", symbolic=False):
    xs = [
        gc.placeholder(
            f"x{k}", tuple(f"d{k}{n}" for n in range(a.ndim)) if symbolic else a.shape, a.dtype
        )
        for k, a in enumerate(arrays)
    ]
    return evaluate([f(*xs)], dict(zip(xs, arrays, strict=True)), target)[0]


@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize("target", TARGETS)
def test_resizing_interpolates_between_centres(target, symbolic):
    x = np.array([[[0.0, 1.0]]])
    found = value(lambda x: nn.resize(x, 4), x, target=target, symbolic=symbolic)
    np.testing.assert_allclose(found[0, 0], [0, 0.25, 0.75, 1])
    nearest = value(lambda x: nn.resize(x, 4, "nearest"), x, target=target, symbolic=symbolic)
    np.testing.assert_array_equal(nearest[0, 0], [0, 0, 1, 1])


def test_resizing_a_ramp_down_takes_means():
    x = np.arange(12.0).reshape(1, 1, 2, 6)
    found = value(lambda x: nn.resize(x, (1, 3)), x)
    np.testing.assert_allclose(found[0, 0], [[3.5, 5.5, 7.5]])


@pytest.mark.parametrize("target", TARGETS)
def test_gradient_of_resizing_is_its_adjoint(target):
    a, b = S(0, 2, 3, 4, 5), S(7, 2, 3, 7, 3)
    x = gc.placeholder("x", a.shape, "float64")
    y = nn.resize(x, (7, 3))
    there, back = evaluate([y, *gc.grad(gc.sum(y * b), [x])], {x: a}, target)
    np.testing.assert_allclose(np.sum(there * b), np.sum(a * back), rtol=1e-12)


@pytest.mark.parametrize("target", TARGETS)
def test_samples_between_pixels(target):
    x = np.arange(16.0).reshape(1, 1, 4, 4)
    rows, columns = np.array([[1.5, 3.5, -0.25]]), np.array([[2.25, 3.0, 0.0]])
    found = value(nn.sample_linear, x, rows, columns, target=target)
    np.testing.assert_allclose(found[0, 0], [8.25, 7.5, 0.0])


def test_places_have_gradients():
    x, rows, columns = S(0, 2, 3, 5, 6), np.full((2, 1), 1.3), np.full((2, 1), 2.6)
    i, j = gc.placeholder("i", (2, 1), "float64"), gc.placeholder("j", (2, 1), "float64")
    y = gc.sum(nn.sample_linear(gc.constant(x), i, j))
    di, dj = evaluate(gc.grad(y, [i, j]), {i: rows, j: columns}, "cpu")
    ahead, behind = (evaluate([y], {i: rows + s, j: columns}, "cpu")[0] for s in (1e-6, -1e-6))
    np.testing.assert_allclose(di.sum(), (ahead - behind) / 2e-6, rtol=1e-6)
    ahead, behind = (evaluate([y], {i: rows, j: columns + s}, "cpu")[0] for s in (1e-6, -1e-6))
    np.testing.assert_allclose(dj.sum(), (ahead - behind) / 2e-6, rtol=1e-6)


def transformed(theta, size):
    image = S(0, 4, 4)[None, None]
    return value(lambda x, t: nn.grid_sample(x, nn.affine_grid(t, size)), image, theta[None])[0, 0]


def test_spatial_transformer():
    image = S(0, 4, 4)
    identity = np.array([[1.0, 0, 0], [0, 1, 0]])
    np.testing.assert_allclose(transformed(identity, (4, 4)), image, atol=1e-15)
    turn = np.array([[0.0, 1, 0], [-1, 0, 0]])
    np.testing.assert_allclose(transformed(turn, (4, 4)), np.rot90(image, -1), atol=1e-12)
    shrink = np.array([[0.5, 0, 0.1], [0, 0.5, -0.2]])
    checksum = np.ravel(transformed(shrink, (3, 3))) @ np.cos(np.arange(9))
    assert checksum == pytest.approx(1.218317732, abs=2e-9)


@pytest.mark.parametrize("symbolic", [False, True])
def test_channels_become_pixels(symbolic):
    x = np.arange(2 * 8 * 2 * 3.0).reshape(2, 8, 2, 3)
    if symbolic:
        p = gc.placeholder("x", ("n", 8, "h", "w"), "float64")
        (found,) = evaluate([nn.pixel_shuffle(p, 2)], {p: x}, "cpu")
    else:
        found = value(lambda x: nn.pixel_shuffle(x, 2), x)
    assert found.shape == (2, 2, 4, 6)
    np.testing.assert_array_equal(found[:, :, 1::2, 0::2], x[:, [2, 6]])


def test_shuffled_channels_come_back():
    x = S(0, 2, 6, 3)
    mixed = value(lambda x: nn.channel_shuffle(x, 2), x)
    np.testing.assert_array_equal(mixed[:, 1], x[:, 3])
    np.testing.assert_array_equal(value(lambda x: nn.channel_shuffle(x, 3), mixed), x)


def test_wrong_number_of_sizes_is_an_error():
    with pytest.raises(ShapeError, match="2 sizes are needed, not 3"):
        nn.resize(gc.placeholder("x", (1, 1, 4, 4)), (2, 2, 2))
