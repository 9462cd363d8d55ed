"""Singular values and vectors, by one-sided Jacobi rotations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.dims import Dim, minimum
from graphc.ir.errors import ShapeError
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import KernelWriter, Register, Sample
from graphc.ir.types import TensorType
from graphc.ops.convert import TensorLike, as_tensor
from graphc.ops.diagonal import eye
from graphc.ops.layout import reshape
from graphc.ops.linear.contraction import matmul
from graphc.ops.linear.matrices import FLOATS, MatrixOp, check_matrix, drawn, mt, well_conditioned
from graphc.ops.linear.orthogonal import (
    fix_signs,
    order,
    positive,
    rotate_rows,
    rotation,
    sweeps,
    transposed,
    work_of,
)  # fmt: skip
from graphc.ops.select import where


class SVD(MatrixOp):
    """a = u diag(s) v^T for m >= n: u m by n and v n by n with orthonormal columns, s descending.

    One-sided Jacobi rotations (Hestenes, 1958). Each column of u has a positive largest element;
    columns of zero singular values are zero. Gradients of vectors of equal singular values count as
    zero among each other.
    """

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        (a,) = inputs
        check_matrix(a, square=False)
        m, n = a.shape[-2:]
        if minimum(m, n) != n:
            raise ShapeError(f"at least as many rows as columns needed, not {m} by {n}")
        batch = a.shape[:-2]
        return a, TensorType(a.dtype, (*batch, n)), TensorType(a.dtype, (*batch, n, n))

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        """The formula of Townsend (2016), with F_ij = 1 / (s_j^2 - s_i^2) off the diagonal."""
        u, s, v = node.outputs
        gu, gs, gv = cotangents
        row, column = reshape(s, (*s.shape[:-1], 1, s.shape[-1])), reshape(s, (*s.shape, 1))
        gap = row * row - column * column
        same = gap == 0
        factor = where(same, 0, 1 / where(same, 1, gap))
        middle = eye(s.shape[-1], dtype=s.dtype) * (0 if gs is None else reshape(gs, row.shape))
        extra = None
        if gu is not None:
            ug = matmul(mt(u), gu)
            middle = middle + factor * (ug - mt(ug)) * row
            zero = row == 0
            extra = where(zero, 0, (gu - matmul(u, ug)) / where(zero, 1, row))
        if gv is not None:
            vg = matmul(mt(v), gv)
            middle = middle + column * (factor * (vg - mt(vg)))
        inner = matmul(u, middle)
        return (matmul(inner if extra is None else inner + extra, mt(v)),)

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        (a,) = inputs
        u, s, vt = np.linalg.svd(a.astype(np.float64), full_matrices=False)
        v = np.swapaxes(vt, -1, -2)
        return tuple(x.astype(a.dtype) for x in (positive(u, u), s, positive(u, v)))

    def workspace(self, node: Node) -> Sequence[TensorType]:
        return transposed(node.types[0]), node.types[2]

    def loops(self, node: Node, kernel: KernelWriter) -> None:
        """Buffers 3 and 4 have the columns of u and v as rows."""
        a, ops = node.types[0], kernel.ops
        m, n = kernel.dim(a.shape[-2]), kernel.dim(a.shape[-1])
        one, zero = ops.const(1, a.dtype), ops.const(0, a.dtype)
        with kernel.parallel(a.shape[:-2], work=16 * work_of(a)) as at:
            with kernel.loop(0, n) as i:
                with kernel.loop(0, m) as k:
                    kernel.store(3, (*at, i, k), kernel.load(0, (*at, k, i)))
                with kernel.loop(0, n) as j:
                    kernel.store(4, (*at, i, j), ops.select(ops.equal(i, j), one, zero))
            least = ops.const(float(np.finfo(a.dtype.numpy).eps), a.dtype)
            least = kernel.register(least * ops.sqrt(ops.cast(m, a.dtype))).get()
            with sweeps(kernel, n) as (p, q, rotated):
                self._orthogonalise(kernel, at, (p, q, m, n), least, rotated)
            with kernel.loop(0, n) as i:
                with kernel.loop(0, m) as k:
                    kernel.store(0, (*at, k, i), kernel.reload(3, (*at, i, k)))
                with kernel.loop(0, n) as j:
                    kernel.store(2, (*at, j, i), kernel.reload(4, (*at, i, j)))
            self._norms(kernel, at, m, n, zero)
            order(kernel, at, n, 1, ((0, m), (2, n)), descending=True)
            fix_signs(kernel, at, n, m, 0, ((0, m), (2, n)))

    def _orthogonalise(
        self,
        kernel: KernelWriter,
        at: tuple[Any, ...],
        place: Sequence[Any],
        least: Any,
        rotated: Register,
    ) -> None:
        """Rotates rows p and q unless the cosine between them is the `least` that counts."""
        (p, q, m, n), ops = place, kernel.ops

        def products(k: Any) -> list[Any]:
            x, y = kernel.reload(3, (*at, p, k)), kernel.reload(3, (*at, q, k))
            return [x * x, y * y, x * y]

        alpha, beta, gamma = kernel.sums(0, m, products)
        small = ops.absolute(gamma) <= least * ops.sqrt(alpha) * ops.sqrt(beta)
        with kernel.when(~small):
            rotated.set(1)
            c, s = (x.get() for x in rotation(kernel, alpha, beta, gamma, gamma.dtype))
            rotate_rows(kernel, 3, at, p, q, m, c, s)
            rotate_rows(kernel, 4, at, p, q, n, c, s)

    def _norms(self, kernel: KernelWriter, at: tuple[Any, ...], m: Any, n: Any, zero: Any) -> None:
        """The lengths of the columns are the singular values."""
        ops = kernel.ops
        with kernel.loop(0, n) as j:
            square = kernel.register(zero)
            with kernel.loop(0, m) as i:
                x = kernel.reload(0, (*at, i, j))
                square.set(square.get() + x * x)
            norm = kernel.register(ops.sqrt(square.get()))
            kernel.store(1, (*at, j), norm.get())
            with kernel.loop(0, m) as i:
                x = kernel.reload(0, (*at, i, j)) / norm.get()
                kernel.store(0, (*at, i, j), ops.select(norm.get() > 0, x, zero))

    def cost(self, node: Node) -> Dim:
        return 12 * node.types[0].size * node.types[0].shape[-1]

    def samples(self) -> Sequence[Sample]:
        return tuple(drawn(d, well_conditioned(s, d)) for d in FLOATS for s in ((4, 3), (2, 3, 3)))


_SVD = SVD("svd")


def svd(a: TensorLike) -> tuple[Tensor, Tensor, Tensor]:
    """(u, s, vt) with a = u diag(s) vt, s descending, k = min(m, n) columns of u and rows of vt."""
    a = as_tensor(a)
    m, n = a.shape[-2:]
    if minimum(m, n) == n:
        u, s, v = apply(_SVD, a).outputs
        return u, s, mt(v)
    v, s, u = apply(_SVD, mt(a)).outputs
    return u, s, mt(v)
