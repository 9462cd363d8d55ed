"""The record of an elementwise op: one scalar function applied to every element."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import ml_dtypes
import numpy as np

from graphc.ir.dims import Dim
from graphc.ir.dtypes import ALL, FLOATS, DType, bool_, float32
from graphc.ir.errors import DTypeError, ShapeError
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import Index, Op, Reader, Sample
from graphc.ir.types import TensorType
from graphc.ops.convert import TensorLike, common
from graphc.ops.layout import broadcast
from graphc.ops.masking import masked, split_mask

Grad = Callable[[Node, Tensor], Sequence[Tensor | None]]
Sampler = Callable[[Any, DType, tuple[int, ...]], np.ndarray]


class Elementwise(Op):
    """An op whose output element is a scalar function of the input elements at the same index.

    `emit(b, *xs)` writes that function with the scalar builder `b`; for 16-bit floats it runs in
    float32 and the result is rounded. `flops` is its cost. The object is the function that users
    call: operands are promoted and broadcast.
    """

    lowering = "read"

    def __init__(
        self,
        name: str,
        *,
        reference: Callable[..., Any],
        emit: Callable[..., Any],
        grad: Grad | None = None,
        takes: Sequence[DType] = ALL,
        gives: DType | None = None,
        floating: bool | DType = False,
        sample: Sampler | Sequence[Sampler] | None = None,
        flops: int = 1,
        commutative: bool = False,
        doc: str = "",
    ):
        super().__init__(name)
        self._reference, self.emit, self._grad = reference, emit, grad
        self.takes, self.gives, self.floating = tuple(takes), gives, floating
        self._taken = frozenset(self.takes)
        self.sampler = sample
        self.flops = flops
        self.commutative = commutative
        self.__doc__ = doc or type(self).__doc__
        self.__name__ = name

    def __call__(self, *operands: TensorLike) -> Tensor:
        return apply(self, *common(self.name, operands, self.floating)).outputs[0]

    def __getattr__(self, name: str) -> Any:
        """The signature, for those who ask for it: as many operands as the reference takes."""
        if name != "__signature__":
            raise AttributeError(f"{self.name} has no {name!r}")
        return _signature(self._reference)

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        first = inputs[0]
        for x in inputs:
            if x.dtype not in self._taken:
                raise DTypeError(
                    f"does not take {x.dtype}; it takes {', '.join(map(str, self.takes))}"
                )
            if x.dtype is not first.dtype:
                raise DTypeError(f"operands of one dtype needed, not {first.dtype} and {x.dtype}")
            if x.shape != first.shape:
                raise ShapeError(f"operands of one shape needed, not {first} and {x}")
        return (TensorType(self.gives or first.dtype, first.shape),)

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        (g,) = cotangents
        if self._grad is None:
            if node.types[0].dtype.is_float:
                return super().grad(node, *cotangents)
            return (None,) * len(node.inputs)
        assert g is not None
        split = split_mask(g)
        if split is None:
            return self._grad(node, g)
        mask, inner = split
        return [h if h is None else masked(mask, h) for h in self._grad(node, inner)]

    def batch(
        self, node: Node, inputs: Sequence[Tensor], axes: Sequence[int | None], size: Dim
    ) -> Sequence[Tensor]:
        shape = (size, *node.types[0].shape)
        full = [
            x if axis == 0 else broadcast(x, shape, tuple(range(1, len(shape))))
            for x, axis in zip(inputs, axes, strict=True)
        ]
        return apply(self, *full, **node.attrs).outputs

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        wide = [x.astype(np.float32) if x.dtype in _HALVES else x for x in inputs]
        with np.errstate(all="ignore"):
            result = np.asarray(self._reference(*wide, **attrs))
            return result.astype((self.gives or _dtype_of(inputs[0])).numpy)

    def read(self, node: Node, output: int, index: Index, reader: Reader) -> Any:
        b = reader.ops
        values = [
            b.cast(reader.at(x, index), float32 if x.dtype.numpy in _HALVES else x.dtype)
            for x in node.inputs
        ]
        result = self.emit(b, *values, **node.attrs)
        return b.cast(result, node.types[0].dtype)

    def cost(self, node: Node) -> Dim:
        return node.types[0].size * self.flops

    def samples(self) -> Sequence[Sample]:
        """Every dtype it takes, empty and one-sized shapes, and each float's special values."""
        if self.sampler is None:
            return ()
        return (
            *(Sample(partial(self._draw, d, (3, 5)), note=str(d)) for d in self.takes),
            *(Sample(partial(self._draw, self.takes[-1], s), note=str(s)) for s in _SHAPES),
            *(
                Sample(partial(self._specials, d), differentiable=(), note=f"{d} specials")
                for d in self.takes
            ),
        )

    def _samplers(self) -> Sequence[Sampler]:
        assert self.sampler is not None
        return (self.sampler,) if callable(self.sampler) else self.sampler

    def _draw(self, dtype: DType, shape: tuple[int, ...], rng: Any) -> tuple[np.ndarray, ...]:
        return tuple(sampler(rng, dtype, shape) for sampler in self._samplers())

    def _specials(self, dtype: DType, rng: Any) -> tuple[np.ndarray, ...]:
        """Each special value with each other, for as many inputs as there are."""
        values = _special_values(dtype)
        return tuple(np.meshgrid(*(values for _ in self._samplers()), indexing="ij"))


_SHAPES = ((), (1, 1), (0, 5))


def _special_values(dtype: DType) -> np.ndarray:
    """Infinities, both zeros, NaN, and the numbers at the ends of a dtype's range."""
    if dtype is bool_:
        return np.array([False, True])
    if dtype.is_integer:
        least, most = int(np.iinfo(dtype.numpy).min), int(np.iinfo(dtype.numpy).max)
        small = [v for v in (-7, -1, 0, 1, 2, 7, 31, 64) if v >= least]
        return np.array([least, least + 1, *small, most], dtype.numpy)
    limits: Any = ml_dtypes.finfo(dtype.numpy)  # type: ignore[no-untyped-call]
    ends = [limits.max, limits.min, limits.tiny, limits.tiny / 2, limits.eps]
    middle = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0]
    return np.array([*ends, *middle]).astype(dtype.numpy)


_HALVES = {d.numpy for d in FLOATS if d.bits == 16}


def _dtype_of(array: np.ndarray) -> DType:
    from graphc.ir.dtypes import as_dtype

    return as_dtype(array.dtype)


def elementwise(name: str, **fields: Any) -> Elementwise:
    """Registers and returns an elementwise op; see `Elementwise` for the fields."""
    return Elementwise(name, **fields)


def uniform(low: float, high: float, count: int = 1) -> Sequence[Sampler]:
    """Samplers of values in [low, high] for every dtype; bools are coin flips, uints at least 0."""

    def draw(rng: Any, dtype: DType, shape: tuple[int, ...]) -> np.ndarray:
        if dtype is bool_:
            return np.asarray(rng.random(shape) < 0.5)
        if dtype.is_integer:
            least = max(int(np.ceil(low)), int(np.iinfo(dtype.numpy).min))
            return np.asarray(
                rng.integers(least, max(int(high), least) + 1, shape).astype(dtype.numpy)
            )
        return np.asarray(rng.uniform(low, high, shape)).astype(dtype.numpy)

    return (draw,) * count


def _signature(reference: Callable[..., Any]) -> Any:
    import inspect

    kind = inspect.Parameter.POSITIONAL_ONLY
    if isinstance(reference, np.ufunc):
        names = ["x", "y"][: reference.nin]
    else:
        names = list(inspect.signature(reference).parameters)
    parameters = [inspect.Parameter(n, kind, annotation="TensorLike") for n in names]
    return inspect.Signature(parameters, return_annotation="Tensor")
