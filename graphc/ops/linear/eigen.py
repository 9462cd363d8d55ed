"""Eigenvalues and eigenvectors of symmetric matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.dims import Dim
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import KernelWriter, Sample
from graphc.ir.types import TensorType
from graphc.ops.convert import TensorLike, as_tensor
from graphc.ops.diagonal import eye
from graphc.ops.layout import reshape
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
from graphc.ops.linear.orthogonal import positive, work_of
from graphc.ops.linear.tridiagonal import (
    DIAGONAL,
    LINES,
    Tridiagonal,
    diagonalise,
    gather_reflections,
    reduce,
)
from graphc.ops.select import where

#: Powers of two beyond which a matrix is scaled, so that no square of an element that counts is
#: lost.
FAR = 10


class Eigh(MatrixOp):
    """Ascending eigenvalues w and orthonormal eigenvectors v (columns) of symmetric matrices, by
    reflections and the QL algorithm.

    Each vector's largest element is positive. The lower half is read. Gradients of vectors of equal
    eigenvalues count as zero among each other.
    """

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        (a,) = inputs
        check_matrix(a)
        return TensorType(a.dtype, a.shape[:-1]), a

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        """v (diag(gw) + F * v^T gv) v^T, F_ij = 1 / (w_j - w_i) off the diagonal (Giles, 2008)."""
        w, v = node.outputs
        gw, gv = cotangents
        unit = eye(v.shape[-1], dtype=v.dtype)
        inner = None if gw is None else unit * reshape(gw, (*gw.shape[:-1], 1, gw.shape[-1]))
        if gv is not None:
            gap = reshape(w, (*w.shape[:-1], 1, w.shape[-1])) - reshape(w, (*w.shape, 1))
            same = gap == 0
            factor = where(same, 0, 1 / where(same, 1, gap))
            turned = factor * matmul(mt(v), gv)
            inner = turned if inner is None else inner + turned
        assert inner is not None
        full = matmul(matmul(v, inner), mt(v))
        return (on_lower_half(0.5 * (full + mt(full))),)

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        low = np.tril(inputs[0].astype(np.float64))
        w, v = np.linalg.eigh(low + np.swapaxes(np.tril(low, -1), -1, -2))
        return w.astype(inputs[0].dtype), positive(v, v).astype(inputs[0].dtype)

    def workspace(self, node: Node) -> Sequence[TensorType]:
        a = node.types[1]
        return a, a, TensorType(a.dtype, (*a.shape[:-2], LINES, a.shape[-1]))

    def loops(self, node: Node, kernel: KernelWriter) -> None:
        """Buffer 2 has the matrix, buffer 3 the vectors as rows, buffer 4 lines."""
        a, ops = node.types[1], kernel.ops
        n = kernel.dim(a.shape[-1])
        with kernel.parallel(a.shape[:-2], work=4 * work_of(a)) as at, kernel.when(n > 0):
            t = Tridiagonal(kernel, at, n, a.dtype, 2, 3, 4)
            scale = _mirrored(t)
            reduce(t)
            gather_reflections(t)
            diagonalise(t)
            (sum_,) = kernel.sums(0, n, lambda i: [ops.absolute(t.get(DIAGONAL, i))])
            poison = kernel.register(sum_ * 0).get()  # zero, or NaN if any value is
            with kernel.loop(0, n, vector=True) as i:
                kernel.store(0, (*at, i), t.get(DIAGONAL, i) * scale + poison)
            _order_rows(t)
            _fix_rows(t, poison)
            kernel.turn((3, (*at, 0, 0), n), (1, (*at, 0, 0), n), n, n)

    def cost(self, node: Node) -> Dim:
        return 9 * node.types[1].size * node.types[1].shape[-1]

    def samples(self) -> Sequence[Sample]:
        return tuple(
            drawn(d, symmetric(s, d, False)) for d in FLOATS for s in ((4, 4), (2, 3, 3), (1, 1))
        )


def _mirrored(t: Tridiagonal) -> Any:
    """Copies the lower half of a matrix to both, with elements of usual size; by which factor they
    are to be multiplied.
    """
    kernel, ops, n = t.kernel, t.kernel.ops, t.n
    one = ops.const(1, t.dtype)
    largest = kernel.register(ops.const(0, t.dtype))
    with kernel.loop(0, n) as i, kernel.loop(0, i + 1) as j:
        size = ops.absolute(kernel.load(0, (*t.at, i, j)))
        largest.set(ops.select(size > largest.get(), size, largest.get()))
    found = largest.get()
    usual = (found > 2.0**-FAR) & (found < 2.0**FAR) | ops.equal(found, ops.const(0, t.dtype))
    scale = kernel.register(ops.select(usual, one, found)).get()
    with kernel.loop(0, n) as i:
        with kernel.loop(0, i + 1, vector=True) as j:
            kernel.store(t.matrix, (*t.at, i, j), kernel.load(0, (*t.at, i, j)) / scale)
        with kernel.loop(0, i) as j:
            kernel.store(t.matrix, (*t.at, j, i), t.element(i, j))
    return scale


def _order_rows(t: Tridiagonal) -> None:
    """Sorts the values by selection, and the rows of the vectors with them."""
    kernel, ops, n = t.kernel, t.kernel.ops, t.n
    with kernel.loop(0, n) as i:
        first = kernel.reload(0, (*t.at, i))
        best, place = kernel.register(first), kernel.register(i)
        with kernel.loop(i + 1, n) as j:
            x = kernel.reload(0, (*t.at, j))
            better = x < best.get()
            place.set(ops.select(better, j, place.get()))
            best.set(ops.select(better, x, best.get()))
        chosen = place.get()
        with kernel.when(ops.not_equal(chosen, i)):
            kernel.store(0, (*t.at, i), best.get())
            kernel.store(0, (*t.at, chosen), first)
            with kernel.loop(0, n, vector=True) as k:
                x = kernel.reload(t.vectors, (*t.at, i, k))
                y = kernel.reload(t.vectors, (*t.at, chosen, k))
                kernel.store(t.vectors, (*t.at, i, k), y)
                kernel.store(t.vectors, (*t.at, chosen, k), x)


def _fix_rows(t: Tridiagonal, poison: Any) -> None:
    """Flips rows so that the first largest element of each is positive."""
    kernel, ops = t.kernel, t.kernel.ops
    one = ops.const(1, t.dtype)
    with kernel.loop(0, t.n) as i:
        best = kernel.register(kernel.reload(t.vectors, (*t.at, i, 0 * i)))
        with kernel.loop(1, t.n) as k:
            x = kernel.reload(t.vectors, (*t.at, i, k))
            margin = ops.absolute(best.get()) * (1 + 1e-4)
            best.set(ops.select(ops.absolute(x) > margin, x, best.get()))
        sign = kernel.register(ops.select(best.get() < 0, -one, one)).get()
        with kernel.loop(0, t.n, vector=True) as k:
            x = kernel.reload(t.vectors, (*t.at, i, k))
            kernel.store(t.vectors, (*t.at, i, k), x * sign + poison)


_EIGH = Eigh("eigh")


def eigh(a: TensorLike) -> tuple[Tensor, Tensor]:
    """(w, v): ascending eigenvalues and orthonormal eigenvectors (columns) of symmetric matrices,
    of which the lower half is read. The largest element of each vector is positive.
    """
    w, v = apply(_EIGH, as_tensor(a)).outputs
    return w, v
