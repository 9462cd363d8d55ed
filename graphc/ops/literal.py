"""The arrays of constants, which never change."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

LARGE = 4096
"""Bytes from which an array is worth memory that is laid out for it."""


class Literal:
    """The array of a constant, compared by its bytes: 0.0 and -0.0, 1 and True differ. A large one
    begins on a 64-byte boundary.
    """

    __slots__ = ("_array", "_digest", "_hash", "dtype", "shape")

    def __init__(self, array: np.ndarray):
        self.dtype, self.shape = array.dtype, array.shape
        if array.nbytes < LARGE:
            self._array: np.ndarray = np.ndarray(self.shape, self.dtype, array.tobytes())
        else:
            self._array = aligned_copy(array)
            self._array.flags.writeable = False
        self._hash = hash((*self._kind, self.data[:LARGE].tobytes()))
        self._digest: bytes | None = None

    @property
    def array(self) -> np.ndarray:
        """The array itself."""
        return self._array

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
    and `more`, known as `name`. That is done when the array is first asked for.
    """

    __slots__ = ("_make", "more", "name", "source")

    def __init__(
        self,
        name: str,
        source: Literal,
        more: tuple[Any, ...],
        shape: tuple[int, ...],
        make: Callable[..., np.ndarray],
    ):
        self.name, self.source, self.more, self._make = name, source, more, make
        self.dtype, self.shape = source.dtype, shape
        self._hash, self._digest = hash((name, source, more)), None

    @property
    def array(self) -> np.ndarray:
        """The array, made by who asks first: where several do, each has the same values."""
        try:
            return self._array
        except AttributeError:
            array = self._make(self.source.array, *self.more)
        assert (array.shape, array.dtype) == (self.shape, self.dtype), f"{self.name} made another"
        array.flags.writeable = False
        self._array = array
        return array

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Made) or self._hash != other._hash:
            return False
        return (self.name, self.source, self.more) == (other.name, other.source, other.more)


def aligned_copy(value: np.ndarray) -> np.ndarray:
    """A C-contiguous copy that begins on a 64-byte boundary."""
    result = aligned_empty(value.nbytes).view(value.dtype).reshape(value.shape)
    result[...] = value
    return result


def aligned_empty(count: int) -> np.ndarray:
    """`count` bytes of any value that begin on a 64-byte boundary."""
    raw = np.empty(count + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + count]
