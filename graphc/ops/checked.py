"""Indices that are known to be in range from here on."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from graphc.ir.dims import Dim
from graphc.ir.dtypes import INTEGERS, DType, int64
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
            raise IndexRangeError(f"index {wrong.flat[0]} is out of range for {attrs['what']}")
        return x.astype(np.int64)

    def read(self, node: Node, output: int, index: Index, reader: Reader) -> Any:
        x = reader.ops.cast(reader.at(node.inputs[0], index), int64)
        n = reader.value(node.attrs["extent"], int64)
        reader.check((x >= 0) & (x < n), node.attrs["what"], x)
        return x

    def cost(self, node: Node) -> Dim:
        return 0

    def samples(self) -> Sequence[Sample]:
        return tuple(
            Sample(partial(_draw, d), {"extent": 4, "what": "4 places"}, note=str(d))
            for d in INTEGERS
        )


def _draw(dtype: DType, rng: Any) -> tuple[np.ndarray, ...]:
    return (rng.integers(0, 4, (3, 5)).astype(dtype.numpy),)


_CHECKED = CheckedIndex("checked_index")


def checked_index(x: Tensor, extent: Dim, what: str) -> Tensor:
    """x as int64; a call raises IndexRangeError, naming `what` it indexes, when an element is not
    in [0, extent).
    """
    return apply(_CHECKED, x, extent=extent, what=what).outputs[0]
