"""Singular values and vectors, by one-sided Jacobi rotations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.dims import Dim, minimum
from graphc.ir.errors import ShapeError
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import KernelWriter, Sample
from graphc.ir.types import TensorType
from graphc.ops.contraction import matmul
from graphc.ops.diagonal import eye
from graphc.ops.layout import reshape
from graphc.ops.matrices import FLOATS, MatrixOp, check_matrix, drawn, mt, well_conditioned
from graphc.ops.orthogonal import SWEEPS, fix_signs, order, positive, rotate, rotation
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

    def loops(self, node: Node, kernel: KernelWriter) -> None:
        a, ops = node.types[0], kernel.ops
        m, n = kernel.dim(a.shape[-2]), kernel.dim(a.shape[-1])
        one, zero = ops.const(1, a.dtype), ops.const(0, a.dtype)
        with kernel.parallel(a.shape[:-2], work=16384) as at:
            with kernel.loop(0, m) as i, kernel.loop(0, n, vector=True) as j:
                kernel.store(0, (*at, i, j), kernel.load(0, (*at, i, j)))
            with kernel.loop(0, n) as i, kernel.loop(0, n) as j:
                kernel.store(2, (*at, i, j), ops.select(ops.equal(i, j), one, zero))
            with kernel.loop(0, SWEEPS), kernel.loop(0, n) as p, kernel.loop(p + 1, n) as q:
                alpha, beta, gamma = (kernel.register(zero) for _ in range(3))
                with kernel.loop(0, m) as k:
                    x, y = kernel.reload(0, (*at, k, p)), kernel.reload(0, (*at, k, q))
                    alpha.set(alpha.get() + x * x)
                    beta.set(beta.get() + y * y)
                    gamma.set(gamma.get() + x * y)
                dot = gamma.get()
                with kernel.when(ops.not_equal(dot, zero)):
                    c, s = rotation(kernel, alpha.get(), beta.get(), dot, a.dtype)
                    with kernel.loop(0, m) as k:
                        rotate(kernel, 0, (*at, k, p), (*at, k, q), c.get(), s.get())
                    with kernel.loop(0, n) as k:
                        rotate(kernel, 2, (*at, k, p), (*at, k, q), c.get(), s.get())
            self._norms(kernel, at, m, n, zero)
            order(kernel, at, n, 1, ((0, m), (2, n)), descending=True)
            fix_signs(kernel, at, n, m, 0, ((0, m), (2, n)))

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


def svd(a: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(u, s, vt) with a = u diag(s) vt, s descending, k = min(m, n) columns of u and rows of vt."""
    m, n = a.shape[-2:]
    if minimum(m, n) == n:
        u, s, v = apply(_SVD, a).outputs
        return u, s, mt(v)
    v, s, u = apply(_SVD, mt(a)).outputs
    return u, s, mt(v)
