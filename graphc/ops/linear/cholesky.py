"""Cholesky factors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.dims import Dim
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import KernelWriter, Sample
from graphc.ir.types import TensorType
from graphc.ops.convert import TensorLike, as_tensor
from graphc.ops.diagonal import eye, tril
from graphc.ops.linear.contraction import matmul
from graphc.ops.linear.matrices import (
    FLOATS,
    MatrixOp,
    check_matrix,
    drawn,
    mt,
    on_lower_half,
    symmetric,
)
from graphc.ops.linear.triangular import triangular_solve

SMALL = 8  # rows up to which a matrix is factored element by element
BLOCK = 8  # rows that are factored together
PANEL = 64  # rows that all below take in before they are used no more, a multiple of BLOCK
SQUARE = 64  # rows that are turned over together


class _Pivots:
    """Whether all pivots of a matrix were positive."""

    def __init__(self, kernel: KernelWriter):
        self.kernel, self.bad = kernel, kernel.register(0)

    def root(self, pivot: Any) -> Any:
        """The root of one more."""
        ops = self.kernel.ops
        self.bad.set(ops.select(pivot > 0, self.bad.get(), 1))
        return self.kernel.register(ops.sqrt(pivot)).get()

    def spoil(self, n: Any, at: Sequence[Any]) -> None:
        """The factor becomes NaN where they were not."""
        kernel = self.kernel
        with kernel.when(self.bad.get() > 0), kernel.loop(0, n) as i, kernel.loop(0, n) as j:
            kernel.store(0, (*at, i, j), np.nan)


def _factor_by_elements(kernel: KernelWriter, n: Any, at: Sequence[Any]) -> None:
    """One matrix, element by element."""
    pivots = _Pivots(kernel)
    with kernel.loop(0, n) as i, kernel.loop(i + 1, n) as j:
        kernel.store(0, (*at, i, j), 0)
    with kernel.loop(0, n) as j:
        pivot = kernel.register(kernel.load(0, (*at, j, j)))
        with kernel.loop(0, j) as k:
            x = kernel.reload(0, (*at, j, k))
            pivot.set(pivot.get() - x * x)
        root = pivots.root(pivot.get())
        kernel.store(0, (*at, j, j), root)
        with kernel.loop(j + 1, n) as i:
            total = kernel.register(kernel.load(0, (*at, i, j)))
            with kernel.loop(0, j) as k:
                product = kernel.reload(0, (*at, i, k)) * kernel.reload(0, (*at, j, k))
                total.set(total.get() - product)
            kernel.store(0, (*at, i, j), total.get() / root)
    pivots.spoil(n, at)


def _factor_by_rows(kernel: KernelWriter, n: Any, at: Sequence[Any]) -> None:
    """One matrix: rows of L^T, whose elements lie side by side, `BLOCK` at a time, then turned
    over.
    """
    with kernel.loop(0, n / SQUARE + 1) as block:
        first = block * SQUARE
        rows = kernel.ops.minimum(n - first, SQUARE)
        kernel.turn((~0, (*at, first, 0), n), (0, (*at, 0, first), n), rows, first + rows)
    pivots = _Pivots(kernel)
    with kernel.loop(0, (n + (PANEL - 1)) / PANEL) as panel:
        given = panel * PANEL, kernel.ops.minimum((panel + 1) * PANEL, n)
        with kernel.loop(given[0] / BLOCK, n / BLOCK) as block:
            _reduce_block(pivots, n, at, given, block * BLOCK, BLOCK)
        with kernel.loop(kernel.ops.maximum(given[0], n / BLOCK * BLOCK), n) as j:
            _reduce_block(pivots, n, at, given, j, 1)
    with kernel.loop(0, n / SQUARE + 1) as block:
        first = block * SQUARE
        rows = kernel.ops.minimum(n - first, SQUARE)
        kernel.turn((0, (*at, first, first), n), (0, (*at, first, first), n), rows, n - first)
    with kernel.loop(0, n) as i, kernel.loop(i + 1, n, vector=True) as j:
        kernel.store(0, (*at, i, j), 0)
    pivots.spoil(n, at)


def _reduce_block(
    pivots: _Pivots,
    n: Any,
    at: Sequence[Any],
    given: tuple[Any, Any],
    first: Any,
    count: int,
) -> None:
    """So many rows of L^T from `first` on, in registers: less what the rows of a panel give of
    those before, and factored where they are of the panel themselves.
    """
    kernel, (begin, end) = pivots.kernel, given
    with kernel.loop(first, n, vector=True) as i:
        totals = [kernel.register(kernel.reload(0, (*at, first + r, i))) for r in range(count)]
        with kernel.loop(begin, kernel.ops.minimum(first, end)) as k:
            x = -kernel.reload(0, (*at, k, i))
            for r, total in enumerate(totals):
                factor = kernel.reload(0, (*at, k, first + r))
                total.set(kernel.multiply_add(x, factor, total.get()))
        for r, total in enumerate(totals):
            kernel.store(0, (*at, first + r, i), total.get())
    with kernel.when(first < end):
        _factor_block(pivots, n, at, first, count)


def _factor_block(pivots: _Pivots, n: Any, at: Sequence[Any], first: Any, count: int) -> None:
    """So many rows of L^T from `first` on, from which those before are taken: each other's part."""
    kernel = pivots.kernel
    for r in range(count):
        j = first + r
        factors = [kernel.reload(0, (*at, first + q, j)) for q in range(r)]
        if factors:
            with kernel.loop(j, n, vector=True) as i:
                value = kernel.reload(0, (*at, j, i))
                for q, factor in enumerate(factors):
                    x = -kernel.reload(0, (*at, first + q, i))
                    value = kernel.multiply_add(x, factor, value)
                kernel.store(0, (*at, j, i), value)
        root = pivots.root(kernel.reload(0, (*at, j, j)))
        kernel.store(0, (*at, j, j), root)
        with kernel.loop(j + 1, n, vector=True) as i:
            kernel.store(0, (*at, j, i), kernel.reload(0, (*at, j, i)) / root)


class Cholesky(MatrixOp):
    """The lower triangular L with a = L L^T, from the lower half of a; all of it NaN where a is not
    positive definite.
    """

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        check_matrix(inputs[0])
        return (inputs[0],)

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        """With P = the lower half (diagonal halved) of L^T g: L^-T P L^-1, symmetrised (Murray,
        2016).
        """
        (g,) = cotangents
        assert g is not None
        low = node.outputs[0]
        half = tril(matmul(mt(low), g)) * (tril(_ones(low)) - 0.5 * _eye(low))
        left = triangular_solve(low, half, lower=True, transpose_a=True)
        full = mt(triangular_solve(low, mt(left), lower=True, transpose_a=True))
        return (on_lower_half(0.5 * (full + mt(full))),)

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        (a,) = inputs
        out = np.full(a.shape, np.nan, a.dtype)
        for where in np.ndindex(a.shape[:-2]):
            low = np.tril(a[where])
            try:
                factor = np.linalg.cholesky(low + np.tril(low, -1).T)
            except np.linalg.LinAlgError:
                continue
            if not np.isnan(factor).any():
                out[where] = factor
        return out

    def loops(self, node: Node, kernel: KernelWriter) -> None:
        shape = node.types[0].shape
        small = isinstance(shape[-1], int) and shape[-1] <= SMALL
        factor = _factor_by_elements if small or kernel.lanes <= 1 else _factor_by_rows
        with kernel.parallel(shape[:-2], work=4096) as at:
            factor(kernel, kernel.dim(shape[-1]), at)

    def cost(self, node: Node) -> Dim:
        return node.types[0].size * node.types[0].shape[-1]

    def samples(self) -> Sequence[Sample]:
        return tuple(
            drawn(d, symmetric(s, d, True)) for d in FLOATS for s in ((4, 4), (2, 3, 3), (1, 1))
        )


_CHOLESKY = Cholesky("cholesky")


def _eye(x: Tensor) -> Tensor:
    return eye(x.shape[-1], dtype=x.dtype)


def _ones(x: Tensor) -> Tensor:
    from graphc.ops.creation import ones_like

    return ones_like(x)


def cholesky(a: TensorLike) -> Tensor:
    """The lower triangular L with a = L L^T, for symmetric positive definite matrices in the last
    two axes (only the lower half is read). All NaN where a matrix is not positive definite.
    """
    return apply(_CHOLESKY, as_tensor(a)).outputs[0]
