"""No fork comes between: a child has no other thread that would let go of what it holds.

Forks are told of it when the package is imported: one that waits for other imports must not let go
of what it has not held, because this module is among them.
"""

from __future__ import annotations

import functools
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


@functools.cache
def hold_at_forks() -> None:
    """Has forks of this process hold both, where there are any: once, as a lock has one holder."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_hold, after_in_parent=_let_go, after_in_child=_let_go)
