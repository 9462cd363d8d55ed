"""The op that combines the elements along some axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphc.ir.demand import NOTHING
from graphc.ir.dim_values import product
from graphc.ir.dims import Dim
from graphc.ir.dtypes import DType, as_dtype, bool_, float32, int64
from graphc.ir.errors import ArgumentError, DTypeError, ShapeError
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import Op, Sample
from graphc.ir.types import TensorType

Grad = Callable[[Node, Tensor], Sequence[Tensor | None]]


class Reduction(Op):
    """`combine` names how two elements become one; `identity(dtype)` is its neutral element, and
    the value of no elements where the op or the node's attribute `empty` says that there is one.

    Elements of 16-bit floats are summed and multiplied in float32.
    """

    lowering = "reduce"

    def __init__(
        self,
        name: str,
        *,
        combine: str,
        identity: Callable[[DType], Any],
        reference: Callable[..., Any],
        takes: Sequence[DType],
        grad: Grad | None = None,
        empty: bool = True,
    ):
        super().__init__(name)
        self.combine, self.identity, self._reference = combine, identity, reference
        self.takes, self._grad, self.empty = tuple(takes), grad, empty

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        (x,) = inputs
        if x.dtype not in self.takes:
            raise DTypeError(f"does not take {x.dtype}; it takes {', '.join(map(str, self.takes))}")
        axes = attrs["axes"]
        if not self._takes_none(attrs) and any(x.shape[a] == 0 for a in axes):
            raise ShapeError(f"{self.name} of no elements has no value: {x} along {axes}")
        shape = tuple(d for k, d in enumerate(x.shape) if k not in axes)
        return (TensorType(int64 if self.combine.startswith("arg") else x.dtype, shape),)

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        (g,) = cotangents
        if self._grad is None:
            return (None,) if not node.types[0].dtype.is_float else super().grad(node, g)
        assert g is not None
        return self._grad(node, g)

    def batch(
        self, node: Node, inputs: Sequence[Tensor], axes: Sequence[int | None], size: Dim
    ) -> Sequence[Tensor]:
        shifted = tuple(a + 1 for a in node.attrs["axes"])
        return apply(self, inputs[0], **{**node.attrs, "axes": shifted}).outputs

    def _takes_none(self, attrs: Mapping[str, Any]) -> bool:
        """Whether there is a value of no elements."""
        return self.empty or bool(attrs.get("empty"))

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        (x,), axes = inputs, attrs["axes"]
        if not self.empty and x.size == 0:
            return self._of_nothing(x, axes, attrs)
        wide = x.astype(np.float32) if as_dtype(x.dtype).is_float and x.dtype.itemsize == 2 else x
        with np.errstate(all="ignore"):
            return np.asarray(self._reference(wide, axes)).astype(self._made(x.dtype))

    def _made(self, dtype: Any) -> Any:
        return np.dtype(np.int64) if self.combine.startswith("arg") else dtype

    def _of_nothing(
        self, x: np.ndarray, axes: Sequence[int], attrs: Mapping[str, Any]
    ) -> np.ndarray:
        """No results, as there may be where there are no elements, or those of none."""
        shape = [n for k, n in enumerate(x.shape) if k not in axes]
        dtype = as_dtype(x.dtype)
        if 0 not in shape and not self._takes_none(attrs):
            came = TensorType(dtype, x.shape)
            raise ArgumentError(f"{self.name}: {NOTHING} {_along_axes(came, axes)}")
        return np.full(shape, self.identity(dtype), self._made(x.dtype))

    def counts(self, node: Node) -> Sequence[tuple[Dim, str]]:
        (x,), axes = node.inputs, node.attrs["axes"]
        if self._takes_none(node.attrs):
            return ()
        return ((product(x.shape[a] for a in axes), _along_axes(x.type, axes)),)

    def cost(self, node: Node) -> Dim:
        return node.inputs[0].size

    def samples(self) -> Sequence[Sample]:
        arg = self.combine.startswith("arg")
        axes: Sequence[tuple[int, ...]] = ((1,), (2,))
        if not arg:
            axes = ((0, 2), (1,), (2,), (0,), (0, 1, 2))
        plain = [_sample(d, (3, 4, 5), some) for d in self.takes for some in axes]
        edges = [_sample(self.takes[-1], shape, (1,)) for shape in ((0, 3), (3, 1))]
        if self.empty:
            edges.append(_sample(self.takes[-1], (3, 0), (1,)))
        if float32 in self.takes:
            edges += [Sample(_specials, {"axes": (1,)}, (), "NaN, infinities, signed zeros")]
        return (*plain, *edges)


def _along_axes(x: TensorType, axes: Sequence[int]) -> str:
    plural = "axis" if len(axes) == 1 else "axes"
    return f"along {plural} {', '.join(map(str, axes))} of {x}"


def _sample(dtype: DType, shape: tuple[int, ...], axes: tuple[int, ...]) -> Sample:
    return Sample(lambda rng: (_draw(rng, dtype, shape),), {"axes": axes}, note=str(dtype))


def _draw(rng: Any, dtype: DType, shape: tuple[int, ...]) -> np.ndarray:
    if dtype is bool_:
        return np.asarray(rng.random(shape) < 0.7)
    if dtype.is_integer:
        low = 0 if dtype.kind == "u" else -3
        return np.asarray(rng.integers(low, 4, shape).astype(dtype.numpy))
    return np.asarray(rng.uniform(-2, 2, shape)).astype(dtype.numpy)


def _specials(rng: Any) -> tuple[np.ndarray, ...]:
    nan, inf = np.nan, np.inf
    rows = [[1, nan, 2, nan], [-inf, -inf, -inf, -inf], [inf, 1, inf, 0], [-1, -2, -inf, -3]]
    return (np.asarray(rows, float32.numpy),)
