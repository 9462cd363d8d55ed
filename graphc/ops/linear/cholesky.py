"""Cholesky factors and triangular systems."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from graphc.ir.dims import Dim
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import KernelWriter, Sample
from graphc.ir.types import TensorType
from graphc.ops.diagonal import eye, tril, triu
from graphc.ops.linear.contraction import matmul
from graphc.ops.linear.matrices import (
    FLOATS,
    MatrixOp,
    check_matrix,
    check_system,
    columns,
    drawn,
    mt,
    on_lower_half,
    symmetric,
    well_conditioned,
)

PANEL = 64  # columns that are solved side by side
DEPTH = 8  # solved rows that are taken from a row at once


def _factor_by_elements(kernel: KernelWriter, n: Any, at: Sequence[Any]) -> None:
    """One matrix, element by element."""
    with kernel.loop(0, n) as i, kernel.loop(i + 1, n) as j:
        kernel.store(0, (*at, i, j), 0)
    with kernel.loop(0, n) as j:
        pivot = kernel.register(kernel.load(0, (*at, j, j)))
        with kernel.loop(0, j) as k:
            x = kernel.reload(0, (*at, j, k))
            pivot.set(pivot.get() - x * x)
        root = kernel.register(kernel.ops.sqrt(pivot.get()))
        kernel.store(0, (*at, j, j), root.get())
        with kernel.loop(j + 1, n) as i:
            total = kernel.register(kernel.load(0, (*at, i, j)))
            with kernel.loop(0, j) as k:
                product = kernel.reload(0, (*at, i, k)) * kernel.reload(0, (*at, j, k))
                total.set(total.get() - product)
            kernel.store(0, (*at, i, j), total.get() / root.get())


def _factor_by_rows(kernel: KernelWriter, n: Any, at: Sequence[Any]) -> None:
    """One matrix: row by row of L^T, whose elements lie side by side, then turned over."""

    def take(j: Any, first: Any, count: int) -> None:
        """Row j less its parts of `count` rows, from row `first` on."""
        factors = [kernel.reload(0, (*at, first + d, j)) for d in range(count)]
        with kernel.loop(j, n, vector=True) as i:
            total = kernel.reload(0, (*at, j, i))
            for d, x in enumerate(factors):
                total = total - x * kernel.reload(0, (*at, first + d, i))
            kernel.store(0, (*at, j, i), total)

    with kernel.loop(0, n) as i, kernel.loop(0, i + 1) as j:
        kernel.store(0, (*at, j, i), kernel.load(0, (*at, i, j)))
    with kernel.loop(0, n) as j:
        with kernel.loop(0, j / DEPTH) as group:
            take(j, group * DEPTH, DEPTH)
        with kernel.loop(j / DEPTH * DEPTH, j) as k:
            take(j, k, 1)
        root = kernel.register(kernel.ops.sqrt(kernel.reload(0, (*at, j, j))))
        kernel.store(0, (*at, j, j), root.get())
        pivot = root.get()
        with kernel.loop(j + 1, n, vector=True) as i:
            kernel.store(0, (*at, j, i), kernel.reload(0, (*at, j, i)) / pivot)
    with kernel.loop(0, n) as i, kernel.loop(0, i) as j:
        kernel.store(0, (*at, i, j), kernel.reload(0, (*at, j, i)))
        kernel.store(0, (*at, j, i), 0)


class Cholesky(MatrixOp):
    """The lower triangular L with a = L L^T, from the lower half of a; NaN where a is not positive
    definite.
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
                out[where] = np.linalg.cholesky(low + np.tril(low, -1).T)
            except np.linalg.LinAlgError:
                continue
        return out

    def loops(self, node: Node, kernel: KernelWriter) -> None:
        shape = node.types[0].shape
        small = isinstance(shape[-1], int) and shape[-1] <= DEPTH
        factor = _factor_by_elements if small or kernel.lanes <= 1 else _factor_by_rows
        with kernel.parallel(shape[:-2], work=4096) as at:
            factor(kernel, kernel.dim(shape[-1]), at)

    def cost(self, node: Node) -> Dim:
        return node.types[0].size * node.types[0].shape[-1]

    def samples(self) -> Sequence[Sample]:
        return tuple(
            drawn(d, symmetric(s, d, True)) for d in FLOATS for s in ((4, 4), (2, 3, 3), (1, 1))
        )


def _solve_column(node: Node, kernel: KernelWriter, at: Sequence[Any], column: Any) -> None:
    """One column of one system."""
    n, entry, row = _rows(node, kernel, at)
    with kernel.loop(0, n) as step:
        i = row(step)
        total = kernel.register(kernel.load(1, (*at, i, column)))
        with kernel.loop(0, step) as k:
            total.set(total.get() - entry(i, row(k)) * kernel.reload(0, (*at, row(k), column)))
        kernel.store(0, (*at, i, column), total.get() / entry(i, i))


def _solve_panel(node: Node, kernel: KernelWriter, at: Sequence[Any], begin: Any, end: Any) -> None:
    """The columns from `begin` to `end` of one system, side by side in vectors. A row stays in a
    register while DEPTH solved ones are taken from it, in the order in which a column alone
    would take them.
    """
    n, entry, row = _rows(node, kernel, at)

    def take(i: Any, first: Any, count: int) -> None:
        """Row i less its parts of `count` solved rows, from step `first` on."""
        solved = [row(first + d) for d in range(count)]
        factors = [entry(i, k) for k in solved]
        with kernel.loop(begin, end, vector=True) as c:
            total = kernel.reload(0, (*at, i, c))
            for k, factor in zip(solved, factors, strict=True):
                total = total - factor * kernel.reload(0, (*at, k, c))
            kernel.store(0, (*at, i, c), total)

    with kernel.loop(0, n) as step:
        i = row(step)
        with kernel.loop(begin, end, vector=True) as c:
            kernel.store(0, (*at, i, c), kernel.load(1, (*at, i, c)))
        with kernel.loop(0, step / DEPTH) as group:
            take(i, group * DEPTH, DEPTH)
        with kernel.loop(step / DEPTH * DEPTH, step) as k:
            take(i, k, 1)
        pivot = entry(i, i)
        with kernel.loop(begin, end, vector=True) as c:
            kernel.store(0, (*at, i, c), kernel.reload(0, (*at, i, c)) / pivot)


def _rows(
    node: Node, kernel: KernelWriter, at: Sequence[Any]
) -> tuple[Any, Callable[[Any, Any], Any], Callable[[Any], Any]]:
    """(their number, the matrix's entry, the row that is solved in a step)."""
    flip, n = node.attrs["transpose_a"], kernel.dim(node.types[0].shape[-2])
    forward = node.attrs["lower"] != flip

    def entry(i: Any, j: Any) -> Any:
        return kernel.load(0, (*at, j, i) if flip else (*at, i, j))

    return n, entry, (lambda step: step) if forward else (lambda step: n - 1 - step)


class TriangularSolve(MatrixOp):
    """x with a x = b (or a^T x = b), a triangular: only its lower or upper half is read."""

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        a, b = inputs
        check_system(a, b)
        return (b,)

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        (g,) = cotangents
        assert g is not None
        a, x = node.inputs[0], node.outputs[0]
        lower, flip = node.attrs["lower"], node.attrs["transpose_a"]
        db = triangular_solve(a, g, lower, not flip)
        outer = matmul(x, mt(db)) if flip else matmul(db, mt(x))
        return -(tril(outer) if lower else triu(outer)), db

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        a, b = inputs
        half = np.tril(a) if attrs["lower"] else np.triu(a)
        half = np.swapaxes(half, -1, -2) if attrs["transpose_a"] else half
        return np.linalg.solve(half.astype(np.float64), b.astype(np.float64)).astype(b.dtype)

    def loops(self, node: Node, kernel: KernelWriter) -> None:
        *batch, _, columns = node.types[0].shape
        if columns == 1 or kernel.lanes <= 1:
            with kernel.parallel((*batch, columns), work=512) as (*at, column):
                _solve_column(node, kernel, at, column)
            return
        with kernel.parallel((*batch, -(-columns // PANEL)), work=64 * PANEL) as (*at, panel):
            begin, end = panel * PANEL, kernel.dim(columns)
            _solve_panel(node, kernel, at, begin, kernel.ops.minimum(begin + PANEL, end))

    def cost(self, node: Node) -> Dim:
        return node.types[0].size * node.types[0].shape[-2]

    def samples(self) -> Sequence[Sample]:
        return tuple(
            replace(
                drawn(d, well_conditioned((*s, s[-1]), d), columns((*s, 2), d)),
                attrs={"lower": lower, "transpose_a": flip},
            )
            for d in FLOATS
            for s in ((4,), (2, 3))
            for lower in (True, False)
            for flip in (True, False)
        )


_CHOLESKY, _TRIANGULAR = Cholesky("cholesky"), TriangularSolve("triangular_solve")


def _eye(x: Tensor) -> Tensor:
    return eye(x.shape[-1], dtype=x.dtype)


def _ones(x: Tensor) -> Tensor:
    from graphc.ops.creation import ones_like

    return ones_like(x)


def cholesky(a: Tensor) -> Tensor:
    """The lower triangular L with a = L L^T, for symmetric positive definite matrices in the last
    two axes (only the lower half is read). NaN where a matrix is not positive definite.
    """
    return apply(_CHOLESKY, a).outputs[0]


def triangular_solve(a: Tensor, b: Tensor, lower: bool = True, transpose_a: bool = False) -> Tensor:
    """x with a x = b, or a^T x = b; a is n by n of which only the lower (or upper) half is read, b
    is n by k.
    """
    return apply(_TRIANGULAR, a, b, lower=lower, transpose_a=transpose_a).outputs[0]
