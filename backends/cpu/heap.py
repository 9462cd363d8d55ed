"""Memory that was freed, given back to the system."""

from __future__ import annotations

import ctypes
import threading
from contextlib import suppress


def trim() -> None:
    """Has another thread give back what the C library's heap keeps of what was freed, where that
    can be asked for: it takes as long as compiling a kernel or two.
    """
    give_back = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if give_back is not None:
        with suppress(RuntimeError):  # the system or an interpreter that ends gives no more threads
            threading.Thread(target=give_back, args=(ctypes.c_size_t(0),)).start()
