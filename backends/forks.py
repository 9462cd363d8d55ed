"""No fork comes between: a child has no other thread that would let go of what it holds."""

from __future__ import annotations

import os
import threading

making = threading.RLock()
"""Held while something is made that every process makes once."""
loading = threading.Lock()
"""Held while LLVM is loaded, perhaps by a thread that holds `making`; never the other way round."""


def _hold() -> None:
    making.acquire()
    loading.acquire()


def _let_go() -> None:
    loading.release()
    making.release()


os.register_at_fork(before=_hold, after_in_parent=_let_go, after_in_child=_let_go)
