"""Fourier transforms of the last axis, of known length; numbers are pairs (real, imaginary)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from graphc.ir.dims import Dim
from graphc.ir.dtypes import DType, float32, float64
from graphc.ir.errors import DTypeError, ShapeError
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import KernelWriter, Op, Sample
from graphc.ir.types import TensorType
from graphc.ops.creation import zeros_like
from graphc.ops.fourier.butterflies import Complex
from graphc.ops.fourier.passes import Factors, transform
from graphc.ops.fourier.plan import (
    chirp_table,
    convolved_length,
    is_smooth,
    plan_of,
    table_of,
)
from graphc.ops.layout import broadcast
from graphc.ops.source import constant

FLOATS = (float32, float64)
Pair = tuple[Tensor, Tensor]


def factors_of(n: int) -> np.ndarray:
    """What the transform of a length needs."""
    if is_smooth(n):
        return table_of(plan_of(n))
    return np.concatenate([chirp_table(n), table_of(plan_of(convolved_length(n)))])


def work_of(n: int) -> int:
    """Elements that could be touched in the time of a transform."""
    return 4 * n if is_smooth(n) else 24 * n


class TransformOp(Op):
    """An op on the last axis of its operands, all of one type but for a table of factors."""

    lowering = "loops"

    def batch(
        self, node: Node, inputs: Sequence[Tensor], axes: Sequence[int | None], size: Dim
    ) -> Sequence[Tensor]:
        *xs, table = inputs
        full = [
            x if axis == 0 else broadcast(x, (size, *x.shape), tuple(range(1, x.ndim + 1)))
            for x, axis in zip(xs, axes[:-1], strict=True)
        ]
        return apply(self, *full, table, **node.attrs).outputs

    def check(self, inputs: Sequence[TensorType], last: Dim) -> TensorType:
        """The type of the operands; raises unless they agree."""
        x = inputs[0]
        if any(y.dtype not in FLOATS for y in inputs) or x.ndim == 0:
            raise DTypeError(f"transforms are of axes of float32 or float64, not {x}")
        if any(y != x for y in inputs[:-1]) or x.shape[-1] != last:
            raise ShapeError(f"axes of length {last} needed, not {x}")
        return x


class Fourier(TransformOp):
    """The spectrum of re + i im, times `scale`; with `inverse`, what has it but for a factor."""

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        x = self.check(inputs, attrs["n"])
        return x, x

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        re, im = filled(cotangents, node)
        attrs = {**node.attrs, "inverse": not node.attrs["inverse"]}
        return (*apply(self, re, im, node.inputs[2], **attrs).outputs, None)

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        re, im, _ = inputs
        z = re.astype(float) + 1j * im
        y = np.fft.ifft(z) * attrs["n"] if attrs["inverse"] else np.fft.fft(z)
        return tuple((part * attrs["scale"]).astype(re.dtype) for part in (y.real, y.imag))

    def loops(self, node: Node, kernel: KernelWriter) -> None:
        x, n, scale = node.types[0], node.attrs["n"], node.attrs["scale"]
        first, second = (1, 0) if node.attrs["inverse"] else (0, 1)
        with kernel.parallel(x.shape[:-1], work=work_of(n)) as at:

            def source(i: Any) -> Complex:
                return kernel.load(first, (*at, i)), kernel.load(second, (*at, i))

            def target(i: Any, value: Complex) -> None:
                for which, part in zip((first, second), value, strict=True):
                    kernel.store(which, (*at, i), part if scale == 1 else part * scale)

            transform(kernel, Factors(kernel, 2), n, source, target, x.dtype)

    def cost(self, node: Node) -> Dim:
        return transform_cost(node.types[0], node.attrs["n"])

    def samples(self) -> Sequence[Sample]:
        return tuple(
            Sample(
                partial(_line, s, d),
                {"n": s[-1], "inverse": inverse, "scale": 1.0 if inverse else 0.5},
                differentiable=(0, 1),
            )
            for d in FLOATS
            for s, inverse in (((2, 12), False), ((3, 9), True), ((1,), False))
        )


def filled(cotangents: Sequence[Tensor | None], node: Node) -> Pair:
    """Zeros for what has no cotangent."""
    re, im = (
        zeros_like(y) if g is None else g for g, y in zip(cotangents, node.outputs, strict=True)
    )
    return re, im


def drawn(rng: Any, shape: tuple[int, ...], dtype: DType, count: int) -> list[np.ndarray]:
    """So many random arrays."""
    return [np.asarray(rng.standard_normal(shape)).astype(dtype.numpy) for _ in range(count)]


def _line(shape: tuple[int, ...], dtype: DType, rng: Any) -> Sequence[np.ndarray]:
    return *drawn(rng, shape, dtype, 2), factors_of(shape[-1]).astype(dtype.numpy)


def transform_cost(x: TensorType, n: int) -> Dim:
    """About how many operations the transforms of axes of length n take."""
    return x.size * (5 * max(1, n.bit_length()))


_FOURIER = Fourier("fourier")


def spectrum(re: Tensor, im: Tensor, inverse: bool = False, scale: float = 1.0) -> Pair:
    """The spectrum of a last axis of known length, times `scale`; `inverse`: the other sign."""
    n = re.shape[-1]
    assert isinstance(n, int), "an axis of known length"
    table = constant(factors_of(n), re.dtype)
    a, b = apply(_FOURIER, re, im, table, n=n, inverse=inverse, scale=scale).outputs
    return a, b
