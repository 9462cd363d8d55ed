"""Many arrays laid one after the other, each by a loop of its own.

The compiler makes these of concatenations: to find out of which array an element comes takes
longer, the more there are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from graphc.ir.dims import Dim
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import Index, KernelWriter, Reader, Sample
from graphc.ir.types import Shape, TensorType
from graphc.ops.indexing.slicing import narrow
from graphc.ops.joining import Concat
from graphc.ops.layout import broadcast, reshape
from graphc.ops.sampling import FEW, moved


class Lay(Concat):
    """The inputs one after the other along `axis` of `ndim`, as a kernel of its own; inputs without
    that axis have one element along it.
    """

    lowering = "loops"

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        wide = (TensorType(x.dtype, _whole(x.shape, attrs)) for x in inputs)
        return super().infer(*wide, axis=attrs["axis"])

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        (g,) = cotangents
        assert g is not None
        axis, starts = node.attrs["axis"], _starts(node)
        return tuple(
            reshape(narrow(g, axis, a, b - a), x.shape)
            for x, a, b in zip(node.inputs, starts, starts[1:], strict=False)
        )

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        return np.concatenate([x.reshape(_whole(x.shape, attrs)) for x in inputs], attrs["axis"])

    def batch(
        self, node: Node, inputs: Sequence[Tensor], axes: Sequence[int | None], size: Dim
    ) -> Sequence[Tensor]:
        full = [
            x if axis == 0 else broadcast(x, (size, *x.shape), tuple(range(1, x.ndim + 1)))
            for x, axis in zip(inputs, axes, strict=True)
        ]
        return (lay(full, node.attrs["axis"] + 1, node.attrs["ndim"] + 1),)

    def read(self, node: Node, output: int, index: Index, reader: Reader) -> Any:
        raise NotImplementedError(self.name)

    def loops(self, node: Node, kernel: KernelWriter) -> None:
        axis, starts = node.attrs["axis"], _starts(node)
        shape = node.types[0].shape
        extents: tuple[Dim, ...] = shape[:axis] or (len(node.inputs),)
        rest = [d if isinstance(d, int) else 64 for d in shape[axis:]]
        share = 1 if axis else len(node.inputs)
        with kernel.parallel(extents, max(1, int(np.prod(rest)) // share)) as lines:

            def write(k: int) -> None:
                _copy(node, kernel, k, kernel.dim(starts[k]), lines if axis else ())

            if axis:
                for k in range(len(node.inputs)):
                    write(k)
            else:
                _one_of(kernel, lines[0], 0, len(node.inputs), write)

    def samples(self) -> Sequence[Sample]:
        return (
            *moved([(2, 3), (2, 1), (2,), (2, 4)], {"axis": 1, "ndim": 2}),
            *moved([(2, 3), (0, 3), (3,), (2, 3)], {"axis": 0, "ndim": 2}, FEW),
            *moved([(2, 20, 3), (2, 3), (2, 5, 3)], {"axis": 1, "ndim": 3}, FEW),
            *moved([(), (), (3,)], {"axis": 0, "ndim": 1}, FEW),
        )


def _whole(shape: Shape, attrs: Mapping[str, Any]) -> Shape:
    """The shape of an input with the axis that it may lack."""
    axis, ndim = attrs["axis"], attrs["ndim"]
    return shape if len(shape) == ndim else (*shape[:axis], 1, *shape[axis:])


def _starts(node: Node) -> list[Dim]:
    """Where each input begins, and where the last one ends."""
    starts: list[Dim] = [0]
    for x in node.inputs:
        starts.append(starts[-1] + _whole(x.shape, node.attrs)[node.attrs["axis"]])
    return starts


def _one_of(
    kernel: KernelWriter, chosen: Any, low: int, high: int, write: Callable[[int], None]
) -> None:
    """Writes the part with the number `chosen`, which is from `low` to below `high`."""
    if high - low == 1:
        write(low)
        return
    middle = (low + high) // 2
    with kernel.when(chosen < middle):
        _one_of(kernel, chosen, low, middle, write)
    with kernel.when(chosen >= middle):
        _one_of(kernel, chosen, middle, high, write)


def _copy(node: Node, kernel: KernelWriter, k: int, start: Any, outer: tuple[Any, ...]) -> None:
    """Copies what an input has at `outer`."""
    x, axis = node.inputs[k], node.attrs["axis"]
    inner = _whole(x.shape, node.attrs)[axis:]
    with ExitStack() as loops:
        at = []
        for j, d in enumerate(inner):
            if d == 1:
                at.append(kernel.dim(0))
                continue
            loop = kernel.loop(0, kernel.dim(d), vector=j == len(inner) - 1)
            at.append(loops.enter_context(loop))
        there = (*outer, start + at[0], *at[1:])
        here = at if x.ndim == node.types[0].ndim else at[1:]
        kernel.store(0, there, kernel.load(k, (*outer, *here)))


_LAY = Lay("lay")


def lay(parts: Sequence[Tensor], axis: int, ndim: int) -> Tensor:
    """The parts one after the other along an axis of `ndim`, which those with an axis less lack."""
    return apply(_LAY, *parts, axis=axis, ndim=ndim).outputs[0]
