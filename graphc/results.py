"""Arrays of the caller's that results are written to: the argument `out` of a compiled function."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from graphc.arguments import Array, Signature
from graphc.ir.cached import Cached
from graphc.ir.dim_values import evaluate
from graphc.ir.dtypes import as_dtype
from graphc.ir.errors import ArgumentError, DTypeError
from graphc.ir.node import Tensor
from graphc.ir.record import dataclass
from graphc.ir.structure import leaves
from graphc.ir.types import TensorType
from graphc.quick import Quick

NAME = "out"


@dataclass(frozen=True, eq=False)
class Binding:
    """What a compiled function is called with: its arguments, and where its `outputs`, a structure
    of tensors, shall go.
    """

    signature: Signature
    outputs: Any

    def __call__(
        self, args: Sequence[Any], kwargs: Mapping[str, Any] | None = None
    ) -> tuple[Array, ...]:
        """The arguments as conforming arrays, then the arrays of `out`, if it was given; raises
        ArgumentError. An argument that shares memory with these is copied.
        """
        # Where sizes may make lengths negative, native code asks once more, for the error.
        quick = None if self.signature.lengths else self.quick(args, kwargs)
        if quick is not None:
            return quick
        arrays, given = self.split(args, kwargs)
        return (*arrays, *given)

    @Cached
    def quick(self) -> Quick:
        """What takes arguments that are nearly in order."""
        return Quick(self.signature.names, self.signature.inputs, self.outputs, NAME)

    def split(
        self, args: Sequence[Any], kwargs: Mapping[str, Any] | None
    ) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        """The two apart."""
        if not kwargs or NAME not in kwargs or NAME in self.signature.names:
            return self.signature.bind(args, kwargs), ()
        others = {name: value for name, value in kwargs.items() if name != NAME}
        arrays = self.signature.bind(args, others)
        if kwargs[NAME] is None:
            return arrays, ()
        given = tuple(self._given(kwargs[NAME], self.signature.sizes(arrays)))
        arrays = tuple(
            x.copy() if any(np.may_share_memory(x, y) for y in given) else x for x in arrays
        )
        return arrays, given

    def _given(self, out: Any, sizes: Mapping[str, int]) -> Iterator[Array]:
        """The arrays of `out`, in the order of the outputs."""
        results = leaves(self.outputs)
        if not results:
            raise ArgumentError(f"{self.signature.function} has no outputs for {NAME!r}")
        seen: list[tuple[str, Array]] = []
        for x, (place, array) in zip(results, _placed(self.outputs, out, NAME), strict=True):
            self._check(place, array, x, tuple(evaluate(d, sizes) for d in x.shape))
            for other, earlier in seen:
                if np.may_share_memory(array, earlier):
                    raise ArgumentError(f"{place} and {other} share memory")
            seen.append((place, array))
            # Equal dtypes may be several objects, such as those of int64 and of C's long long.
            yield array if array.dtype is x.dtype.numpy else array.view(x.dtype.numpy)

    def _check(self, place: str, array: Any, x: Tensor, shape: tuple[int, ...]) -> None:
        wanted = TensorType(x.dtype, shape)
        if type(array) is not np.ndarray:
            hint = f"\n  hint: np.asarray({place}) is one" if isinstance(array, np.ndarray) else ""
            raise ArgumentError(f"{place} is no plain NumPy array: {type(array).__name__}{hint}")
        if array.dtype != x.dtype.numpy or array.shape != shape:
            raise ArgumentError(f"{place} is {_type_of(array)}, the result is {wanted}")
        flags = array.flags
        if not (flags.c_contiguous and flags.aligned and flags.writeable):
            why = "cannot be written" if not flags.writeable else "does not lie in C order"
            why = why if flags.aligned else "is not aligned"
            raise ArgumentError(
                f"{place} {why}\n  hint: np.empty({shape}, {x.dtype.name!r}) gives one that fits"
            )


def _type_of(array: Array) -> str:
    """How the type of an array is written: as that of a tensor, where one could have it."""
    try:
        return str(TensorType(as_dtype(array.dtype), array.shape))
    except DTypeError:
        return f"{array.dtype}[{', '.join(map(str, array.shape))}]"


def _placed(outputs: Any, out: Any, place: str) -> Iterator[tuple[str, Any]]:
    """The arrays of a structure like that of the outputs, each with what it is called."""
    if isinstance(outputs, Tensor):
        yield place, out
        return
    if outputs is None:
        return
    if isinstance(outputs, dict):
        if not isinstance(out, dict) or out.keys() != outputs.keys():
            keys = ", ".join(map(repr, outputs))
            raise ArgumentError(f"{place} must be a dict with the keys {keys}")
        for key, item in outputs.items():
            yield from _placed(item, out[key], f"{place}[{key!r}]")
        return
    if not isinstance(out, (tuple, list)) or len(out) != len(outputs):
        kind = "list" if isinstance(outputs, list) else "tuple"
        raise ArgumentError(f"{place} must be a {kind} of {len(outputs)}, like the outputs")
    for k, (item, value) in enumerate(zip(outputs, out, strict=True)):
        yield from _placed(item, value, f"{place}[{k}]")
