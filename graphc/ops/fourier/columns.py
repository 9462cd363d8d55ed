"""Fourier transforms of the last axis but one, some neighbours of the last one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from graphc.ir.dims import Dim
from graphc.ir.dtypes import DType
from graphc.ir.errors import ShapeError
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import KernelWriter, Sample
from graphc.ir.types import TensorType
from graphc.ops.fourier.butterflies import Complex, turned
from graphc.ops.fourier.lines import FLOATS, Pair, TransformOp, drawn, filled, transform_cost
from graphc.ops.fourier.passes import Columns, Factors, Room
from graphc.ops.fourier.plan import factors_of_columns, radices, table_waves
from graphc.ops.linear.matrices import mt
from graphc.ops.source import constant

#: The longest axis for which neighbours fit into a cache.
LONGEST = 1024


def columns_table(n: int, turned_by: int) -> np.ndarray:
    """The factors of an axis, and of a table of so many columns that is a longer axis."""
    parts = [np.zeros(0), *factors_of_columns(radices(n))]
    if turned_by:
        parts += [x.ravel() for x in table_waves(n, turned_by)]
    return np.concatenate([*parts, np.zeros(1)])


class FourierColumns(TransformOp):
    """Spectra of the columns of matrices re + i im of n rows, times `scale`; with `inverse`, what
    has them but for a factor. With `turned`, element (j, k) of the result is turned by
    exp(-2 pi i j k / size), or the inverse of that, and the matrices are transposed.
    """

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        x = self.check(inputs, inputs[0].shape[-1])
        if x.ndim < 2 or x.shape[-2] != attrs["n"]:
            raise ShapeError(f"columns of length {attrs['n']} needed, not {x}")
        *lead, n, m = x.shape
        found = TensorType(x.dtype, (*lead, m, n)) if attrs["turned"] else x
        return found, found

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        re, im = filled(cotangents, node)
        inverse, scale = not node.attrs["inverse"], node.attrs["scale"]
        if node.attrs["turned"]:
            n, m = node.attrs["n"], node.inputs[0].shape[-1]
            assert isinstance(m, int), "a table has columns of known number"
            c, s = (constant(x, re.dtype) for x in table_waves(n, m))
            s = s if inverse else -s
            re, im = mt(re), mt(im)
            re, im = re * c - im * s, im * c + re * s
        return (*column_spectra(re, im, inverse, scale), None)

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        re, im, _ = inputs
        z, n = re.astype(float) + 1j * im, attrs["n"]
        y = np.fft.ifft(z, axis=-2) * n if attrs["inverse"] else np.fft.fft(z, axis=-2)
        if attrs["turned"]:
            m = re.shape[-1]
            turns = np.outer(np.arange(n), np.arange(m)) / (n * m)
            y = y * np.exp((2j if attrs["inverse"] else -2j) * np.pi * turns)
            y = np.swapaxes(y, -1, -2)
        return tuple((part * attrs["scale"]).astype(re.dtype) for part in (y.real, y.imag))

    def loops(self, node: Node, kernel: KernelWriter) -> None:
        *lead, _, m = node.inputs[0].shape
        n = node.attrs["n"]
        most = max(16, min(64, 8192 // n))
        wide = min(most, m) if isinstance(m, int) else most
        blocks = -(-m // wide) if not isinstance(m, int) or m else 0
        with kernel.parallel((*lead, blocks), work=4 * n * wide) as (*at, block):
            first, width = self._columns(kernel, block, wide, m)
            self._block(node, kernel, at, (first, width, wide))

    def _columns(self, kernel: KernelWriter, block: Any, wide: int, m: Dim) -> tuple[Any, Any]:
        """The first column of a block, and how many there are: of a known number, the last block
        overlaps that before.
        """
        if isinstance(m, int):
            return kernel.ops.minimum(block * wide, m - wide), wide
        return block * wide, kernel.ops.minimum(kernel.dim(m) - block * wide, wide)

    def _block(
        self, node: Node, kernel: KernelWriter, at: Sequence[Any], place: tuple[Any, Any, int]
    ) -> None:
        attrs, dtype = node.attrs, node.types[0].dtype
        n, m, scale = attrs["n"], node.inputs[0].shape[-1], attrs["scale"]
        one, two = (1, 0) if attrs["inverse"] else (0, 1)
        first, width, wide = place
        rooms = [Room(kernel, dtype, n * wide) for _ in range(2)]
        factors = Factors(kernel, 2)
        columns = Columns(kernel, factors, radices(n), wide, rooms)
        room = rooms[(len(columns.steps) + 1) % 2]

        def source(row: Any, w: Any) -> Complex:
            return kernel.load(one, (*at, row, first + w)), kernel.load(two, (*at, row, first + w))

        def target(row: Any, w: Any, value: Complex) -> None:
            for which, part in zip((one, two), value, strict=True):
                kernel.store(which, (*at, row, first + w), part if scale == 1 else part * scale)

        if not attrs["turned"]:
            columns.write_rows(source, target, width)
            return
        along = factors.pairs(n * m)

        def turn_each(row: Any, w: Any, value: Complex) -> None:
            wave = along(row * m + first + w)
            value = value if scale == 1 else (value[0] * scale, value[1] * scale)
            room.write(row * wide + w, turned(value, *wave, kernel.multiply_add))

        columns.write_rows(source, turn_each, width)
        for which, part in zip((one, two), room.parts, strict=True):
            kernel.turn((part, (0,), wide), (which, (*at, first, 0), n), n, wide)

    def cost(self, node: Node) -> Dim:
        return transform_cost(node.types[0], node.attrs["n"])

    def samples(self) -> Sequence[Sample]:
        return tuple(
            Sample(
                partial(_matrix, s, d, turn),
                {"n": s[-2], "inverse": inverse, "scale": 0.5, "turned": turn},
                differentiable=(0, 1),
            )
            for d in FLOATS
            for s, inverse, turn in (((2, 12, 3), False, False), ((6, 17), True, True))
        )


def _matrix(shape: tuple[int, ...], dtype: DType, turned: bool, rng: Any) -> Sequence[np.ndarray]:
    table = columns_table(shape[-2], shape[-1] if turned else 0)
    return *drawn(rng, shape, dtype, 2), table.astype(dtype.numpy)


_COLUMNS = FourierColumns("fourier_columns")


def column_spectra(
    re: Tensor, im: Tensor, inverse: bool = False, scale: float = 1.0, turned: bool = False
) -> Pair:
    """The spectra of columns, times `scale`; `turned` as in `FourierColumns`."""
    n, m = re.shape[-2:]
    assert isinstance(n, int), "columns of known length"
    table = constant(columns_table(n, m if turned and isinstance(m, int) else 0), re.dtype)
    attrs = {"n": n, "inverse": inverse, "scale": scale, "turned": turned}
    a, b = apply(_COLUMNS, re, im, table, **attrs).outputs
    return a, b
