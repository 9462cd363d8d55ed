"""Tiles: windows that touch without overlapping, put together again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.dims import Dim, bounds, divide
from graphc.ir.dtypes import DType, int64, uint32, uint64
from graphc.ir.errors import ShapeError
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import Index, Op, Reader, Sample
from graphc.ir.types import Shape, TensorType
from graphc.ops.sampling import FEW, KINDS, moved


class Untile(Op):
    """The image of which the input is the windows: element i of an axis is tap (i - offset) % taps
    of position (i - offset) // taps, where there is such a position; else 0.

    The input has positions at `axes` and the taps of each as last axes; `out` holds the lengths
    that come in place of the positions, `offsets` where the first window begins.
    """

    lowering = "read"

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        (x,) = inputs
        n = len(attrs["axes"])
        if not all(isinstance(d, int) for d in x.shape[x.ndim - n :]):
            raise ShapeError(f"the taps, last axes of {x}, must be known")
        shape = list(x.shape[: x.ndim - n])
        for axis, d in zip(attrs["axes"], attrs["out"], strict=True):
            shape[axis] = d
        return (TensorType(x.dtype, tuple(shape)),)

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        from graphc.ops.convolutions.windows import windows

        (g,) = cotangents
        assert g is not None
        (x,), a = node.inputs, node.attrs
        taps = x.shape[x.ndim - len(a["axes"]) :]
        steps: Any = tuple((k, 1, start, 1) for k, start in zip(taps, a["offsets"], strict=True))
        return (windows(g, a["axes"], tuple(x.shape[k] for k in a["axes"]), taps, steps),)

    def batch(
        self, node: Node, inputs: Sequence[Tensor], axes: Sequence[int | None], size: Dim
    ) -> Sequence[Tensor]:
        moved_axes = tuple(k + 1 for k in node.attrs["axes"])
        return apply(self, inputs[0], **{**node.attrs, "axes": moved_axes}).outputs

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        (x,), axes, n = inputs, attrs["axes"], len(attrs["axes"])
        rest = x.ndim - n
        for axis, d, start in zip(axes, attrs["out"], attrs["offsets"], strict=True):
            x = np.moveaxis(x, rest, axis + 1)
            length = x.shape[axis] * x.shape[axis + 1]
            x = x.reshape((*x.shape[:axis], length, *x.shape[axis + 2 :]))
            where = np.arange(d) - start
            inside = (where >= 0) & (where < x.shape[axis])
            picked = np.take(x, np.where(inside, where, 0), axis) if x.shape[axis] else None
            shape = [d if j == axis else 1 for j in range(x.ndim)]
            zeros = np.zeros((*x.shape[:axis], d, *x.shape[axis + 1 :]), x.dtype)
            x = zeros if picked is None else np.where(inside.reshape(shape), picked, zeros)
        return x

    def read(self, node: Node, output: int, index: Index, reader: Reader) -> Any:
        (x,), a = node.inputs, node.attrs
        there, taps = list(index), list[Dim]()
        inside: Any = None
        for k, axis in enumerate(a["axes"]):
            count = x.shape[x.ndim - len(a["axes"]) + k]
            at = index[axis] - a["offsets"][k]
            position, tap, found = _split(
                at, count, x.shape[axis], a["out"][k], a["offsets"][k], reader
            )
            there[axis] = position
            taps.append(tap)
            for condition in found:
                inside = condition if inside is None else inside & condition
        if inside is None:
            return reader.at(x, (*there, *taps))
        return reader.choose(
            inside,
            lambda: reader.at(x, (*there, *taps)),
            lambda: reader.ops.const(0, x.dtype),
        )

    def cost(self, node: Node) -> Dim:
        return 0

    def samples(self) -> Sequence[Sample]:
        two = {"axes": (1, 2), "out": (7, 5), "offsets": (0, -1)}
        return (
            *moved([(2, 3, 3, 2, 2)], two, KINDS),
            *moved([(2, 3)], {"axes": (0,), "out": (8,), "offsets": (1,)}, FEW),
            *moved([(0, 2)], {"axes": (0,), "out": (2,), "offsets": (0,)}, FEW),
            *moved([(0, 3, 3, 2, 2)], two, FEW),
        )


def _split(
    at: Dim, taps: Dim, count: Dim, out: Dim, offset: Dim, reader: Reader
) -> tuple[Dim, Dim, list[Any]]:
    """Position and tap of an element, and the conditions under which there is such a window."""
    assert isinstance(taps, int)
    conditions: list[Any] = []
    low, _ = bounds(-offset)
    if low is None or low < 0:
        conditions.append(reader.value(at, int64) >= 0)
    _, most = bounds(out - offset - count * taps)
    if most is None or most > 0:
        conditions.append(reader.value(at - count * taps, int64) < 0)
    whole, rest = divide(at, taps)
    if isinstance(rest, int) and 0 <= rest < taps:
        return whole, rest, conditions
    value = reader.ops.cast(reader.value(at, int64), _narrow(out, offset))
    position = reader.dynamic(value / taps, count)
    return position, reader.dynamic(value - value / taps * taps, taps), conditions


def _narrow(out: Dim, offset: Dim) -> DType:
    """An unsigned dtype wide enough for an element's number: division by it is quick."""
    known = isinstance(out, int) and isinstance(offset, int) and 0 <= out - offset < 2**31
    return uint32 if known else uint64


_UNTILE = Untile("untile")


def untile(x: Tensor, axes: tuple[int, ...], out: Shape, offsets: tuple[Dim, ...]) -> Tensor:
    """The image of lengths `out` along `axes` that has the windows x, which begin at `offsets`."""
    return apply(_UNTILE, x, axes=axes, out=out, offsets=offsets).outputs[0]
