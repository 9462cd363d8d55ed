"""Memory for large arrays that stay, in large pages where the system has any: what comes from small
ones arrives at half the rate, as long as looking up where they are takes.
"""

from __future__ import annotations

import mmap
from contextlib import suppress

import numpy as np

#: Bytes of a large page.
PAGE = 1 << 21
#: Bytes of a large page that may stay empty, for each one that is used: one in three.
USED = 3


def whole_pages(count: int) -> int:
    """Bytes of the large pages that `count` bytes are worth: what is left over lies in small ones
    if it would fill too little of another.
    """
    more = -(-count // PAGE) * PAGE
    return more if USED * (more - count) <= count else count // PAGE * PAGE


def in_large_pages(count: int) -> np.ndarray | None:
    """`count` bytes of zeros from the beginning of a large page on; None where they are too few, or
    the system has no such pages, or not the memory.
    """
    advice, large = getattr(mmap, "MADV_HUGEPAGE", None), whole_pages(count)
    if advice is None or not large:
        return None
    size = max(count, large) + PAGE
    try:
        memory = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError:
        return None
    raw = np.frombuffer(memory, np.uint8)
    start = -raw.ctypes.data % PAGE
    with suppress(OSError):  # a system that was built without them
        memory.madvise(advice, start, large)
    return raw[start : start + count]
