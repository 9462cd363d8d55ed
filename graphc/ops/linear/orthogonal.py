"""Factorisations by rotations and reflections: QR, symmetric eigenvalues, singular values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from graphc.ir.dims import Dim, minimum
from graphc.ir.errors import ShapeError
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import KernelWriter, Register, Sample
from graphc.ir.types import TensorType
from graphc.ops.diagonal import eye, tril
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
    well_conditioned,
)
from graphc.ops.linear.triangular import triangular_solve
from graphc.ops.select import where

SWEEPS = 30


class QR(MatrixOp):
    """a = q r with orthonormal columns of q and upper triangular r of positive diagonal (m >= n),
    by modified Gram-Schmidt run twice over each column, which is as orthogonal as reflections
    (Giraud et al., 2005).
    """

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        (a,) = inputs
        check_matrix(a, square=False)
        m, n = a.shape[-2:]
        if minimum(m, n) != n:
            raise ShapeError(f"at least as many rows as columns needed, not {m} by {n}")
        return a, TensorType(a.dtype, (*a.shape[:-2], n, n))

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        """(gq + q copyltu(M)) r^-T with M = r gr^T - gq^T q (Walter and Lehmann, 2018)."""
        q, r = node.outputs
        gq, gr = cotangents
        m = -matmul(mt(gq), q) if gq is not None else None
        if gr is not None:
            m = matmul(r, mt(gr)) if m is None else m + matmul(r, mt(gr))
        assert m is not None
        low = tril(m)
        both = low + mt(tril(m, -1))
        inner = matmul(q, both) if gq is None else gq + matmul(q, both)
        return (mt(triangular_solve(r, mt(inner), lower=False)),)

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        q, r = np.linalg.qr(inputs[0].astype(np.float64))
        sign = np.sign(np.diagonal(r, axis1=-2, axis2=-1))
        sign = np.where(sign == 0, 1, sign)
        dtype = inputs[0].dtype
        return (q * sign[..., None, :]).astype(dtype), (r * sign[..., :, None]).astype(dtype)

    def workspace(self, node: Node) -> Sequence[TensorType]:
        return (transposed(node.types[0]),)

    def loops(self, node: Node, kernel: KernelWriter) -> None:
        """Buffer 2 has the columns as rows."""
        a, ops = node.types[0], kernel.ops
        m, n = kernel.dim(a.shape[-2]), kernel.dim(a.shape[-1])
        zero = ops.const(0, a.dtype)
        with kernel.parallel(a.shape[:-2], work=work_of(a)) as at:
            with kernel.loop(0, n) as i, kernel.loop(0, m) as k:
                kernel.store(2, (*at, i, k), kernel.load(0, (*at, k, i)))
            with kernel.loop(0, n) as i, kernel.loop(0, n, vector=True) as j:
                kernel.store(1, (*at, i, j), zero)
            with kernel.loop(0, n) as j:
                with kernel.loop(0, 2), kernel.loop(0, j) as k:
                    (dot,) = kernel.sums(0, m, products(kernel, at, k, j))
                    kernel.store(1, (*at, k, j), kernel.reload(1, (*at, k, j)) + dot)
                    with kernel.loop(0, m, vector=True) as i:
                        x, y = kernel.reload(2, (*at, j, i)), kernel.reload(2, (*at, k, i))
                        kernel.store(2, (*at, j, i), x - dot * y)
                (square,) = kernel.sums(0, m, products(kernel, at, j, j))
                norm = kernel.register(ops.sqrt(square)).get()
                kernel.store(1, (*at, j, j), norm)
                with kernel.loop(0, m, vector=True) as i:
                    kernel.store(2, (*at, j, i), kernel.reload(2, (*at, j, i)) / norm)
            with kernel.loop(0, m) as i, kernel.loop(0, n) as k:
                kernel.store(0, (*at, i, k), kernel.reload(2, (*at, k, i)))

    def cost(self, node: Node) -> Dim:
        return 4 * node.types[0].size * node.types[0].shape[-1]

    def samples(self) -> Sequence[Sample]:
        return tuple(drawn(d, well_conditioned(s, d)) for d in FLOATS for s in ((4, 3), (2, 3, 3)))


def transposed(a: TensorType) -> TensorType:
    """The type of the columns of matrices as rows."""
    return TensorType(a.dtype, (*a.shape[:-2], a.shape[-1], a.shape[-2]))


def work_of(a: TensorType) -> Dim:
    """Elements that are touched once for each pair of columns."""
    return a.shape[-2] * a.shape[-1] * a.shape[-1]


def products(
    kernel: KernelWriter, at: tuple[Any, ...], p: Any, q: Any
) -> Callable[[Any], Sequence[Any]]:
    """The products of the elements of rows p and q of buffer 2."""
    return lambda i: [kernel.reload(2, (*at, p, i)) * kernel.reload(2, (*at, q, i))]


def rotation(
    kernel: KernelWriter, alpha: Any, beta: Any, gamma: Any, dtype: Any
) -> tuple[Any, Any]:
    """Registers of cosine and sine that zero the off-diagonal gamma of [[alpha, gamma],
    [gamma, beta]] (Golub and Van Loan, 8.5).
    """
    ops = kernel.ops
    one, zero = ops.const(1, dtype), ops.const(0, dtype)
    small = ops.equal(gamma, zero)
    tau = (beta - alpha) / (ops.select(small, one, gamma) * 2)
    size = ops.absolute(tau) + ops.sqrt(tau * tau + 1)
    t = ops.select(tau < 0, -one, one) / size
    t = ops.select(small, zero, t)
    c = kernel.register(one / ops.sqrt(t * t + 1))
    return c, kernel.register(t * c.get())


def rotate_rows(
    kernel: KernelWriter, which: int, at: tuple[Any, ...], p: Any, q: Any, n: Any, c: Any, s: Any
) -> None:
    """Replaces rows x and y of n elements by c x - s y and s x + c y."""
    with kernel.loop(0, n, vector=True) as k:
        x, y = kernel.reload(which, (*at, p, k)), kernel.reload(which, (*at, q, k))
        kernel.store(which, (*at, p, k), c * x - s * y)
        kernel.store(which, (*at, q, k), s * x + c * y)


@contextmanager
def sweeps(kernel: KernelWriter, n: Any) -> Iterator[tuple[Any, Any, Register]]:
    """Goes through all pairs p < q until a sweep leaves the register at zero, or `SWEEPS` times."""
    left, rotated = kernel.register(SWEEPS), kernel.register(0)
    with kernel.repeat(lambda: left.get() > 0):
        rotated.set(0)
        with kernel.loop(0, n) as p, kernel.loop(p + 1, n) as q:
            yield p, q, rotated
        left.set(kernel.ops.select(rotated.get() > 0, left.get() - 1, 0))


class Eigh(MatrixOp):
    """Ascending eigenvalues w and orthonormal eigenvectors v (columns) of symmetric matrices, by
    cyclic Jacobi rotations.

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
        return (node.types[1], node.types[1])

    def loops(self, node: Node, kernel: KernelWriter) -> None:
        """Buffer 2 has the matrix, buffer 3 the vectors as rows."""
        a, ops = node.types[1], kernel.ops
        n = kernel.dim(a.shape[-1])
        one, zero = ops.const(1, a.dtype), ops.const(0, a.dtype)
        with kernel.parallel(a.shape[:-2], work=16 * work_of(a)) as at:
            with kernel.loop(0, n) as i, kernel.loop(0, n) as j:
                low = i >= j
                row, column = ops.select(low, i, j), ops.select(low, j, i)
                kernel.store(2, (*at, i, j), kernel.load(0, (*at, row, column)))
                kernel.store(3, (*at, i, j), ops.select(ops.equal(i, j), one, zero))
            with sweeps(kernel, n) as (p, q, rotated):
                alpha, beta = kernel.reload(2, (*at, p, p)), kernel.reload(2, (*at, q, q))
                gamma = kernel.reload(2, (*at, p, q))
                with kernel.when(~self._negligible(ops, gamma, alpha, beta)):
                    rotated.set(1)
                    self._rotate(kernel, at, (p, q, n), (alpha, beta, gamma))
            with kernel.loop(0, n) as i:
                kernel.store(0, (*at, i), kernel.reload(2, (*at, i, i)))
                with kernel.loop(0, n) as j:
                    kernel.store(1, (*at, i, j), kernel.reload(3, (*at, j, i)))
            order(kernel, at, n, 0, ((1, n),), descending=False)
            fix_signs(kernel, at, n, n, 1, ((1, n),))

    def _negligible(self, ops: Any, gamma: Any, alpha: Any, beta: Any) -> Any:
        """Whether gamma is too small to change either diagonal element, even a hundred times."""
        size, p, q = ops.absolute(gamma) * 100, ops.absolute(alpha), ops.absolute(beta)
        return ops.equal(p + size, p) & ops.equal(q + size, q)

    def _rotate(
        self, kernel: KernelWriter, at: tuple[Any, ...], place: Sequence[Any], block: Sequence[Any]
    ) -> None:
        """Makes the element at (p, q) zero. Rows first; the columns mirror them."""
        (p, q, n), (alpha, beta, gamma) = place, block
        cosine, sine = rotation(kernel, alpha, beta, gamma, gamma.dtype)
        c, s = cosine.get(), sine.get()
        rotate_rows(kernel, 2, at, p, q, n, c, s)
        rotate_rows(kernel, 3, at, p, q, n, c, s)
        with kernel.loop(0, n) as k:
            kernel.store(2, (*at, k, p), kernel.reload(2, (*at, p, k)))
            kernel.store(2, (*at, k, q), kernel.reload(2, (*at, q, k)))
        moved = kernel.register(s / c * gamma).get()
        zero = kernel.ops.const(0, gamma.dtype)
        for i, j, x in ((p, p, alpha - moved), (q, q, beta + moved), (p, q, zero), (q, p, zero)):
            kernel.store(2, (*at, i, j), x)

    def cost(self, node: Node) -> Dim:
        return 9 * node.types[1].size * node.types[1].shape[-1]

    def samples(self) -> Sequence[Sample]:
        return tuple(
            drawn(d, symmetric(s, d, False)) for d in FLOATS for s in ((4, 4), (2, 3, 3), (1, 1))
        )


def order(
    kernel: KernelWriter,
    at: tuple[Any, ...],
    n: Any,
    values: int,
    vectors: Sequence[tuple[int, Any]],
    descending: bool,
) -> None:
    """Selection sort of the values, with the columns of the vectors."""
    ops = kernel.ops
    with kernel.loop(0, n) as i:
        best, place = kernel.register(kernel.reload(values, (*at, i))), kernel.register(i)
        with kernel.loop(i + 1, n) as j:
            x = kernel.reload(values, (*at, j))
            better = x > best.get() if descending else x < best.get()
            place.set(ops.select(better, j, place.get()))
            best.set(ops.select(better, x, best.get()))
        chosen = place.get()
        first = kernel.reload(values, (*at, i))
        kernel.store(values, (*at, i), best.get())
        kernel.store(values, (*at, chosen), first)
        for which, length in vectors:
            with kernel.loop(0, length) as k:
                x, y = kernel.reload(which, (*at, k, i)), kernel.reload(which, (*at, k, chosen))
                kernel.store(which, (*at, k, i), y)
                kernel.store(which, (*at, k, chosen), x)


def fix_signs(
    kernel: KernelWriter,
    at: tuple[Any, ...],
    n: Any,
    rows: Any,
    judge: int,
    vectors: Sequence[tuple[int, Any]],
) -> None:
    """Flips columns so that the first largest element of each of judge's columns is positive."""
    ops = kernel.ops
    with kernel.loop(0, n) as j:
        best = kernel.register(kernel.reload(judge, (*at, 0 * j, j)))
        with kernel.loop(1, rows) as k:
            x = kernel.reload(judge, (*at, k, j))
            margin = ops.absolute(best.get()) * (1 + 1e-4)
            best.set(ops.select(ops.absolute(x) > margin, x, best.get()))
        with kernel.when(best.get() < 0):
            for which, length in vectors:
                with kernel.loop(0, length) as k:
                    kernel.store(which, (*at, k, j), -kernel.reload(which, (*at, k, j)))


def positive(judge: Any, vectors: Any) -> Any:
    """The reference of `fix_signs`."""
    out = np.array(vectors)
    for where_ in np.ndindex(judge.shape[:-2]):
        for j in range(judge.shape[-1]):
            best = judge[where_][0, j]
            for x in judge[where_][1:, j]:
                best = x if abs(x) > abs(best) * (1 + 1e-4) else best
            if best < 0:
                out[where_][:, j] = -out[where_][:, j]
    return out


_QR, _EIGH = QR("qr"), Eigh("eigh")


def qr(a: Tensor) -> tuple[Tensor, Tensor]:
    """(q, r) with a = q r: q m by n with orthonormal columns, r n by n upper triangular with
    positive diagonal; m >= n.
    """
    q, r = apply(_QR, a).outputs
    return q, r


def eigh(a: Tensor) -> tuple[Tensor, Tensor]:
    """(w, v): ascending eigenvalues and orthonormal eigenvectors (columns) of symmetric matrices,
    of which the lower half is read. The largest element of each vector is positive.
    """
    w, v = apply(_EIGH, a).outputs
    return w, v
