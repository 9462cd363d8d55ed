"""Products summed over shared axes: dot_general, and NumPy's products on top of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.dim_values import product
from graphc.ir.dims import Dim
from graphc.ir.dtypes import NUMBERS, DType, bool_, int64
from graphc.ir.errors import DTypeError, ShapeError
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import Op, Sample
from graphc.ir.plain import plain
from graphc.ir.types import Shape, TensorType
from graphc.ops.convert import TensorLike, as_operand, as_tensor, cast, common_dtype
from graphc.ops.layout import broadcast, broadcast_shapes, normal_axis, reshape, transpose
from graphc.ops.located import locate_errors
from graphc.ops.sampling import draw
from graphc.ops.unequal import advice

Axes = tuple[int, ...]
AxisPair = tuple[Axes, Axes]


def _count(n: int, start: int = 0) -> Axes:
    return tuple(range(start, start + n))


def free_axes(ndim: int, *used: Axes) -> Axes:
    """The axes of an operand that are neither batch nor contracted."""
    return tuple(k for k in range(ndim) if not any(k in axes for axes in used))


class DotGeneral(Op):
    """Sum over pairs of axes `contract` of a*b, for every index of the pairs of axes `batch`.

    The result has the batch axes, then the free axes of a, then those of b. 16-bit floats are
    summed in float32; integers wrap.
    """

    lowering = "contraction"

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        a, b = inputs
        if a.dtype is not b.dtype or a.dtype not in NUMBERS:
            raise DTypeError(f"two operands of one numeric dtype needed, not {a} and {b}")
        for kind in ("batch", "contract"):
            for i, j in zip(*attrs[kind], strict=True):
                if a.shape[i] != b.shape[j]:
                    raise ShapeError(
                        f"axis {i} of a ({a.shape[i]}) and axis {j} of b ({b.shape[j]}) differ"
                    )
        (ba, bb), (ca, cb) = attrs["batch"], attrs["contract"]
        shape = [a.shape[k] for k in (*ba, *free_axes(a.ndim, ba, ca))]
        return (TensorType(a.dtype, (*shape, *(b.shape[k] for k in free_axes(b.ndim, bb, cb)))),)

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        (g,) = cotangents
        assert g is not None
        a, b = node.inputs
        (ba, bb), (ca, cb) = node.attrs["batch"], node.attrs["contract"]
        fa, fb = free_axes(a.ndim, ba, ca), free_axes(b.ndim, bb, cb)
        n, m = len(ba), len(fa)
        batch, ga, gb = _count(n), _count(m, n), _count(len(fb), n + m)
        da = dot_general(g, b, (batch, bb), (gb, fb))
        db = dot_general(a, g, (ba, batch), (fa, ga))
        # da: batch, fa, then b's contracted axes in ascending order; db: batch, a's, then fb.
        order_a = (*ba, *fa, *(ca[cb.index(k)] for k in sorted(cb)))
        order_b = (*bb, *(cb[ca.index(k)] for k in sorted(ca)), *fb)
        return _placed(da, order_a), _placed(db, order_b)

    def batch(
        self, node: Node, inputs: Sequence[Tensor], axes: Sequence[int | None], size: Dim
    ) -> Sequence[Tensor]:
        a, b = inputs
        shift_a, shift_b = (int(axis is not None) for axis in axes)
        (ba, bb), (ca, cb) = node.attrs["batch"], node.attrs["contract"]
        ba, ca = (tuple(k + shift_a for k in group) for group in (ba, ca))
        bb, cb = (tuple(k + shift_b for k in group) for group in (bb, cb))
        if shift_a and shift_b:
            return (dot_general(a, b, ((0, *ba), (0, *bb)), (ca, cb)),)
        result = dot_general(a, b, (ba, bb), (ca, cb))
        place = len(ba) if shift_a else len(ba) + len(free_axes(a.ndim, ba, ca))
        rest = free_axes(result.ndim, (place,))
        return (transpose(result, (place, *rest)),)

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        a, b = inputs
        (ba, bb), (ca, cb) = attrs["batch"], attrs["contract"]
        fa, fb = free_axes(a.ndim, ba, ca), free_axes(b.ndim, bb, cb)
        sizes = [[x.shape[k] for k in axes] for x, axes in ((a, ba), (a, fa), (b, fb), (a, ca))]
        n, m, p, k = (int(np.prod(s, dtype=int)) for s in sizes)
        left = a.transpose((*ba, *fa, *ca)).reshape(n, m, k)
        right = b.transpose((*bb, *cb, *fb)).reshape(n, k, p)
        wide = _exact(a.dtype)
        with np.errstate(all="ignore"):
            result = np.matmul(left.astype(wide), right.astype(wide))
            return result.reshape([*sizes[0], *sizes[1], *sizes[2]]).astype(a.dtype)

    def cost(self, node: Node) -> Dim:
        a, contracted = node.inputs[0], node.attrs["contract"][0]
        return 2 * node.types[0].size * product(a.shape[k] for k in contracted)

    def samples(self) -> Sequence[Sample]:
        cases: tuple[tuple[tuple[int, ...], tuple[int, ...], AxisPair, AxisPair], ...] = (
            ((3, 4), (4, 5), ((), ()), ((1,), (0,))),
            ((2, 3, 4), (4, 5, 2), ((0,), (2,)), ((2,), (0,))),
            ((4, 3, 2), (2, 4), ((), ()), ((0, 2), (1, 0))),
            ((2, 3), (3, 2), ((0, 1), (1, 0)), ((), ())),
            ((5,), (5,), ((), ()), ((0,), (0,))),
            ((0, 4), (4, 1), ((), ()), ((1,), (0,))),
            ((3, 0), (0, 2), ((), ()), ((1,), (0,))),
        )
        return tuple(
            _sample(d, *case) for d in NUMBERS for case in (cases if d.is_float else cases[:2])
        )


def _sample(dtype: DType, a: Axes, b: Axes, batch: AxisPair, contract: AxisPair) -> Sample:
    attrs = {"batch": batch, "contract": contract}
    return Sample(lambda rng: (draw(rng, dtype, a), draw(rng, dtype, b)), attrs, note=str(dtype))


def _exact(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype in which products of this dtype are summed for the reference."""
    wider = {2: np.float32, 4: np.float64}
    return dtype if dtype.kind in "iu" else np.dtype(wider.get(dtype.itemsize, dtype))


def _placed(x: Tensor, order: Axes) -> Tensor:
    """x, whose axis k is axis order[k] of the result."""
    return transpose(x, tuple(order.index(k) for k in range(x.ndim)))


_DOT = DotGeneral("dot_general")


def dot_general(a: Tensor, b: Tensor, batch: AxisPair, contract: AxisPair) -> Tensor:
    """The sum of products over the axis pairs `contract`, one for each index of the axis pairs
    `batch`.

    The result has the batch axes, the free axes of a, the free axes of b, in this order. Without
    axes to contract it is a multiplication.
    """
    if contract[0]:
        return apply(_DOT, a, b, batch=batch, contract=contract).outputs[0]
    fa, fb = free_axes(a.ndim, batch[0]), free_axes(b.ndim, batch[1])
    n, m = len(batch[0]), len(fa)
    left, right = transpose(a, (*batch[0], *fa)), transpose(b, (*batch[1], *fb))
    shape: Shape = (*left.shape, *right.shape[n:])
    spread = broadcast(right, shape, (*_count(n), *_count(len(fb), n + m)))
    return broadcast(left, shape, _count(n + m)) * spread


def _operands(name: str, a: TensorLike, b: TensorLike) -> tuple[Tensor, Tensor]:
    """Both operands with NumPy's result type; shapes as they are."""
    dtype = common_dtype(name, (a, b))
    return as_operand(a, dtype), as_operand(b, dtype)


@locate_errors
def matmul(a: TensorLike, b: TensorLike) -> Tensor:
    """NumPy's a @ b: vectors, matrices, and stacks of matrices whose leading axes broadcast.

    A leading axis that only one operand has costs nothing: it joins that operand's rows or columns.
    Bools give bools.
    """
    x, y = _operands("matmul", a, b)
    if x.dtype is bool_:
        return cast(matmul(cast(x, int64), cast(y, int64)), bool_)
    if x.ndim == 0 or y.ndim == 0:
        raise ShapeError("a scalar operand is not allowed; use *")
    inner = (x.shape[-1], y.shape[-2 if y.ndim > 1 else 0])
    if inner[0] != inner[1]:
        raise _inner_mismatch(*inner)
    if x.ndim <= 2 and y.ndim <= 2:
        return dot_general(x, y, ((), ()), ((x.ndim - 1,), (0,)))
    return _stacked(x, y)


def _inner_mismatch(left: Dim, right: Dim) -> ShapeError:
    text = f"the last axis of a ({left}) must match the rows of b ({right})"
    return ShapeError(text + advice(left, right))


def _stacked(x: Tensor, y: Tensor) -> Tensor:
    """The product of stacks: axes of both become batch axes, axes of one stay free."""
    stack = broadcast_shapes(x.shape[:-2], y.shape[:-2])
    x, left = _own_axes(x, stack)
    y, right = _own_axes(y, stack)
    shared = tuple(k for k in left if k in right)
    batch = tuple(tuple(own.index(k) for k in shared) for own in (left, right))
    rows, columns = x.ndim > len(left) + 1, y.ndim > len(right) + 1
    result = dot_general(x, y, (batch[0], batch[1]), ((x.ndim - 1,), (len(right),)))
    # Labels of the result's axes: stack positions, then -2 for rows and -1 for columns.
    labels = [*shared, *(k for k in left if k not in shared)] + [-2] * rows
    labels += [k for k in right if k not in shared] + [-1] * columns
    present = [k for k in range(len(stack)) if k in labels] + [-2] * rows + [-1] * columns
    ordered = transpose(result, tuple(labels.index(k) for k in present))
    return reshape(ordered, (*stack, *ordered.shape[ordered.ndim - rows - columns :]))


def _own_axes(x: Tensor, stack: Shape) -> tuple[Tensor, list[int]]:
    """x without leading axes of length 1 that broadcast, and the positions in `stack` of those it
    keeps.
    """
    offset = len(stack) - max(x.ndim - 2, 0)
    kept = [k for k in range(max(x.ndim - 2, 0)) if x.shape[k] != 1]
    matrix = x.shape[max(x.ndim - 2, 0) :]
    return reshape(x, (*(x.shape[k] for k in kept), *matrix)), [k + offset for k in kept]


@locate_errors
def dot(a: TensorLike, b: TensorLike) -> Tensor:
    """NumPy's dot: the last axis of a with the second to last of b; a product with a scalar
    multiplies.
    """
    x, y = _operands("dot", a, b)
    if x.ndim == 0 or y.ndim == 0:
        return x * y
    return tensordot(x, y, ((x.ndim - 1,), (max(y.ndim - 2, 0),)))


@locate_errors
def vdot(a: TensorLike, b: TensorLike) -> Tensor:
    """The sum of products of all elements of two tensors of equally many."""
    x, y = _operands("vdot", a, b)
    return tensordot(reshape(x, -1), reshape(y, -1), 1)


@locate_errors
def vecdot(a: TensorLike, b: TensorLike, axis: int = -1) -> Tensor:
    """The sum of products along one axis, the others broadcast."""
    from graphc.ops.reduction import sum

    x, y = _operands("vecdot", a, b)
    return sum(x * y, axis=axis, dtype=x.dtype)


@locate_errors
def inner(a: TensorLike, b: TensorLike) -> Tensor:
    """The sum of products over the last axes."""
    x, y = _operands("inner", a, b)
    if x.ndim == 0 or y.ndim == 0:
        return x * y
    return tensordot(x, y, ((x.ndim - 1,), (y.ndim - 1,)))


@locate_errors
def outer(a: TensorLike, b: TensorLike) -> Tensor:
    """The matrix of products of every element of a with every element of b."""
    x, y = _operands("outer", a, b)
    return dot_general(reshape(x, -1), reshape(y, -1), ((), ()), ((), ()))


@locate_errors
def tensordot(a: TensorLike, b: TensorLike, axes: Any = 2) -> Tensor:
    """The sum of products over `axes`: a count (last axes of a, first of b) or a pair of axis
    lists.
    """
    x, y = _operands("tensordot", a, b)
    pairs = _axis_lists(axes, x, y)
    for i, j in zip(*pairs, strict=True):
        if x.shape[i] != y.shape[j]:
            problem = f"axis {i} of a ({x.shape[i]}) and axis {j} of b ({y.shape[j]}) differ"
            raise ShapeError(problem)
    if x.dtype is bool_:
        return cast(dot_general(cast(x, int64), cast(y, int64), ((), ()), pairs), bool_)
    return dot_general(x, y, ((), ()), pairs)


def _axis_lists(axes: Any, x: Tensor, y: Tensor) -> AxisPair:
    axes = plain(axes)
    if isinstance(axes, int):
        if not 0 <= axes <= min(x.ndim, y.ndim):
            problem = f"cannot contract {axes} axes of {x.ndim} and {y.ndim} dimensions"
            raise ShapeError(problem)
        return _count(axes, x.ndim - axes), _count(axes)
    left, right = ((a,) if isinstance(a, int) else tuple(a) for a in axes)
    if len(left) != len(right):
        problem = f"{len(left)} axes of a against {len(right)} of b"
        raise ShapeError(problem)
    return (
        tuple(normal_axis(k, x.ndim) for k in left),
        tuple(normal_axis(k, y.ndim) for k in right),
    )


@locate_errors
def kron(a: TensorLike, b: TensorLike) -> Tensor:
    """The Kronecker product: every element of a times all of b, laid out as blocks."""
    x, y = (as_tensor(v) for v in _operands("kron", a, b))
    ndim = max(x.ndim, y.ndim)
    left = (1,) * (ndim - x.ndim) + x.shape
    right = (1,) * (ndim - y.ndim) + y.shape
    blocks = reshape(x, tuple(d for n in left for d in (n, 1)))
    tiles = reshape(y, tuple(d for n in right for d in (1, n)))
    return reshape(blocks * tiles, tuple(n * m for n, m in zip(left, right, strict=True)))
