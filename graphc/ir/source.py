"""Where in the user's code a node was written."""

from __future__ import annotations

import functools
import os
import sys

from graphc.ir.record import dataclass

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_OURS = tuple(
    os.path.realpath(os.path.join(_PACKAGE, part)) + os.sep for part in (".", "passes", "backends")
)
_known: dict[str, bool] = {}


@dataclass(frozen=True, slots=True)
class Source:
    """A file and a line."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{os.path.basename(self.file)}:{self.line}"


def _is_ours(file: str) -> bool:
    known = _known.get(file)
    if known is None:
        known = file.startswith("<") or file == functools.__file__
        known = _known[file] = known or os.path.realpath(file).startswith(_OURS)
    return known


def user_line() -> Source | None:
    """The innermost frame outside graphc (and cached properties), None when there is none."""
    frame = sys._getframe(1)
    while frame is not None:
        if not _is_ours(frame.f_code.co_filename):
            return Source(frame.f_code.co_filename, frame.f_lineno)
        frame = frame.f_back  # type: ignore[assignment]
    return None
