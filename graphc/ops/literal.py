"""The arrays of constants, which never change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from graphc.ir.each import each
from graphc.ir.record import dataclass
from graphc.ops.pages import in_large_pages

LARGE = 4096
"""Bytes from which an array is worth memory that is laid out for it."""
WORTH_A_THREAD = 1 << 20
"""Bytes that take longer to hash than it takes to tell a thread of them."""
PIECE = 1 << 22
"""Bytes whose copying is worth a thread: the system takes long to find the memory."""


@dataclass(frozen=True, eq=False)
class Laid:
    """An array laid out anew in a way known as `name` with `more` arguments; `undo` takes what it
    became, the shape that it had, and these.
    """

    name: str
    more: tuple[Any, ...]
    array: np.ndarray
    undo: Callable[..., np.ndarray]

    def back(self, shape: tuple[int, ...]) -> np.ndarray:
        """The array as it was."""
        array = self.undo(self.array, shape, *self.more)
        assert (array.shape, array.dtype) == (shape, self.array.dtype), (
            f"{self.name} lies otherwise"
        )
        array.flags.writeable = False
        return array


class Literal:
    """The array of a constant, compared by its bytes: 0.0 and -0.0, 1 and True differ. A large one
    begins on a 64-byte boundary.

    Where a compiled function holds the array laid out anew, that may be all there is of it: whoever
    asks for the array then has it laid back. `reads` is how often somebody has asked for it.
    """

    __slots__ = ("_array", "_digest", "_hash", "_laid", "dtype", "reads", "shape")

    def __init__(self, array: np.ndarray):
        self.dtype, self.shape = array.dtype, array.shape
        self._array: np.ndarray | None
        self._laid: Laid | None = None
        self.reads = 0
        if array.nbytes < LARGE:
            self._array = np.ndarray(self.shape, self.dtype, array.tobytes())
        else:
            self._array = copied(array)
            self._array.flags.writeable = False
        self._hash = hash((*self._kind, self.data[:LARGE].tobytes()))
        self._digest: bytes | None = None

    @property
    def array(self) -> np.ndarray:
        """The array itself."""
        self.note_read()
        array = self._array
        if array is None:
            assert self._laid is not None, "an array that was given up lies elsewhere"
            array = self._array = self._laid.back(self.shape)
        return array

    def note_read(self) -> None:
        """Counts somebody who has seen the values."""
        self.reads += 1

    def laid(self, name: str, more: tuple[Any, ...]) -> np.ndarray | None:
        """The array as it was laid out in this way, if that is known."""
        found = self._laid
        return (
            found.array if found is not None and (found.name, found.more) == (name, more) else None
        )

    def give_up(self, laid: Laid) -> None:
        """Keeps the array only as it is laid out."""
        if self.nbytes >= LARGE:
            laid.array.flags.writeable = False
            self._laid, self._array = laid, None

    @property
    def nbytes(self) -> int:
        """The bytes of the array."""
        return self.dtype.itemsize * prod(self.shape)

    @property
    def data(self) -> np.ndarray:
        """The bytes of the array."""
        return self.array.reshape(-1).view(np.uint8)

    @property
    def digest(self) -> bytes:
        """A name for this value that no other has, the same in every process."""
        self.note_read()
        if self._digest is None:
            import hashlib  # loads OpenSSL, which a graph can do without

            digest = hashlib.sha256(f"{self.dtype.str} {self.shape}".encode())
            digest.update(self.data.data)
            self._digest = digest.digest()
        return self._digest

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if type(other) is not Literal or self._hash != other._hash:
            return False
        return self._kind == other._kind and np.array_equal(self.data, other.data)

    def __lt__(self, other: Literal) -> bool:
        return (*self._kind, self.data.tobytes()) < (*other._kind, other.data.tobytes())

    @property
    def _kind(self) -> tuple[Any, ...]:
        return self.dtype.str, self.shape

    def __repr__(self) -> str:
        size = prod(self.shape)
        return repr(self.array.item()) if size == 1 else f"array of {size}"


class Made(Literal):
    """A literal that is another one laid out anew, compared by how: `make` of the array of `source`
    and `more`, known as `name`; of the same dtype unless another is given. That is done when the
    array is first asked for.
    """

    __slots__ = ("_make", "more", "name", "source")

    def __init__(
        self,
        name: str,
        source: Literal,
        more: tuple[Any, ...],
        shape: tuple[int, ...],
        make: Callable[..., np.ndarray],
        dtype: np.dtype[Any] | None = None,
    ):
        self.name, self.source, self.more, self._make = name, source, more, make
        self.dtype, self.shape = dtype or source.dtype, shape
        self._hash, self._digest = hash((name, source, more)), None
        self._array, self._laid, self.reads = None, None, 0

    @property
    def array(self) -> np.ndarray:
        """The array, made by who asks first: where several do, each has the same values."""
        self.note_read()
        if self._array is not None:
            return self._array
        array = self.source.laid(self.name, self.more)
        if array is None:
            array = self._make(self.source.array, *self.more)
        assert (array.shape, array.dtype) == (self.shape, self.dtype), f"{self.name} made another"
        array.flags.writeable = False
        self._array = array
        return array

    def note_read(self) -> None:
        """Counts somebody who has seen the values, and so those of the source."""
        self.reads += 1
        self.source.note_read()

    def give_up(self, laid: Laid) -> None:
        """Nothing: who no longer needs what was made forgets it."""

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Made) or self._hash != other._hash:
            return False
        return (self.name, self.source, self.more) == (other.name, other.source, other.more)


def digests(values: Sequence[Literal]) -> str:
    """A name for these values together, made by several threads where that takes long."""
    import hashlib

    large = [value for value in values if value.nbytes >= WORTH_A_THREAD]
    if len(large) > 1:
        each(lambda value: value.digest, large)
    return hashlib.sha256(b"".join(value.digest for value in values)).hexdigest()


def aligned_copy(value: np.ndarray) -> np.ndarray:
    """A C-contiguous copy that begins on a 64-byte boundary."""
    result = aligned_empty(value.nbytes).view(value.dtype).reshape(value.shape)
    result[...] = value
    return result


def copied(value: np.ndarray) -> np.ndarray:
    """An `aligned_copy`, made by several threads where that takes long."""
    if value.nbytes < 2 * PIECE or not value.flags.c_contiguous:
        return aligned_copy(value)
    result = aligned_empty(value.nbytes)
    source = value.reshape(-1).view(np.uint8)

    def copy(begin: int) -> None:
        result[begin : begin + PIECE] = source[begin : begin + PIECE]

    each(copy, range(0, value.nbytes, PIECE))
    return result.view(value.dtype).reshape(value.shape)


def aligned_empty(count: int) -> np.ndarray:
    """`count` bytes of any value that begin on a 64-byte boundary; many of them in large pages."""
    found = in_large_pages(count)
    if found is not None:
        return found
    raw = np.empty(count + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + count]
