"""Memory that was freed, given back to the system."""

from __future__ import annotations

import ctypes
import gc


def trim() -> None:
    """Frees what refers to itself alone, and gives back what the C library's heap keeps of what was
    freed, where that can be asked for.
    """
    gc.collect()
    give_back = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if give_back is not None:
        give_back(ctypes.c_size_t(0))
