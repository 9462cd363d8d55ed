"""Indices and sizes that are known to be in range from here on."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from graphc.ir.dims import Dim
from graphc.ir.dtypes import INTEGERS, DType, int64, uint64
from graphc.ir.errors import DTypeError, IndexRangeError
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import Index, Op, Reader, Sample
from graphc.ir.types import TensorType


class CheckedIndex(Op):
    """Integers as int64; the call fails when one is not in [0, extent)."""

    lowering = "read"

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        (x,) = inputs
        if x.dtype not in INTEGERS:
            raise DTypeError(f"integers needed to index {attrs['what']}, not {x}")
        return (TensorType(int64, x.shape),)

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        return (None,)

    def batch(
        self, node: Node, inputs: Sequence[Tensor], axes: Sequence[int | None], size: Dim
    ) -> Sequence[Tensor]:
        return apply(self, inputs[0], **node.attrs).outputs

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        (x,) = inputs
        wrong = x[(x < 0) | (x >= attrs["extent"])]
        if wrong.size:
            raise IndexRangeError(
                f"{self.name}: index {wrong.flat[0]} is out of range for {attrs['what']}"
            )
        return x.astype(np.int64)

    def read(self, node: Node, output: int, index: Index, reader: Reader) -> Any:
        x = reader.ops.cast(reader.at(node.inputs[0], index), int64)
        n = reader.value(node.attrs["extent"], int64)
        reader.check((x >= 0) & (x < n), node.attrs["what"], x)
        return x

    def checks(self, node: Node) -> Sequence[Tensor]:
        return node.outputs

    def cost(self, node: Node) -> Dim:
        return 0

    def samples(self) -> Sequence[Sample]:
        return tuple(
            Sample(partial(_draw, d), {"extent": 4, "what": "4 places"}, note=str(d))
            for d in INTEGERS
        )


def _draw(dtype: DType, rng: Any) -> tuple[np.ndarray, ...]:
    return (rng.integers(0, 4, (3, 5)).astype(dtype.numpy),)


class CheckedPlace(CheckedIndex):
    """Integers as int64, those below 0 counted from the end of `extent`; the call fails when one is
    then not in [0, `room`]. `what` is indexed by the op `of`.
    """

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        x = inputs[0].astype(np.int64)
        if inputs[0].dtype == np.uint64:
            x = np.where(x < 0, np.iinfo(np.int64).max, x)
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
        if node.inputs[0].dtype is uint64:
            x = ops.select(x < 0, int(np.iinfo(np.int64).max), x)
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


_CHECKED = CheckedIndex("checked_index")
_CHECKED_PLACE = CheckedPlace("checked_place")


def checked_index(x: Tensor, extent: Dim, what: str) -> Tensor:
    """x as int64; a call raises IndexRangeError, naming `what` it indexes, when an element is not
    in [0, extent).
    """
    return apply(_CHECKED, x, extent=extent, what=what).outputs[0]


def checked_place(
    x: Tensor, extent: Dim, room: Dim, what: str, of: str, axes: Sequence[int] = ()
) -> Tensor:
    """x as int64, counted from the end of `extent` where it is below 0; a call raises
    IndexRangeError, as the op `of` on these axes does, when a place is not in [0, room].
    """
    attrs = {"extent": extent, "room": room, "what": what, "of": of, "axes": tuple(axes)}
    return apply(_CHECKED_PLACE, x, **attrs).outputs[0]
