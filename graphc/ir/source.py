"""Where in the user's code a node was written."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import field
from types import FrameType

from graphc.ir.record import dataclass

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_OURS = tuple(
    os.path.realpath(os.path.join(_PACKAGE, part)) + os.sep for part in (".", "passes", "backends")
)
_ARRAYS = (os.path.join(_PACKAGE, "ops") + os.sep, os.path.join(_PACKAGE, "control.py"))
_known: dict[str, bool] = {}
#: What lies between users and the ops that they call: no names for errors.
_BETWEEN = ("wrapper", "located", "apply")


@dataclass(frozen=True, slots=True)
class Source:
    """A file and a line, and how errors speak of what was called there: by the name of that
    function of graphc's, and by the `axes` that it was given, if the op has other ones.
    """

    file: str
    line: int
    function: str | None = field(default=None, compare=False)
    axes: tuple[int, ...] | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return f"{os.path.basename(self.file)}:{self.line}"


def _is_ours(file: str) -> bool:
    known = _known.get(file)
    if known is None:
        known = file.startswith("<") or file in (functools.__file__, contextlib.__file__)
        known = _known[file] = known or os.path.realpath(file).startswith(_OURS)
    return known


class _Settled(threading.local):
    """The line of all nodes that a thread makes at present, in a tuple; empty if each has one."""

    line: tuple[Source | None, ...] = ()


_settled = _Settled()


@contextlib.contextmanager
def on_one_line() -> Iterator[None]:
    """Whatever this thread makes inside is written where the user is now."""
    before = _settled.line
    _settled.line = (user_line(),)
    try:
        yield
    finally:
        _settled.line = before


def user_line() -> Source | None:
    """The innermost frame outside graphc (and cached properties), None when there is none."""
    if _settled.line:
        return _settled.line[0]
    frame: FrameType | None = sys._getframe(1)
    called: list[FrameType] = []
    while frame is not None:
        if not _is_ours(frame.f_code.co_filename):
            return Source(frame.f_code.co_filename, frame.f_lineno, _name_of(called))
        called.append(frame)
        frame = frame.f_back
    return None


def array_function() -> str | None:
    """The function of arrays that is at work, by the name that its caller knows; None for an op
    called as such and for operators, whose name is the op's.
    """
    frame: FrameType | None = sys._getframe(2)
    name = None
    while frame is not None:
        called = frame.f_code.co_name
        if called not in _BETWEEN:
            if not frame.f_code.co_filename.startswith(_ARRAYS):
                break
            name = called
        frame = frame.f_back
    return None if name is None or name.startswith("_") else name


def _name_of(called: list[FrameType]) -> str | None:
    """The outermost of these functions by the name that users know; for layers within a layer, the
    innermost. None for operators, whose name is the op's.
    """
    names = [frame.f_code.co_name for frame in called]
    outer = [name for name in names if name not in _BETWEEN]
    name = outer[-1] if outer else None
    if name == "__call__":
        layer = called[names.index("__call__")].f_locals.get("self")
        return None if hasattr(layer, "lowering") else type(layer).__name__
    if name == "__getitem__":
        return "getitem"
    return None if name is None or name == "compile" or name.startswith(("_", "<")) else name
