"""Which way of convolving is the quickest."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from graphc.ir.errors import ShapeError
from graphc.ir.node import Tensor
from graphc.nn.convolution_matrix import conv_by_matrix, conv_by_patches
from graphc.nn.convolution_transforms import conv_by_fft, conv_by_winograd
from graphc.ops.convolutions.convolving import conv
from graphc.ops.source import placeholder

#: Every way by name; all take the arguments of `conv` but `spread`, and give its result.
CONVOLUTIONS: Mapping[str, Callable[..., Tensor]] = {
    "direct": conv,
    "matrix": conv_by_matrix,
    "patches": conv_by_patches,
    "winograd": conv_by_winograd,
    "fft": conv_by_fft,
}


def choose_conv(
    image: tuple[int, ...],
    kernels: tuple[int, ...],
    compile: Callable[..., Callable[..., Any]] | None = None,
    tries: int = 5,
    dtype: Any = "float32",
    **options: Any,
) -> str:
    """The name in CONVOLUTIONS of the way to convolve images (N, C, *sizes) with kernels (O, C,
    *taps).

    With `compile` (that of graphc), each way that serves is run some times on random numbers, and
    the quickest is chosen. Without, sizes alone decide, so that the choice is the same everywhere:
    direct up to 3 taps along each axis, a matrix up to 5 if the kernels see half of the image or
    more, Fourier's way above 7, and patches else.
    """
    names = _serving(image, kernels, dtype, options)
    if compile is None:
        return _by_size(image, kernels, names)
    xs = placeholder("x", image, dtype), placeholder("w", kernels, dtype)
    rng = np.random.default_rng(0)
    arrays = [
        rng.standard_normal(shape).astype(x.dtype.numpy)
        for shape, x in zip((image, kernels), xs, strict=True)
    ]
    times = {}
    for name in names:
        f = compile(list(xs), CONVOLUTIONS[name](*xs, **options))
        f(*arrays)
        times[name] = min(_seconds(f, arrays) for _ in range(tries))
    return min(times, key=times.__getitem__)


def _seconds(f: Callable[..., Any], arrays: list[Any]) -> float:
    start = time.perf_counter()
    f(*arrays)
    return time.perf_counter() - start


def _serving(
    image: tuple[int, ...], kernels: tuple[int, ...], dtype: Any, options: Mapping[str, Any]
) -> list[str]:
    """The ways that take these sizes and options; at least the direct one."""
    x, w = placeholder("x", image, dtype), placeholder("w", kernels, dtype)
    names = []
    for name, way in CONVOLUTIONS.items():
        try:
            way(x, w, **options)
        except ShapeError:
            if name == "direct":
                raise
            continue
        names.append(name)
    return names


def _by_size(image: tuple[int, ...], kernels: tuple[int, ...], names: list[str]) -> str:
    taps, sizes = kernels[2:], image[2:]
    if max(taps) <= 3:
        return "direct"
    small = all(2 * k >= n for k, n in zip(taps, sizes, strict=True))
    if max(taps) <= 5 and small:
        return "matrix"
    return "fft" if max(taps) > 7 and "fft" in names else "patches"
