"""Convolutions with groups of one channel each, their channels last: taps are added up for a vector
of channels at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import product as combinations
from operator import and_
from typing import Any

import numpy as np

from graphc.ir.dim_values import product
from graphc.ir.dims import Dim
from graphc.ir.dtypes import DType, float32, int64
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import Index, Op, Reader
from graphc.ir.types import Shape, TensorType, is_static
from graphc.ops.convolutions.window_padding import View, padded
from graphc.ops.convolutions.windows import Line, Step
from graphc.ops.copying import copied, copy
from graphc.ops.layout import broadcast, reshape, transpose
from graphc.ops.reduction import sum

#: Taps that are written out one after the other.
MOST_TAPS = 49
#: Steps of an axis whose phases are told apart within one kernel.
MOST_STEPS = 4


class Depthwise(Op):
    """Images x (N, *sizes, C) by kernels w (*taps, C): (N, *extent, C), each channel by its own.

    At position o, tap k of an axis sees the element that `Windows` says for the axis' of `steps`,
    or 0 beyond the edges; what would see between two elements is left out of the sum. 16-bit floats
    are summed in float32; integers wrap.
    """

    lowering = "read"
    #: Of an element, roughly.
    flops = 18

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        x, w = inputs
        assert len(attrs["extent"]) == len(attrs["steps"]) == x.ndim - 2 == w.ndim - 1
        return (TensorType(x.dtype, (x.shape[0], *attrs["extent"], x.shape[-1])),)

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        wide: Any = inputs[0].dtype if inputs[0].dtype.kind in "iu" else np.float64
        x, w = (a.astype(wide) for a in inputs)
        result = np.zeros((x.shape[0], *attrs["extent"], x.shape[-1]), wide)
        for tap in np.ndindex(*w.shape[:-1]):
            seen = x
            meets: list[Any] = [range(len(x))]
            lines = zip(attrs["extent"], attrs["steps"], x.shape[1:-1], strict=True)
            for k, (out, (move, reach, offset, every), size) in enumerate(lines):
                at = np.arange(out) * move + tap[k] * reach + offset
                inside = (at >= 0) & (at // every < size)
                zero = np.zeros_like(seen, shape=(*seen.shape[: k + 1], 1, *seen.shape[k + 2 :]))
                wide = np.concatenate([seen, zero], k + 1)
                seen = wide.take(np.where(inside, at // every, size), k + 1)
                meets.append(np.flatnonzero(at % every == 0))
            with np.errstate(all="ignore"):
                result[np.ix_(*meets)] += seen[np.ix_(*meets)] * w[tap]
        return result.astype(inputs[0].dtype)

    def read(self, node: Node, output: int, index: Index, reader: Reader) -> Any:
        x, w = node.inputs
        own = _sum_type(x.dtype)
        total = reader.ops.const(0, own)
        for tap in combinations(*(range(k) for k in w.shape[:-1] if isinstance(k, int))):
            total = _added(node, index, tap, total, reader)
        return reader.ops.cast(total, x.dtype)

    def cost(self, node: Node) -> Dim:
        w, (y,) = node.inputs[1], node.types
        return 2 * y.size * product(w.shape[:-1])


def _added(node: Node, index: Index, tap: tuple[int, ...], total: Any, reader: Reader) -> Any:
    """The sum with a tap at a position."""
    (x, w), (n, *place, c), a = node.inputs, index, node.attrs
    there: list[Dim] = []
    inside: list[Any] = []
    past: list[Dim] = []
    for size, out, step, o, k in zip(
        x.shape[1:-1], a["extent"], a["steps"], place, tap, strict=True
    ):
        move, reach, offset, every = step
        line = Line(size, out, 1, (move, reach, offset + k * reach, every))
        where, rest, conditions = line.nearest(o, 0, reader)
        there.append(where)
        past.append(rest)
        inside += conditions
    if any(isinstance(d, int) and d for d in past):
        return total

    at = (n, *there, c)
    zero = reader.ops.const(0, x.dtype)
    seen = (
        reader.choose(reduce(and_, inside), lambda: reader.at(x, at), lambda: zero)
        if inside
        else reader.at(x, at)
    )
    weight = reader.at(w, (*tap, c))
    seen, weight = (reader.ops.cast(v, total.dtype) for v in (seen, weight))
    found = total + seen * weight
    if x.dtype.is_float:
        found = reader.multiply_add(seen, weight, total)
    for d in past:
        if d != 0:
            meets = reader.ops.equal(reader.value(d, int64), 0)
            found = reader.ops.select(meets, found, total)
    return found


_DEPTHWISE = Depthwise("depthwise")


def depthwise(x: Tensor, w: Tensor, extent: Shape, steps: Sequence[Step]) -> Tensor:
    """Images x (N, C, *sizes) by kernels w (C, 1, *taps): (N, C, *extent).

    What taps see is windows of x by `steps`; the result lies in memory with its channels last.
    """
    spatial = len(extent)
    lines = copy(transpose(x, (0, *range(2, x.ndim), 1)))
    taps = w.shape[2:]
    kernels = reshape(copied(w, (*range(2, w.ndim), 1, 0)), (*taps, w.shape[0]))
    if is_static(taps) and product(taps) in range(1, MOST_TAPS + 1):
        y = apply(_DEPTHWISE, lines, kernels, extent=tuple(extent), steps=tuple(steps)).outputs[0]
    else:
        y = _summed(lines, kernels, extent, steps)
    return transpose(y, (0, spatial + 1, *range(1, spatial + 1)))


def _summed(x: Tensor, kernels: Tensor, extent: Shape, steps: Sequence[Step]) -> Tensor:
    """The same, by kernels of many taps."""
    spatial = len(extent)
    axes, last = tuple(range(1, spatial + 1)), spatial + 1
    image, view = padded(x, View(axes, extent, kernels.shape[:-1], tuple(steps)))
    seen = view.of(image)
    places = tuple(range(last, seen.ndim))
    each = broadcast(transpose(kernels, (spatial, *range(spatial))), seen.shape, places)
    return sum(seen * each, axis=places[1:], dtype=x.dtype)


def _sum_type(dtype: DType) -> DType:
    """The dtype in which products are added up."""
    return float32 if dtype.is_float and dtype.bits < 32 else dtype
