"""General linear systems and determinants, by elimination with row exchanges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.dims import Dim
from graphc.ir.dtypes import int64
from graphc.ir.errors import GraphError
from graphc.ir.node import Node, Tensor, apply, located
from graphc.ir.op import KernelWriter, Sample
from graphc.ir.types import TensorType
from graphc.ops.convert import TensorLike, as_tensor
from graphc.ops.diagonal import eye
from graphc.ops.layout import broadcast_to, reshape
from graphc.ops.linear.contraction import matmul
from graphc.ops.linear.elimination import System
from graphc.ops.linear.matrices import (
    FLOATS,
    MatrixOp,
    check_matrix,
    check_system,
    columns,
    drawn,
    mt,
    promoted,
    well_conditioned,
)


class Solve(MatrixOp):
    """x with a x = b, for square a and b of any number of columns; infinities or NaN where a is
    singular.
    """

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        a, b = inputs
        check_system(a, b)
        return (b,)

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        (g,) = cotangents
        assert g is not None
        db = apply(self, mt(node.inputs[0]), g).outputs[0]
        return -matmul(db, mt(node.outputs[0])), db

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        a, b = inputs
        out = np.full(b.shape, np.nan, b.dtype)
        for where in np.ndindex(b.shape[:-2]):
            try:
                out[where] = np.linalg.solve(
                    a[where].astype(np.float64), b[where].astype(np.float64)
                )
            except np.linalg.LinAlgError:
                continue
        return out

    def workspace(self, node: Node) -> Sequence[TensorType]:
        return (node.inputs[0].type,)

    def loops(self, node: Node, kernel: KernelWriter) -> None:
        b = node.types[0]
        n, columns = kernel.dim(b.shape[-2]), kernel.dim(b.shape[-1])
        with kernel.parallel(b.shape[:-2], work=4096) as at:
            with kernel.loop(0, n) as i:
                with kernel.loop(0, n, vector=True) as j:
                    kernel.store(1, (*at, i, j), kernel.load(0, (*at, i, j)))
                with kernel.loop(0, columns, vector=True) as j:
                    kernel.store(0, (*at, i, j), kernel.load(1, (*at, i, j)))
            system = System(kernel, at, n, 1, (0, columns))
            system.eliminate()
            system.substitute()

    def cost(self, node: Node) -> Dim:
        a = node.inputs[0]
        return a.size * a.shape[-1] + 2 * node.types[0].size * a.shape[-1]

    def samples(self) -> Sequence[Sample]:
        return tuple(
            drawn(d, well_conditioned((*s, s[-1]), d), columns((*s, 2), d))
            for d in FLOATS
            for s in ((4,), (2, 3), (1,))
        )


class SlogDet(MatrixOp):
    """Sign and logarithm of the absolute value of the determinant; 0 and -inf where it is 0."""

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        check_matrix(inputs[0])
        scalar = TensorType(inputs[0].dtype, inputs[0].shape[:-2])
        return scalar, scalar

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        g = cotangents[1]
        if g is None:
            return (None,)
        (a,) = node.inputs
        return (reshape(g, (*g.shape, 1, 1)) * mt(inverse(a)),)

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        sign, log = np.linalg.slogdet(inputs[0].astype(np.float64))
        return np.asarray(sign).astype(inputs[0].dtype), np.asarray(log).astype(inputs[0].dtype)

    def workspace(self, node: Node) -> Sequence[TensorType]:
        return (node.inputs[0].type,)

    def loops(self, node: Node, kernel: KernelWriter) -> None:
        a, ops = node.inputs[0], kernel.ops
        n = kernel.dim(a.shape[-1])
        one, zero = ops.const(1, a.dtype), ops.const(0, a.dtype)
        with kernel.parallel(a.shape[:-2], work=4096) as at:
            with kernel.loop(0, n) as i, kernel.loop(0, n, vector=True) as j:
                kernel.store(2, (*at, i, j), kernel.load(0, (*at, i, j)))
            swaps = System(kernel, at, n, 2, None).eliminate()
            odd = ops.equal(swaps.get() & ops.const(1, int64), 1)
            sign, log = kernel.register(ops.select(odd, -one, one)), kernel.register(zero)
            with kernel.loop(0, n) as i:
                pivot = kernel.reload(2, (*at, i, i))
                sign.set(
                    sign.get() * ops.select(pivot > 0, one, ops.select(pivot < 0, -one, pivot))
                )
                log.set(log.get() + ops.math("log", ops.absolute(pivot)))
            kernel.store(0, at, sign.get())
            kernel.store(1, at, log.get())

    def cost(self, node: Node) -> Dim:
        return node.inputs[0].size * node.inputs[0].shape[-1]

    def samples(self) -> Sequence[Sample]:
        return tuple(drawn(d, well_conditioned(s, d)) for d in FLOATS for s in ((4, 4), (2, 3, 3)))


_SOLVE, _SLOGDET = Solve("solve"), SlogDet("slogdet")


def solve(a: TensorLike, b: TensorLike) -> Tensor:
    """x with a x = b: a is n by n (leading axes: a batch), b a vector of n or n by k."""
    a, b = promoted("solve", a, b)
    vector = b.ndim == a.ndim - 1
    columns = reshape(b, (*b.shape, 1)) if vector else b
    x = apply(_SOLVE, a, columns).outputs[0]
    return reshape(x, b.shape) if vector else x


def inverse(a: TensorLike) -> Tensor:
    """The matrix inverse, over the last two axes."""
    a = as_tensor(a)
    try:
        check_matrix(a.type)
    except GraphError as error:
        raise located(error, "inverse", [a]) from None
    return apply(_SOLVE, a, broadcast_to(eye(a.shape[-1], dtype=a.dtype), a.shape)).outputs[0]


def slogdet(a: TensorLike) -> tuple[Tensor, Tensor]:
    """(sign, logarithm of the absolute value) of the determinant."""
    sign, log = apply(_SLOGDET, as_tensor(a)).outputs
    return sign, log
