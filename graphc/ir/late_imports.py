"""A fork waits for modules that other threads are importing.

Much is imported when it is first needed, by any thread. A child that is forked meanwhile has the
import's lock but not the thread that would let go of it, and could never import that module: no
Python program can fork safely while it imports.
"""

from __future__ import annotations

import os
import threading
import time
from importlib import _bootstrap

#: Seconds that a fork waits at most, and between two looks.
PATIENCE, PAUSE = 10.0, 0.001
#: What is imported late, with all that is in these packages.
PACKAGES = ("graphc", "llvmlite", "numba")


def wait_for_imports() -> None:
    """Returns when no other thread is importing such a module, or patience is over."""
    end = time.monotonic() + PATIENCE
    while _is_importing() and time.monotonic() < end:
        time.sleep(PAUSE)


def _is_importing() -> bool:
    here = threading.get_ident()
    known = list(getattr(_bootstrap, "_module_locks", {}).items())
    locks = (lock() for name, lock in known if name.split(".")[0] in PACKAGES)
    return any(getattr(lock, "owner", None) not in (None, here) for lock in locks)


def wait_at_forks() -> None:
    """Has forks of this process wait, where there are any."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=wait_for_imports)
