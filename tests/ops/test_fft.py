"""Fourier transforms against NumPy's: every kind of length, axes, halves, gradients."""

import numpy as np
import pytest

import graphc as gc
from graphc import fft
from graphc.backends.llvm.engine import host_target
from graphc.ir.errors import DTypeError, ShapeError


def wave(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def transformed(build, *arrays, names=None, target="cpu"):
    xs = [gc.placeholder(f"x{k}", names or a.shape, a.dtype) for k, a in enumerate(arrays)]
    return gc.compile(xs, build(*xs), target=target)(*arrays)


@pytest.mark.parametrize("n", [1, 2, 7, 31, 32, 60, 175, 1024])
def test_transforms_are_numpys(n):
    re, im = wave(3, n), wave(3, n, seed=1)

    def every(x, y):
        half = fft.rfft(x)
        return [*fft.fft(x, y), *fft.ifft(x, y), *half, fft.irfft(*half, n)]

    found = transformed(every, re, im)
    meant = np.fft.fft(re + 1j * im), np.fft.ifft(re + 1j * im), np.fft.rfft(re)
    expected = [part for z in meant for part in (z.real, z.imag)]
    for a, b in zip(found, [*expected, re], strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-14 * n)


@pytest.mark.parametrize("n", [37, 74])
def test_lengths_without_small_divisors(n):
    re, im = wave(2, n), wave(2, n, seed=1)
    found = transformed(lambda x, y: fft.fft(x, y), re, im)
    meant = np.fft.fft(re + 1j * im)
    np.testing.assert_allclose(found[0] + 1j * found[1], meant, atol=1e-12)


@pytest.mark.parametrize("n", [16384, 8209, 62 * 211])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_long_axes(n, dtype):
    """In two steps; as a convolution; of a convolution in two steps."""
    re, im = wave(1, n).astype(dtype), wave(1, n, seed=1).astype(dtype)
    forward = transformed(lambda x, y: [*fft.fft(x, y), *fft.ifft(x, y)], re, im)
    meant = np.fft.fft(re.astype(float) + 1j * im), np.fft.ifft(re.astype(float) + 1j * im)
    size = 8 * np.finfo(dtype).eps
    for k, z in enumerate(meant):
        found = forward[2 * k] + 1j * forward[2 * k + 1]
        np.testing.assert_allclose(found, z, rtol=0, atol=size * abs(z).max())


@pytest.mark.parametrize("side", [3, 8, 16, 21, 70])
@pytest.mark.parametrize("named", [False, True])
def test_columns_of_any_number(side, named):
    re, im = wave(2, 48, side), wave(2, 48, side, seed=1)
    names = ("b", 48, "side") if named else None

    def both(x, y):
        return [*fft.fft(x, y, axis=1), *fft.ifft(x, y, axis=1)]

    found = transformed(both, re, im, names=names)
    z = re + 1j * im
    meant = np.fft.fft(z, axis=1), np.fft.ifft(z, axis=1)
    for a, b in zip(found, [p for z in meant for p in (z.real, z.imag)], strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-13)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [1000, 1009, 4096, 3 * 5 * 7 * 11])
def test_errors_are_a_few_roundings(n, dtype):
    re, im = wave(2, n).astype(dtype), wave(2, n, seed=1).astype(dtype)
    a, b = transformed(lambda x, y: fft.fft(x, y), re, im)
    meant = np.fft.fft(re.astype(float) + 1j * im)
    off = np.linalg.norm(a + 1j * b - meant) / np.linalg.norm(meant)
    assert off < 4 * np.finfo(dtype).eps


@pytest.mark.skipif(host_target().vector_bits < 256, reason="needs a processor with AVX2")
@pytest.mark.parametrize("isa", ["x86-64-v2", "x86-64-v3"])
def test_vectors_of_older_processors(isa):
    x = gc.placeholder("x", (2, 100, 11), "float32")
    f = gc.compile([x], [*fft.rfft(x, axis=1), *fft.fft(x, x, axis=1)], isa=isa)
    a = wave(2, 100, 11).astype("f4")
    found, z = f(a), np.fft.fft(a * (1 + 1j), axis=1)
    np.testing.assert_allclose(found[0] + 1j * found[1], np.fft.rfft(a, axis=1), atol=2e-5)
    np.testing.assert_allclose(found[2] + 1j * found[3], z, atol=2e-5)


def test_a_batch_of_transforms_is_transformed_alike():
    x = wave(3, 2, 20)

    def mapped(x):
        return gc.vmap(lambda row: fft.irfft(*fft.rfft(row * 2), 20))(x)

    np.testing.assert_allclose(transformed(mapped, x), 2 * x, atol=1e-13)


def test_half_precision_is_computed_in_single():
    x = wave(2, 40).astype("f2")
    re, im = transformed(lambda x: fft.fft(x), x)
    assert re.dtype == np.float16
    np.testing.assert_allclose(re + 1j * im, np.fft.fft(x.astype(float)), rtol=0, atol=0.02)


def test_other_axes_and_several():
    x = wave(4, 6, 5)
    found = transformed(
        lambda x: [
            *fft.fft(x, axis=1),
            *fft.rfftn(x, (0, 2)),
            fft.irfftn(*fft.rfftn(x, (1, 2)), (6, 5), (1, 2)),
            *fft.ifftn(*fft.fftn(x, None, (0, 1)), (0, 1)),
        ],
        x,
    )
    one, two = np.fft.fft(x, axis=1), np.fft.rfftn(x, axes=(0, 2))
    expected = [one.real, one.imag, two.real, two.imag, x, x, 0 * x]
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-13)


def test_a_named_length_serves_all():
    x = gc.placeholder("x", (2, "n"), "float64")
    half = fft.rfft(x)
    f = gc.compile([x], [*half, fft.irfft(*half, x.shape[1])])
    for n in (1, 2, 6, 7, 40, 256, 257, 511, 513, 1031):
        a = wave(2, n)
        re, im, back = f(a)
        np.testing.assert_allclose(re + 1j * im, np.fft.rfft(a), atol=1e-14 * (n + 10))
        np.testing.assert_allclose(back, a, atol=1e-13)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_named_length_may_be_long(dtype):
    """Of a square of its elements there would be 75 GiB."""
    x = gc.placeholder("x", ("n",), dtype)
    a = wave(100_003).astype(dtype)
    re, im = gc.compile([x], list(fft.fft(x)))(a)
    meant = np.fft.fft(a.astype(float))
    size = 8 * np.finfo(dtype).eps
    np.testing.assert_allclose(re + 1j * im, meant, rtol=0, atol=size * abs(meant).max())


def test_nothing_of_a_named_length_has_no_spectrum():
    x = gc.placeholder("x", (2, "n"))
    assert [part.shape for part in gc.compile([x], list(fft.fft(x)))(wave(2, 0).astype("f4"))] == [
        (2, 0)
    ] * 2


def test_single_precision_is_kept():
    re, im = transformed(lambda x: fft.fft(x), wave(2, 48).astype("f4"))
    assert re.dtype == im.dtype == np.float32
    np.testing.assert_allclose(re + 1j * im, np.fft.fft(wave(2, 48)), atol=1e-5)


@pytest.mark.parametrize(("n", "names"), [(32, None), (33, None), (37, None), (70, (2, "n"))])
def test_the_gradient_is_the_adjoint(n, names):
    """<F x, y> = <x, F' y>, and a unitary transform keeps lengths, so its slope is 2 N x."""
    a, b, c = wave(2, n), wave(2, n, seed=1), wave(2, n, seed=2)

    def slopes(x, y, z):
        re, im = fft.fft(x)
        energy = gc.sum(re * re + im * im)
        linear = gc.sum(re * y + im * z)
        return [gc.grad(energy, x), gc.grad(linear, x), gc.grad(gc.sum(gc.grad(energy, x) * y), x)]

    energy, linear, second = transformed(slopes, a, b, c, names=names)
    np.testing.assert_allclose(energy, 2 * n * a, atol=1e-11)
    np.testing.assert_allclose(linear, np.fft.fft(b - 1j * c).real, atol=1e-11)
    np.testing.assert_allclose(second, 2 * n * b, atol=1e-11)


@pytest.mark.parametrize("n", [1, 2, 11, 12])
def test_halves_have_the_gradient_of_products_with_matrices(n):
    a, b = wave(2, n // 2 + 1), wave(2, n // 2 + 1, seed=1)

    def slopes(x, y):
        return gc.grad(gc.sum(fft.irfft(x, y, n) * gc.constant(wave(2, n, seed=2))), [x, y])

    found = transformed(slopes, a, b)
    basis = np.eye(n // 2 + 1)
    for k, part in enumerate((1, 1j)):
        meant = wave(2, n, seed=2) @ np.fft.irfft(part * basis, n).T
        np.testing.assert_allclose(found[k], meant, atol=1e-13)


def test_mistakes_are_named():
    x = gc.placeholder("x", (4, 6))
    with pytest.raises(DTypeError, match="axes of floats"):
        fft.fft(gc.placeholder("k", (3,), "int64"))
    with pytest.raises(ShapeError, match="of one shape"):
        fft.fft(x, x[:2])
    with pytest.raises(ShapeError, match="7 elements have 4 in the half, not 6"):
        fft.irfft(x, x, 7)


def test_a_real_spectrum_goes_back_without_its_imaginary_part() -> None:
    for n in (8, "n"):
        x = gc.placeholder("x", (3, n))
        value = np.random.default_rng(0).standard_normal((3, 8)).astype(np.float32)
        wanted = np.fft.ifft(value)
        re, im = gc.compile([x], gc.fft.ifft(x))(value)
        np.testing.assert_allclose(re, wanted.real, atol=1e-6)
        np.testing.assert_allclose(im, wanted.imag, atol=1e-6)


@pytest.mark.parametrize("target", ["cpu", "reference"])
def test_nothing_has_no_half_of_a_spectrum(target: str) -> None:
    with pytest.raises(ShapeError, match="no elements along axis 1"):
        fft.rfft(gc.zeros((3, 0)))
    with pytest.raises(gc.IndexRangeError, match="axis 1 of length"):
        transformed(fft.rfft, wave(3, 0), names=("a", "n"), target=target)
