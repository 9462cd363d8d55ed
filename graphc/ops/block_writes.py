"""A block replaced in an array that may lie where the result lies, and places checked beforehand.

The compiler makes these of updates and of indices, so that variables are written where they lie:
checks come before every write, and a write touches its block alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.dims import Dim
from graphc.ir.dtypes import int64
from graphc.ir.errors import IndexRangeError
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import Index, KernelWriter, Reader, Sample
from graphc.ops.checked import CheckedIndex
from graphc.ops.dynamic_slicing import DynamicUpdate
from graphc.ops.sampling import KINDS, moved


class BlockWrite(DynamicUpdate):
    """x with a block replaced, like a dynamic update; its kernel writes nothing but the block: x is
    in the result's memory by then.
    """

    lowering = "loops"

    def read(self, node: Node, output: int, index: Index, reader: Reader) -> Any:
        raise NotImplementedError(self.name)

    def loops(self, node: Node, kernel: KernelWriter) -> None:
        ops, (x, block) = kernel.ops, (t.shape for t in node.inputs[:2])
        places: dict[int, Any] = {}
        for k, axis in enumerate(node.attrs["axes"]):
            room = kernel.dim(x[axis] - block[axis])
            start = ops.cast(kernel.load(2 + k, ()), int64)
            places[axis] = ops.maximum(ops.minimum(start, room), 0)
        *outer, last = block
        work = last if isinstance(last, int) else 64
        with (
            kernel.parallel(outer, max(1, work)) as lines,
            kernel.loop(0, kernel.dim(last), vector=True) as i,
        ):
            at = (*lines, i)
            there = tuple(j + places[k] if k in places else j for k, j in enumerate(at))
            kernel.store(0, there, kernel.load(1, at))

    def samples(self) -> Sequence[Sample]:
        moved_in = {"axes": (1,), "mode": "clip"}
        corner = {"axes": (0, 1), "mode": "clip"}
        return (
            *moved([(4, 5), (4, 2)], moved_in, KINDS, [np.int64(7)]),
            *moved([(4, 5, 2), (2, 3, 2)], corner, KINDS, [np.int64(-3), np.int32(2)]),
        )


class CheckedPlace(CheckedIndex):
    """Integers as int64, those below 0 counted from the end of `extent`; the call fails when one is
    then not in [0, `room`]. `what` is indexed by the op `of`.
    """

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        x = inputs[0].astype(np.int64)
        place = np.where(x < 0, x + attrs["extent"], x)
        wrong = x[(place < 0) | (place > attrs["room"])]
        if wrong.size:
            raise IndexRangeError(
                f"{attrs['of']}: index {wrong.flat[0]} is out of range for {attrs['what']}"
            )
        return place

    def read(self, node: Node, output: int, index: Index, reader: Reader) -> Any:
        ops, attrs = reader.ops, node.attrs
        x = ops.cast(reader.at(node.inputs[0], index), int64)
        place = ops.select(x < 0, x + reader.value(attrs["extent"], int64), x)
        room = reader.value(attrs["room"], int64)
        reader.check((place >= 0) & (place <= room), attrs["what"], x)
        return ops.maximum(ops.minimum(place, room), 0)

    def samples(self) -> Sequence[Sample]:
        attrs = {"extent": 5, "room": 3, "what": "5 places", "of": "take"}
        return (
            Sample(lambda rng: (rng.integers(-5, -2, (3, 5)),), attrs),
            Sample(lambda rng: (rng.integers(0, 4, ()).astype(np.int32),), attrs),
        )


_BLOCK_WRITE = BlockWrite("block_write")
_CHECKED_PLACE = CheckedPlace("checked_place")


def block_write(x: Tensor, update: Tensor, starts: Sequence[Tensor], axes: Sequence[int]) -> Tensor:
    """x with the block that begins at `starts`, moved to where it fits, replaced by `update`."""
    return apply(_BLOCK_WRITE, x, update, *starts, axes=tuple(axes), mode="clip").outputs[0]


def checked_place(x: Tensor, extent: Dim, room: Dim, what: str, of: str) -> Tensor:
    """x as int64, counted from the end of `extent` where it is below 0; a call raises
    IndexRangeError, as the op `of` does, when a place is not in [0, room].
    """
    return apply(_CHECKED_PLACE, x, extent=extent, room=room, what=what, of=of).outputs[0]
