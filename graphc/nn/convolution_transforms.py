"""Convolutions with fewer products: Winograd's and Fourier's; arguments and results are those of
`conv`.
"""

from __future__ import annotations

import numpy as np

from graphc.fft import good_length, irfftn, rfftn
from graphc.ir.errors import ShapeError
from graphc.ir.node import Tensor
from graphc.nn.convolution_matrix import Frame
from graphc.ops.convolutions.convolving import Padding, PerAxis
from graphc.ops.convolutions.pooling import image_windows
from graphc.ops.indexing.slicing import flip
from graphc.ops.layout import reshape
from graphc.ops.linear.einsum import einsum
from graphc.ops.padding import pad
from graphc.ops.source import constant

# Two results of three taps from four elements with four products instead of six (Winograd, 1980).
_OF_KERNELS = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
_OF_IMAGES = np.array([[1.0, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]])
_BACK = np.array([[1.0, 1, 1, 0], [0, 1, -1, -1]])


def conv_by_winograd(
    x: Tensor,
    w: Tensor,
    stride: PerAxis = 1,
    padding: Padding = "valid",
    dilation: PerAxis = 1,
    groups: int = 1,
) -> Tensor:
    """2 x 2 results at a time, for 3 x 3 kernels in steps of 1: 16 products instead of 36 (Lavin
    and Gray, 2016).
    """
    frame = Frame.of(x.shape[2:], w, stride, padding, dilation)
    steps = (*frame.strides, *frame.dilations)
    if frame.taps != (3, 3) or steps != (1, 1, 1, 1) or groups != 1:
        raise ShapeError(
            "Winograd's way is for 3 x 3 taps without strides, dilation and groups, not"
            f" {frame.taps} with {steps} and {groups}"
        )
    tiles = [-(-k // 2) for k in frame.positions]
    room = [
        (before, 2 * tile + 2 - size - before)
        for size, tile, (before, _) in zip(frame.sizes, tiles, frame.widths, strict=True)
    ]
    seen = image_windows(x, 4, 2, room)
    of_kernels, of_images, back = (constant(m, x.dtype) for m in (_OF_KERNELS, _OF_IMAGES, _BACK))
    kernels = einsum("pa,qb,ocab->pqoc", of_kernels, of_kernels, w)
    images = einsum("pa,qb,ncijab->pqncij", of_images, of_images, seen)
    mixed = einsum("pqoc,pqncij->pqnoij", kernels, images)
    pairs = einsum("ap,bq,pqnoij->noiajb", back, back, mixed)
    whole = reshape(pairs, (x.shape[0], w.shape[0], 2 * tiles[0], 2 * tiles[1]))
    return whole[:, :, : frame.positions[0], : frame.positions[1]]


def conv_by_fft(
    x: Tensor,
    w: Tensor,
    stride: PerAxis = 1,
    padding: Padding = "valid",
    dilation: PerAxis = 1,
    groups: int = 1,
) -> Tensor:
    """The product of the spectra of images and kernels, both with zeros up to a length of at least
    that of the image and of the kernel, less one; for large kernels.
    """
    frame = Frame.of(x.shape[2:], w, 1, padding, dilation)
    if groups != 1 or any(d != 1 for d in frame.dilations) or len(frame.sizes) > 3:
        raise ShapeError("Fourier's way is for up to three axes without dilation and groups")
    long = [s + a + b for s, (a, b) in zip(frame.sizes, frame.widths, strict=True)]
    lengths = [good_length(n + k - 1) for n, k in zip(long, frame.taps, strict=True)]
    axes = tuple(range(2, x.ndim))
    image = _filled(x, [a for a, _ in frame.widths], lengths)
    kernel = _filled(flip(w, axes), [0] * len(lengths), lengths)
    (a, b), (c, d) = rfftn(image, axes), rfftn(kernel, axes)
    text = "nirst,oirst->norst".replace("rst", "rst"[: len(axes)])
    re = einsum(text, a, c) - einsum(text, b, d)
    im = einsum(text, a, d) + einsum(text, b, c)
    y = irfftn(re, im, lengths, axes)
    strides = Frame.of(x.shape[2:], w, stride, padding, dilation).strides
    parts = zip(frame.taps, frame.positions, strides, strict=True)
    return y[(..., *(slice(k - 1, k - 1 + n, s) for k, n, s in parts))]


def _filled(x: Tensor, before: list[int], lengths: list[int]) -> Tensor:
    """x with zeros before, and after up to these lengths."""
    sizes = zip(before, lengths, x.shape[2:], strict=True)
    room = [(a, n - a - d) for a, n, d in sizes if isinstance(d, int)]
    return pad(x, [(0, 0), (0, 0), *room])
