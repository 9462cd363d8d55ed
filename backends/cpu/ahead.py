"""What every process makes once, made by another thread: LLVM's library while the compiler is
imported, the thread pool and the native caller while a program is compiled.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from graphc.backends.forks import making
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


PATIENCE = 0.1
"""Seconds until a program takes so long to write that what is compiled meanwhile keeps nobody."""

_written = threading.Event()


@once
def begin() -> None:
    """Starts to load LLVM, where there is a processor to spare. Whoever needs a thing calls its
    function as ever, which raises what goes wrong here.
    """
    if default_threads() > 1:
        with suppress(RuntimeError):  # the system or an interpreter that ends gives no more threads
            threading.Thread(target=_make).start()


def go_on() -> None:
    """Has the rest made, now that a program is written: two threads that both run Python's code
    wait for each other longer than the compilation of a small program takes.
    """
    _written.set()


def _make() -> None:
    with suppress(RuntimeError, OSError):
        with making:
            # A child could never import what this thread is importing while the process forks.
            from graphc.backends.cpu.native_call import caller_code, native_caller
            from graphc.backends.cpu.pool import pool_code, pool_symbols
            from graphc.backends.llvm.library import load
            from graphc.ir.each import each

            load()
        _written.wait(PATIENCE)
        with making:
            each(_called, (pool_code, caller_code))
            pool_symbols()
            native_caller()


def _called(make: Callable[[], T]) -> T:
    return make()
