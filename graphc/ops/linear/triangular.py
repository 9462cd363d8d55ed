"""Triangular systems."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from graphc.ir.dims import Dim
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import KernelWriter, Sample
from graphc.ir.types import TensorType
from graphc.ops.convert import TensorLike
from graphc.ops.diagonal import tril, triu
from graphc.ops.layout import reshape
from graphc.ops.linear.contraction import matmul
from graphc.ops.linear.matrices import (
    FLOATS,
    MatrixOp,
    check_system,
    columns,
    drawn,
    mt,
    promoted,
    well_conditioned,
)

PANEL = 64  # columns that are solved side by side
BLOCK = 8  # rows that are solved together


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
    """The columns from `begin` to `end` of one system, side by side in vectors, BLOCK rows at a
    time, from which the solved ones are taken in the order in which a column alone would take them.
    """
    n = kernel.dim(node.types[0].shape[-2])
    with kernel.loop(0, n / BLOCK) as block:
        _solve_block(node, kernel, at, (begin, end), block * BLOCK, BLOCK)
    with kernel.loop(n / BLOCK * BLOCK, n) as step:
        _solve_block(node, kernel, at, (begin, end), step, 1)


def _solve_block(
    node: Node,
    kernel: KernelWriter,
    at: Sequence[Any],
    columns: tuple[Any, Any],
    first: Any,
    count: int,
) -> None:
    """The rows of so many steps."""
    _, entry, row = _rows(node, kernel, at)
    rows = [row(first + r) for r in range(count)]
    with kernel.loop(*columns, vector=True) as c:
        totals = [kernel.register(kernel.load(1, (*at, i, c))) for i in rows]
        with kernel.loop(0, first) as step:
            k = row(step)
            x = -kernel.reload(0, (*at, k, c))
            for i, total in zip(rows, totals, strict=True):
                total.set(kernel.multiply_add(x, entry(i, k), total.get()))
        solved: list[Any] = []
        for r, i in enumerate(rows):
            value = totals[r].get()
            for q, x in enumerate(solved):
                value = kernel.multiply_add(-x, entry(i, rows[q]), value)
            solved.append(kernel.register(value / entry(i, i)).get())
            kernel.store(0, (*at, i, c), solved[-1])


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


_TRIANGULAR = TriangularSolve("triangular_solve")


def triangular_solve(
    a: TensorLike, b: TensorLike, lower: bool = True, transpose_a: bool = False
) -> Tensor:
    """x with a x = b, or a^T x = b; a is n by n of which only the lower (or upper) half is read, b
    is a vector of n, or n by k.
    """
    a, b = promoted("triangular_solve", a, b)
    vector = b.ndim == a.ndim - 1
    columns = reshape(b, (*b.shape, 1)) if vector else b
    x = apply(_TRIANGULAR, a, columns, lower=lower, transpose_a=transpose_a).outputs[0]
    return reshape(x, b.shape) if vector else x
