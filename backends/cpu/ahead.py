"""What every process makes once, made by another thread while the compiler is imported and a graph
is optimised: LLVM's library, then the thread pool and the native caller.

One thread does it all: of two that run Python's code each waits for the other's turns, and this one
is done before there is a program to compile.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from graphc.ir.forks import making
from graphc.ir.threads import default_threads

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
    """Starts that thread, where there is a processor to spare. Whoever needs a thing calls its
    function as ever, which raises what goes wrong here.
    """
    if default_threads() > 1:
        with suppress(RuntimeError):  # the system or an interpreter that ends gives no more threads
            threading.Thread(target=_make).start()


def _make() -> None:
    with suppress(RuntimeError, OSError):
        with making:
            # A child could never import what this thread is importing while the process forks.
            from graphc.backends.cpu.native_call import caller_code, native_caller
            from graphc.backends.cpu.pool import pool_code, pool_symbols
            from graphc.backends.llvm.library import load

            load()
        with making:
            pool_code()
            caller_code()
            pool_symbols()
            native_caller()
