"""Arrays beside memory that cannot be read, so that a read beyond them ends the process."""

import ctypes
import mmap
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


def before_nothing(array: Array) -> Array:
    """A copy whose last element is the last before a page that cannot be read."""
    page = mmap.PAGESIZE
    length = -(-array.nbytes // page) * page
    memory = mmap.mmap(-1, length + page)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    libc = ctypes.CDLL(None, use_errno=True)
    protect = libc.mprotect
    protect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    assert protect(address + length, page, 0) == 0, "the page cannot be protected"
    copy = np.frombuffer(memory, array.dtype, array.size, length - array.nbytes)
    copy = copy.reshape(array.shape)
    copy[...] = array
    return copy
