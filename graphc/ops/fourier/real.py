"""Fourier transforms of real last axes of known length, and their adjoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from graphc.ir.dtypes import DType
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import KernelWriter, Sample
from graphc.ir.types import TensorType
from graphc.ops.fourier.butterflies import Complex
from graphc.ops.fourier.lines import (
    FLOATS,
    Pair,
    TransformOp,
    drawn,
    factors_of,
    filled,
    spectrum,
    work_of,
)  # fmt: skip
from graphc.ops.fourier.passes import Factors, Room, transform
from graphc.ops.fourier.plan import waves
from graphc.ops.source import constant


def half_factors_of(n: int) -> np.ndarray:
    """What the transform of a real axis needs: of an even one, that of its half, and the factors
    that put even and odd elements together.
    """
    if n % 2:
        return factors_of(n)
    return np.concatenate([factors_of(n // 2), *waves(np.arange(n // 2), n)])


class RealFourier(TransformOp):
    """The spectrum of a real axis, times `scale`: its first half of n // 2 + 1 elements, of which
    with `doubled` those that have a mirror image count double; or the `whole` of it.
    """

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        x, n = self.check(inputs, attrs["n"]), attrs["n"]
        half = TensorType(x.dtype, (*x.shape[:-1], n if attrs["whole"] else n // 2 + 1))
        return half, half

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        re, im = filled(cotangents, node)
        attrs = node.attrs
        if attrs["whole"]:
            return spectrum(re, im, True, attrs["scale"])[0], None
        halves = {key: attrs[key] for key in ("n", "scale", "doubled")}
        return apply(_HALF, re, im, node.inputs[1], **halves).outputs[0], None

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        x, n = inputs[0], attrs["n"]
        if attrs["whole"]:
            y = np.fft.fft(x.astype(float)) * attrs["scale"]
        else:
            y = np.fft.rfft(x.astype(float)) * attrs["scale"] * _weights(n, attrs["doubled"])
        return y.real.astype(x.dtype), y.imag.astype(x.dtype)

    def loops(self, node: Node, kernel: KernelWriter) -> None:
        x, n = node.inputs[0].type, node.attrs["n"]
        with kernel.parallel(x.shape[:-1], work=work_of(n) // 2 + 1) as at:
            factors = Factors(kernel, 1)
            write = _Scaled(kernel, at, node.attrs)
            if n % 2:
                self._odd(kernel, factors, at, x.dtype, n, write)
            else:
                self._even(kernel, factors, at, x.dtype, n // 2, write)
            if node.attrs["whole"]:
                with kernel.loop(n // 2 + 1, n, vector=True) as k:
                    for part, sign in ((0, 1), (1, -1)):
                        kernel.store(part, (*at, k), kernel.reload(part, (*at, n - k)) * sign)

    def _odd(
        self, kernel: KernelWriter, factors: Factors, at: Any, dtype: DType, n: int, write: _Scaled
    ) -> None:
        room, zero = Room(kernel, dtype, n), kernel.ops.const(0, dtype)
        transform(kernel, factors, n, lambda i: (kernel.load(0, (*at, i)), zero), room.write, dtype)
        write.one(0, (room.read(0)[0], zero))
        with kernel.loop(1, n // 2 + 1, vector=True) as k:
            write.one(k, room.read(k), among=True)

    def _even(
        self, kernel: KernelWriter, factors: Factors, at: Any, dtype: DType, m: int, write: _Scaled
    ) -> None:
        """Even and odd elements are the two parts of an axis of half the length."""
        room, zero = Room(kernel, dtype, m), kernel.ops.const(0, dtype)

        def source(i: Any) -> Complex:
            return kernel.load(0, (*at, i * 2)), kernel.load(0, (*at, i * 2 + 1))

        transform(kernel, factors, m, source, room.write, dtype)
        re, im = room.read(0)
        write.one(0, (re + im, zero))
        write.one(m, (re - im, zero))
        wave = factors.pairs(m)
        with kernel.loop(1, m, vector=True) as k:
            (a, b), (c, d), (cos, sin) = room.read(k), room.read(m - k), wave(k)
            even, odd = ((a + c) * 0.5, (b - d) * 0.5), ((b + d) * 0.5, (c - a) * 0.5)
            fused = kernel.multiply_add
            re = fused(odd[0], cos, fused(odd[1], sin, even[0]))
            im = fused(odd[1], cos, fused(-odd[0], sin, even[1]))
            write.one(k, (re, im), among=True)

    def samples(self) -> Sequence[Sample]:
        halves = _half_samples(False, 1)
        return [replace(s, attrs=_also(s.attrs, whole)) for whole in (False, True) for s in halves]


class HalfFourier(TransformOp):
    """The adjoint of `RealFourier`: the real parts of the sum over k of y[k] exp(2 pi i j k / n)
    for the half of a spectrum, times `scale`; with `doubled`, elements with a mirror image count
    double.
    """

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        y = self.check(inputs, attrs["n"] // 2 + 1)
        return (TensorType(y.dtype, (*y.shape[:-1], attrs["n"])),)

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        (g,) = cotangents
        assert g is not None
        return (*apply(_REAL, g, node.inputs[2], **node.attrs, whole=False).outputs, None)

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        re, im, n = inputs[0], inputs[1], attrs["n"]
        y = (re.astype(float) + 1j * im) * _weights(n, attrs["doubled"])
        padded = np.concatenate([y, np.zeros((*y.shape[:-1], n - y.shape[-1]))], -1)
        return (np.fft.ifft(padded).real * (n * attrs["scale"])).astype(re.dtype)

    def loops(self, node: Node, kernel: KernelWriter) -> None:
        y, n = node.inputs[0].type, node.attrs["n"]
        with kernel.parallel(y.shape[:-1], work=work_of(n) // 2 + 1) as at:
            factors = Factors(kernel, 2)
            halves = 0.5 * node.attrs["scale"] * (2 if node.attrs["doubled"] else 1)
            if n % 2:
                self._odd(kernel, factors, at, y.dtype, node.attrs, halves)
            else:
                self._even(kernel, factors, at, y.dtype, node.attrs, halves)

    def _odd(
        self,
        kernel: KernelWriter,
        factors: Factors,
        at: Any,
        dtype: DType,
        attrs: Any,
        halves: float,
    ) -> None:
        """Half of each element and its mirror image, both with the parts exchanged."""
        n, zero, room = attrs["n"], kernel.ops.const(0, dtype), Room(kernel, dtype, attrs["n"])
        room.write(0, (zero, kernel.load(0, (*at, 0)) * attrs["scale"]))
        with kernel.loop(1, n // 2 + 1, vector=True) as k:
            re, im = (kernel.load(part, (*at, k)) * halves for part in (0, 1))
            room.write(k, (im, re))
        with kernel.loop(n // 2 + 1, n, vector=True) as k:
            re, im = (kernel.load(part, (*at, n - k)) * halves for part in (0, 1))
            room.write(k, (-im, re))

        def target(i: Any, value: Complex) -> None:
            kernel.store(0, (*at, i), value[1])

        transform(kernel, factors, n, room.read, target, dtype)

    def _even(
        self,
        kernel: KernelWriter,
        factors: Factors,
        at: Any,
        dtype: DType,
        attrs: Any,
        halves: float,
    ) -> None:
        """The spectra of even and odd elements, as one of their numbers even + i odd."""
        m, scale, room = attrs["n"] // 2, attrs["scale"], Room(kernel, dtype, attrs["n"] // 2)
        first, last = (kernel.load(0, (*at, k)) * scale for k in (0, m))
        room.write(0, (first - last, first + last))
        taken = factors.next
        factors.next += len(factors_of(m))
        wave = factors.pairs(m)
        factors.next = taken
        with kernel.loop(1, m, vector=True) as k:
            a, b = (kernel.load(part, (*at, k)) * halves for part in (0, 1))
            c, d = (kernel.load(part, (*at, m - k)) * halves for part in (0, 1))
            cos, sin = wave(k)
            fused = kernel.multiply_add
            even, gap = (a + c, b - d), (a - c, b + d)
            odd = (
                fused(gap[0], cos, -(gap[1] * sin)),
                fused(gap[1], cos, gap[0] * sin),
            )
            room.write(k, (even[1] + odd[0], even[0] - odd[1]))

        def target(i: Any, value: Complex) -> None:
            kernel.store(0, (*at, i * 2), value[1])
            kernel.store(0, (*at, i * 2 + 1), value[0])

        transform(kernel, factors, m, room.read, target, dtype)

    def samples(self) -> Sequence[Sample]:
        return _half_samples(True, 2)


class _Scaled:
    """Stores a half of a spectrum."""

    def __init__(self, kernel: KernelWriter, at: Sequence[Any], attrs: Any):
        self.kernel, self.at, self.attrs = kernel, at, attrs

    def one(self, k: Any, value: Complex, among: bool = False) -> None:
        """Element k, which has a mirror image if it is `among` the others."""
        scale = self.attrs["scale"] * (2 if among and self.attrs["doubled"] else 1)
        for which, part in enumerate(value):
            self.kernel.store(which, (*self.at, k), part if scale == 1 else part * scale)


#: Lengths, scales and whether mirror images count.
_HALVES = ((12, 1.0, False), (9, 0.5, True), (37, 0.1, True), (1, 1.0, False), (2, 1.0, True))


def _weights(n: int, doubled: bool) -> np.ndarray:
    k = np.arange(n // 2 + 1)
    return np.where(doubled & (k > 0) & (2 * k < n), 2.0, 1.0)


def _also(attrs: Any, whole: bool) -> dict[str, Any]:
    return {**attrs, "whole": whole, "doubled": attrs["doubled"] and not whole}


def _half_samples(halved: bool, count: int) -> Sequence[Sample]:
    return tuple(
        Sample(
            partial(_line, n, halved, d, count),
            {"n": n, "scale": scale, "doubled": doubled},
            differentiable=tuple(range(count)),
        )
        for n, scale, doubled in _HALVES
        for d in (FLOATS if n == 12 else FLOATS[1:])
    )


def _line(n: int, halved: bool, dtype: DType, count: int, rng: Any) -> Sequence[np.ndarray]:
    length = n // 2 + 1 if halved else n
    return *drawn(rng, (2, length), dtype, count), half_factors_of(n).astype(dtype.numpy)


_REAL, _HALF = RealFourier("real_fourier"), HalfFourier("half_fourier")


def real_spectrum(x: Tensor, whole: bool = False) -> Pair:
    """The first half, or the whole, of the spectrum of a real last axis."""
    n = x.shape[-1]
    assert isinstance(n, int), "an axis of known length"
    table = constant(half_factors_of(n), x.dtype)
    re, im = apply(_REAL, x, table, n=n, scale=1.0, doubled=False, whole=whole).outputs
    return re, im


def from_half(re: Tensor, im: Tensor, n: int) -> Tensor:
    """The real axis of length n that has this half of a spectrum."""
    table = constant(half_factors_of(n), re.dtype)
    return apply(_HALF, re, im, table, n=n, scale=1 / n, doubled=True).outputs[0]
