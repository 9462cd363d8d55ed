"""What every process makes once, begun on another thread while a program is still being optimised:
LLVM's library, the thread pool and the native caller.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from graphc.backends.cpu.threads import default_threads
from graphc.backends.forks import making

T = TypeVar("T")


def once(make: Callable[[], T]) -> Callable[[], T]:
    """`make` without arguments, called by the first who asks; others wait for its result."""
    known: list[T] = []

    @functools.wraps(make)
    def made() -> T:
        if not known:
            with making:
                if not known:
                    known.append(make())
        return known[0]

    return made


@once
def begin() -> None:
    """Starts to make all of it, where there is a processor to spare. Whoever needs a thing calls
    its function as ever, which raises what goes wrong here.
    """
    if default_threads() > 1:
        with suppress(RuntimeError):  # the system or an interpreter that ends gives no more threads
            threading.Thread(target=_make).start()


def _make() -> None:
    with making, suppress(RuntimeError, OSError):
        # A child could never import what this thread is importing while the process forks.
        from graphc.backends.cpu.native_call import native_caller
        from graphc.backends.cpu.pool import pool_symbols
        from graphc.backends.llvm.library import load

        load()
        pool_symbols()
        native_caller()
