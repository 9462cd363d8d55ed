"""Broadcast, reshape, transpose: the same elements under other indices."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from graphc.ir.dim_values import product
from graphc.ir.dims import Dim, floordiv, mod
from graphc.ir.errors import DTypeError, ShapeError
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import Index, Op, Reader, Sample
from graphc.ir.plain import plain
from graphc.ir.types import Shape, TensorType
from graphc.ops.axis_groups import reshaped_index
from graphc.ops.located import locate_errors
from graphc.ops.sampling import FEW, moved
from graphc.ops.source import as_shape
from graphc.ops.unequal import advice

if TYPE_CHECKING:
    from graphc.ops.convert import TensorLike


def text(shape: Shape) -> str:
    """A shape as errors show it: (3, n)."""
    return f"({', '.join(map(str, shape))})"


def normal_axis(axis: int, ndim: int) -> int:
    """A non-negative axis; raises ShapeError outside [-ndim, ndim), DTypeError for no integer."""
    try:
        axis = operator.index(axis)
    except TypeError:
        raise DTypeError(f"an axis is an integer, not {axis!r}") from None
    if not -ndim <= axis < ndim:
        raise ShapeError(f"axis {axis} is out of range for {ndim} dimensions")
    return axis % ndim


def normal_axes(axes: int | Sequence[int] | None, ndim: int) -> tuple[int, ...]:
    """Sorted distinct non-negative axes; None means all."""
    if axes is None:
        return tuple(range(ndim))
    given = tuple(axes) if isinstance(axes, (tuple, list)) else (axes,)
    result = tuple(sorted(normal_axis(a, ndim) for a in given))
    if len(set(result)) != len(result):
        raise ShapeError(f"an axis is repeated in {given}")
    return result


def _tensor(x: TensorLike) -> Tensor:
    if isinstance(x, Tensor):
        return x
    from graphc.ops.convert import as_tensor

    return as_tensor(x)


class Broadcast(Op):
    """Axis k of the input becomes axis `axes[k]` of `shape`; elements repeat along the others."""

    lowering = "read"

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        (x,) = inputs
        shape, axes = attrs["shape"], attrs["axes"]
        assert len(axes) == x.ndim and list(axes) == sorted(set(axes)), "axes must increase"
        for k, axis in enumerate(axes):
            if x.shape[k] != shape[axis]:
                raise ShapeError(
                    f"axis {k} of length {x.shape[k]} cannot become axis {axis}"
                    f" of length {shape[axis]}"
                )
        return (TensorType(x.dtype, shape),)

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        from graphc.ops.masking import carried
        from graphc.ops.reduction import sum

        (g,) = cotangents
        assert g is not None
        axes = tuple(a for a in range(g.ndim) if a not in node.attrs["axes"])

        def before(mask: Tensor) -> Tensor | None:
            """The mask, where it repeats along the same axes."""
            is_same = mask.node.op is node.op and mask.node.attrs["axes"] == node.attrs["axes"]
            return mask.node.inputs[0] if is_same else None

        return (carried(g, lambda x: sum(x, axis=axes), before),)

    def batch(
        self, node: Node, inputs: Sequence[Tensor], axes: Sequence[int | None], size: Dim
    ) -> Sequence[Tensor]:
        shape, positions = node.attrs["shape"], node.attrs["axes"]
        return (broadcast(inputs[0], (size, *shape), (0, *(a + 1 for a in positions))),)

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        shape, axes = attrs["shape"], attrs["axes"]
        spread = [1] * len(shape)
        for k, axis in enumerate(axes):
            spread[axis] = inputs[0].shape[k]
        return np.broadcast_to(inputs[0].reshape(spread), shape)

    def read(self, node: Node, output: int, index: Index, reader: Reader) -> Any:
        return reader.at(node.inputs[0], tuple(index[a] for a in node.attrs["axes"]))

    def cost(self, node: Node) -> Dim:
        return 0

    def samples(self) -> Sequence[Sample]:
        return (
            *moved([(3, 5)], {"shape": (3, 4, 5), "axes": (0, 2)}),
            *moved([()], {"shape": (2, 3), "axes": ()}, FEW),
            *moved([(0,)], {"shape": (2, 0), "axes": (1,)}, FEW),
        )


_BROADCAST = Broadcast("broadcast")


def broadcast(x: Tensor, shape: Shape, axes: tuple[int, ...]) -> Tensor:
    """x with axis k at position axes[k] of `shape`, repeated along the other axes."""
    if x.type.shape == shape:
        return x
    return apply(_BROADCAST, x, shape=shape, axes=axes).outputs[0]


def broadcast_shapes(*shapes: Shape) -> Shape:
    """The common shape by NumPy's rules; a symbolic size only broadcasts against itself and 1."""
    ndim = max((len(s) for s in shapes), default=0)
    result: list[Dim] = []
    for axis in range(ndim):
        found: Dim = 1
        for s in shapes:
            k = axis - ndim + len(s)
            d = s[k] if k >= 0 else 1
            if d == 1 or d == found:
                continue
            if found != 1:
                text = f"cannot broadcast axis {axis}: {found} against {d}"
                raise ShapeError(text + advice(found, d))
            found = d
        result.append(found)
    return tuple(result)


@locate_errors
def broadcast_to(x: TensorLike, shape: Any) -> Tensor:
    """x repeated along new leading axes and axes of length 1, to `shape`."""
    x = _tensor(x)
    shape = as_shape(shape)
    if x.type.shape == shape:
        return x
    if broadcast_shapes(x.shape, shape) != shape:
        raise ShapeError(f"cannot broadcast {text(x.shape)} to {text(shape)}")
    offset = len(shape) - x.ndim
    kept = tuple(k for k in range(x.ndim) if x.shape[k] == shape[k + offset])
    narrow = reshape(x, tuple(x.shape[k] for k in kept))
    return broadcast(narrow, shape, tuple(k + offset for k in kept))


class Reshape(Op):
    """The same elements in row-major order under another shape."""

    lowering = "read"

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        (x,) = inputs
        shape = attrs["shape"]
        if product(shape) != x.size:
            raise ShapeError(
                f"cannot reshape {x.size} elements into {text(shape)}, which has {product(shape)}"
            )
        return (TensorType(x.dtype, shape),)

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        from graphc.ops.masking import carried

        (g,) = cotangents
        assert g is not None
        return (carried(g, lambda x: reshape(x, node.inputs[0].shape)),)

    def batch(
        self, node: Node, inputs: Sequence[Tensor], axes: Sequence[int | None], size: Dim
    ) -> Sequence[Tensor]:
        return (reshape(inputs[0], (size, *node.attrs["shape"])),)

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        return inputs[0].reshape(attrs["shape"])

    def read(self, node: Node, output: int, index: Index, reader: Reader) -> Any:
        x = node.inputs[0]
        return reader.at(x, reshaped_index(index, node.types[0].shape, x.shape))

    def cost(self, node: Node) -> Dim:
        return 0

    def samples(self) -> Sequence[Sample]:
        return (
            *moved([(3, 4)], {"shape": (2, 6)}),
            *moved([(3, 1, 4)], {"shape": (1, 3, 4, 1)}, FEW),
            *moved([(2, 0)], {"shape": (0, 5)}, FEW),
            *moved([(1, 1)], {"shape": ()}, FEW),
        )


_RESHAPE = Reshape("reshape")


@locate_errors
def reshape(x: TensorLike, shape: Any) -> Tensor:
    """x with another shape of as many elements; one dimension may be -1 and is worked out."""
    x = _tensor(x)
    items = list(shape) if isinstance(shape, (tuple, list)) else [shape]
    unknown = [k for k, d in enumerate(items) if isinstance(d, int) and d == -1]
    if len(unknown) > 1:
        raise ShapeError(f"only one dimension can be -1, not {len(unknown)}")
    if unknown:
        rest = product(as_shape([d for k, d in enumerate(items) if k not in unknown]))
        if rest == 0 or mod(x.size, rest) != 0:
            known = "" if isinstance(x.size, int) and isinstance(rest, int) else "known to be "
            raise ShapeError(
                f"cannot work out -1: {x.size} elements are not {known}divisible by {rest}"
            )
        items[unknown[0]] = floordiv(x.size, rest)
    new = as_shape(items)
    return x if new == x.type.shape else apply(_RESHAPE, x, shape=new).outputs[0]


@locate_errors
def expand_dims(x: TensorLike, axis: int | Sequence[int]) -> Tensor:
    """x with new axes of length 1 at these positions of the result."""
    x = _tensor(x)
    axis = plain(axis)
    count = 1 if isinstance(axis, int) else len(axis)
    axes = normal_axes(axis, x.ndim + count)
    rest = iter(x.shape)
    return reshape(x, tuple(1 if k in axes else next(rest) for k in range(x.ndim + count)))


@locate_errors
def squeeze(x: TensorLike, axis: int | Sequence[int] | None = None) -> Tensor:
    """x without these axes of length 1 (None: all such axes)."""
    x = _tensor(x)
    axes = (
        tuple(k for k, d in enumerate(x.shape) if d == 1)
        if axis is None
        else normal_axes(axis, x.ndim)
    )
    for k in axes:
        if x.shape[k] != 1:
            raise ShapeError(f"axis {k} has length {x.shape[k]}, not 1")
    return reshape(x, tuple(d for k, d in enumerate(x.shape) if k not in axes))


class Transpose(Op):
    """Axis `axes[k]` of the input becomes axis k."""

    lowering = "read"

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        (x,) = inputs
        return (TensorType(x.dtype, tuple(x.shape[a] for a in attrs["axes"])),)

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        from graphc.ops.masking import carried

        (g,) = cotangents
        assert g is not None
        back = tuple(map(node.attrs["axes"].index, range(g.ndim)))
        return (carried(g, lambda x: transpose(x, back)),)

    def batch(
        self, node: Node, inputs: Sequence[Tensor], axes: Sequence[int | None], size: Dim
    ) -> Sequence[Tensor]:
        return (transpose(inputs[0], (0, *(a + 1 for a in node.attrs["axes"]))),)

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        return np.transpose(inputs[0], attrs["axes"])

    def read(self, node: Node, output: int, index: Index, reader: Reader) -> Any:
        axes = node.attrs["axes"]
        return reader.at(node.inputs[0], tuple(index[axes.index(k)] for k in range(len(axes))))

    def cost(self, node: Node) -> Dim:
        return 0

    def samples(self) -> Sequence[Sample]:
        return (
            *moved([(2, 3, 4)], {"axes": (2, 0, 1)}),
            *moved([(3, 0)], {"axes": (1, 0)}, FEW),
        )


_TRANSPOSE = Transpose("transpose")


@locate_errors
def transpose(x: TensorLike, axes: Sequence[int] | None = None) -> Tensor:
    """x with its axes in this order (None: reversed)."""
    x = _tensor(x)
    order = (
        tuple(range(x.ndim))[::-1] if axes is None else tuple(normal_axis(a, x.ndim) for a in axes)
    )
    if sorted(order) != list(range(x.ndim)):
        raise ShapeError(f"{order} is not an order of {x.ndim} axes")
    return x if order == tuple(range(x.ndim)) else apply(_TRANSPOSE, x, axes=order).outputs[0]
