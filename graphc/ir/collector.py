"""Python's collector of cycles while many objects are made that stay."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager

RARE = (50_000, 20, 100)
"""Collections of new objects are a twentieth of a compilation at Python's usual 700 objects."""

_usual: list[tuple[int, int, int]] = []


@contextmanager
def rare_collections() -> Iterator[None]:
    """Has the collector look seldom, unless it is off. Afterwards it is as before, whoever else did
    the same meanwhile on other threads; what others have set stands.
    """
    usual = gc.get_threshold()
    if usual[:2] == RARE[:2] or usual[0] == 0:
        yield
        return
    _usual[:] = [usual]
    gc.set_threshold(*RARE)
    try:
        yield
    finally:
        _as_usual(usual)


def _as_usual(usual: tuple[int, int, int]) -> None:
    if gc.get_threshold()[:2] == RARE[:2]:  # some Pythons have no third
        gc.set_threshold(*usual)


def _in_child() -> None:
    """A child has no other thread that would set it back."""
    if _usual:
        _as_usual(_usual[0])


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
