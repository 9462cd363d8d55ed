"""Convolutions computed in several ways (catalogue 2, A)."""

import numpy as np
import pytest
import scipy.linalg

import graphc as gc
from graphc import nn
from graphc.ir.errors import ShapeError
from tests.systems.catalogue import S, row, run, symbols
from tests.systems.learning import learns

WAYS = nn.CONVOLUTIONS


def held_together(names, x, w, **options):
    """Value and both gradients of each way, all alike."""
    feeds = symbols(x=x, w=w)
    a, b = feeds
    ys = [WAYS[name](a, b, **options) for name in names]
    against = np.cos(np.arange(ys[0].size)).reshape(ys[0].shape)
    grads = [g for y in ys for g in gc.grad(gc.sum(y * against), [a, b])]
    found = run([*ys, *grads], feeds)
    n = len(names)
    for k, name in enumerate(names):
        atol = 1e-8 if name == "fft" else 1e-10
        for one, direct in ((k, 0), (n + 2 * k, n), (n + 2 * k + 1, n + 1)):
            np.testing.assert_allclose(found[one], found[direct], atol=atol, err_msg=name)


@row("CNN-15", "graphc/nn/convolution_choice.py")
def test_cnn_15_ways_agree():
    """Matrix, patches, Winograd and Fourier give the values and both gradients of the direct way,
    with padding, strides, dilation and groups where they take them.
    """
    held_together(list(WAYS), S(0, 2, 3, 6, 7), S(1, 4, 3, 3, 3), padding=[(2, 1), (0, 1)])
    odd = {"stride": (2, 1), "padding": (1, 2)}
    held_together(["direct", "fft"], S(0, 1, 1, 6, 7), S(1, 2, 1, 2, 5), **odd)
    wide = {"stride": 2, "dilation": 2, "groups": 2, "padding": "same"}
    held_together(["direct", "matrix", "patches"], S(0, 2, 4, 9), S(1, 6, 2, 3), **wide)
    with pytest.raises(ShapeError, match="for 3 x 3 taps"):
        nn.conv_by_winograd(gc.constant(S(0, 1, 1, 5, 5)), gc.constant(S(1, 1, 1, 2, 2)))


@row("CNN-15", "graphc/nn/convolution_matrix.py")
def test_cnn_15_matrix_and_learning():
    """The matrix of a vector is SciPy's Toeplitz band; spectra multiply; kernels are learnt in
    every way.
    """
    w = np.array([2.0, -1, 3])
    feeds = symbols(w=w.reshape(1, 1, 3))
    band = run(nn.conv_matrix(*feeds, (6,)), feeds)
    meant = scipy.linalg.toeplitz([2, 0, 0, 0], [2, -1, 3, 0, 0, 0])
    np.testing.assert_array_equal(band.T, meant)
    feeds = symbols(x=S(0, 1, 1, 4, 4), v=S(1, 2, 1, 3, 3))
    x, v = feeds
    loss = sum(gc.sum(gc.sin(nn.CONVOLUTIONS[name](x, v))) for name in WAYS if name != "direct")
    learns(loss, feeds, count=3)


@row("CNN-15", "graphc/nn/convolution_choice.py")
def test_cnn_15_choice():
    """Without measuring, sizes decide; a measured choice is the one whose calls take least time."""
    sizes = {(3, 40): "direct", (5, 8): "matrix", (5, 40): "patches", (11, 40): "fft"}
    for (taps, side), name in sizes.items():
        image, kernels = (1, 2, side, side), (2, 2, taps, taps)
        assert [nn.choose_conv(image, kernels) for _ in range(3)] == [name] * 3
    assert nn.choose_conv((1, 4, 40, 40), (4, 2, 11, 11), groups=2) == "patches"
    waits = iter([3, 1, 2, 4, 5])
    clock = [0.0]

    def compile(inputs, output):
        wait = next(waits)

        def call(*arrays):
            clock[0] += wait

        return call

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.perf_counter", lambda: clock[0])
        assert nn.choose_conv((1, 2, 8, 8), (2, 2, 3, 3), compile) == "matrix"
    few = (1, 2, 4, 4), (2, 2, 2, 2)
    assert nn.choose_conv(*few, gc.compile, tries=1) in {"direct", "matrix", "patches", "fft"}
