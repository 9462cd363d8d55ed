"""What stands between the brackets of x[...], read as NumPy reads it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np

from graphc.ir.dims import Dim, DimExpr
from graphc.ir.dtypes import bool_
from graphc.ir.errors import DTypeError, GraphError, IndexRangeError, ShapeError
from graphc.ir.node import Tensor
from graphc.ir.record import dataclass
from graphc.ir.types import Shape
from graphc.ops.convert import broadcast_all
from graphc.ops.extent import extent
from graphc.ops.indexing.modes import as_indices
from graphc.ops.indexing.slicing import position, slice_range
from graphc.ops.source import constant_value


@dataclass(frozen=True)
class Entry:
    """One entry of a key. "slice", "int" and "array" stand for axis `axis` of x; a "gap" is an
    Ellipsis.
    """

    kind: Literal["slice", "int", "array", "new", "gap"]
    axis: int = -1
    start: Dim = 0
    size: Dim = 1
    step: int = 1
    checked: bool = False
    array: Tensor | None = None


@dataclass(frozen=True)
class Key:
    """A key for an x of `shape`: a slice of every axis, then a gather along those with an array."""

    shape: Shape
    entries: tuple[Entry, ...]
    arrays: tuple[Tensor, ...]

    def of(self, *kinds: str) -> tuple[Entry, ...]:
        """The entries of these kinds, in order."""
        return tuple(e for e in self.entries if e.kind in kinds)

    @property
    def ranges(self) -> dict[str, Any]:
        """The attributes of the slice, which keeps an integer's axis with length 1."""
        axes = self.of("slice", "int", "array")
        return {
            "starts": tuple(e.start for e in axes),
            "sizes": tuple(e.size for e in axes),
            "steps": tuple(e.step for e in axes),
            "checked": tuple(e.axis for e in axes if e.checked),
        }

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes that have an array."""
        return tuple(e.axis for e in self.of("array"))

    @property
    def gathered(self) -> Shape:
        """The shape that the arrays have."""
        return self.arrays[0].shape if self.arrays else ()

    @property
    def kept(self) -> Shape:
        """The sizes of the slices."""
        return tuple(e.size for e in self.of("slice"))

    @property
    def place(self) -> int:
        """The entry where the arrays' axes come: the first of neighbouring arrays and integers, or
        0.
        """
        found = [k for k, e in enumerate(self.entries) if e.kind in ("array", "int")]
        return found[0] if found and found[-1] - found[0] + 1 == len(found) else 0

    @property
    def front(self) -> int:
        """How many of the slices come before the arrays' axes."""
        return sum(e.kind == "slice" for e in self.entries[: self.place])

    @property
    def result(self) -> Shape:
        """The shape of x[key]."""
        sizes: list[Dim] = []
        for k, e in enumerate(self.entries):
            if k == self.place:
                sizes += self.gathered
            if e.kind in ("slice", "new"):
                sizes.append(e.size)
        return tuple(sizes)


def read_key(shape: Shape, key: Any, write: bool = False) -> Key:
    """The key, checked against a shape as far as can be.

    An integer that may lie outside becomes a checked slice or, to `write` with, an array. Raises
    IndexRangeError, ShapeError or DTypeError.
    """
    parts = [p for part in (key if isinstance(key, tuple) else (key,)) for p in _unmasked(part)]
    used = sum(_takes_axis(p) for p in parts)
    if used > len(shape):
        raise IndexRangeError(f"{used} indices for {len(shape)} axes")
    gaps = sum(p is Ellipsis for p in parts)
    if gaps > 1:
        raise ShapeError("an index can hold one Ellipsis")
    parts = parts if gaps else [*parts, Ellipsis]
    entries: list[Entry] = []
    axis = 0
    for part in parts:
        if part is Ellipsis:
            entries.append(Entry("gap"))
            for _ in range(len(shape) - used):
                entries.append(Entry("slice", axis, 0, shape[axis]))
                axis += 1
        elif part is None:
            entries.append(Entry("new"))
        else:
            entries.append(_entry(part, shape[axis], axis, write))
            axis += 1
    arrays = tuple(e.array for e in entries if e.array is not None)
    return Key(shape, tuple(entries), broadcast_all("index", arrays) if arrays else ())


def _takes_axis(part: Any) -> bool:
    return part is not None and part is not Ellipsis


@dataclass(frozen=True)
class _MaskAxis:
    """The positions along one axis of a mask's true elements, and the length of that axis."""

    positions: np.ndarray[Any, Any]
    length: int


def _unmasked(part: Any) -> Iterator[Any]:
    """A part of a key as parts that stand for one axis each, or none; lists become arrays, masks
    positions.
    """
    if isinstance(part, (bool, np.bool_)):
        raise ShapeError(
            f"{part} is no index\n  hint: None adds an axis; an array of bools is a mask"
        )
    if isinstance(part, (list, tuple)) and not _holds_tensor(part):
        part = np.asarray(part)
    if isinstance(part, Tensor) and part.dtype is bool_:
        mask = constant_value(part)
        if mask is None:
            raise ShapeError(
                "a mask that is not a constant gives a result whose shape is not known\n"
                "  hint: gc.where(mask, x, other) keeps the shape"
            )
        part = mask
    if isinstance(part, np.ndarray) and part.dtype == bool:
        if part.ndim == 0:
            raise ShapeError("a mask needs at least one axis")
        for positions, length in zip(np.nonzero(part), part.shape, strict=True):
            yield _MaskAxis(positions, length)
    else:
        yield part


def _holds_tensor(part: Any) -> bool:
    return isinstance(part, Tensor) or (
        isinstance(part, (list, tuple)) and any(_holds_tensor(p) for p in part)
    )


def _entry(part: Any, n: Dim, axis: int, write: bool) -> Entry:
    if isinstance(part, slice):
        start, size, step = slice_range(part, n)
        return Entry("slice", axis, start, size, step)
    if isinstance(part, _MaskAxis):
        if part.length != n:
            raise IndexRangeError(f"a mask of length {part.length} for axis {axis} of length {n}")
        return Entry("array", axis, 0, n, array=as_indices(part.positions))
    if isinstance(part, DimExpr) or _is_integer(part):
        start, checked = position(part, n, axis)
        if not (checked and write):
            return Entry("int", axis, start, 1, 1, checked)
        # Unsigned, a negative position is outside too and does not count from the end again.
        return Entry("array", axis, 0, n, array=extent(start, "uint64"))
    return Entry("array", axis, 0, n, array=_integers(part))


def _is_integer(part: Any) -> bool:
    """Whether a part is one integer, known now."""
    if _holds_tensor(part):
        return False
    array = np.asarray(part)
    return array.ndim == 0 and array.dtype.kind in "iu"


def _integers(part: Any) -> Tensor:
    from graphc.ops.joining import stack

    try:
        array = (
            stack(part)
            if _holds_tensor(part) and not isinstance(part, Tensor)
            else as_indices(part)
        )
    except GraphError as error:
        raise DTypeError(f"{part!r} is no index") from error
    if not array.dtype.is_integer:
        raise DTypeError(f"indices are integers, slices, None or Ellipsis, not {array.type}")
    return array
