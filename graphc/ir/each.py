"""A function of many values by several threads, also while the interpreter ends."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from graphc.ir.threads import default_threads

S = TypeVar("S")
T = TypeVar("T")


def each(function: Callable[[S], T], values: Sequence[S]) -> list[T]:
    """The results for all values. The calling thread takes part, does all where there is no other
    one to be had, and does again what failed elsewhere, so that it raises the error.
    """
    found: dict[int, T] = {}
    left = deque(range(len(values)))

    def work() -> None:
        with suppress(IndexError, OSError):  # nothing is left, or a file cannot be read
            while True:
                k = left.popleft()
                found[k] = function(values[k])

    helpers = []
    with suppress(RuntimeError):  # the system or an interpreter that ends gives no more threads
        for _ in range(min(default_threads(), len(values)) - 1):
            helper = threading.Thread(target=work)
            helper.start()
            helpers.append(helper)
    work()
    for helper in helpers:
        helper.join()
    return [found[k] if k in found else function(value) for k, value in enumerate(values)]
