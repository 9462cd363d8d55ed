"""QR factors, and what factorisations by rotations share."""

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
from graphc.ops.convert import TensorLike, as_tensor
from graphc.ops.diagonal import tril
from graphc.ops.linear.contraction import matmul
from graphc.ops.linear.matrices import (
    FLOATS,
    MatrixOp,
    check_matrix,
    drawn,
    mt,
    well_conditioned,
)
from graphc.ops.linear.triangular import triangular_solve

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


_QR = QR("qr")


def qr(a: TensorLike) -> tuple[Tensor, Tensor]:
    """(q, r) with a = q r: q m by n with orthonormal columns, r n by n upper triangular with
    positive diagonal; m >= n.
    """
    q, r = apply(_QR, as_tensor(a)).outputs
    return q, r
