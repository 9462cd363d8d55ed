"""A big module as several, which are compiled at once and linked to each other."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

PART_SIZE = 20_000
"""About how much text makes a part worth a thread: some 15 ms of compilation."""
LARGE = 20_000
"""Text of a kernel that is a part by itself, and is found again by other programs that have it."""
LONG = 8_000
"""Text of entry functions that are a part by themselves."""
AS_WRITTEN = "noinline optnone"
"""Has code written for a function as it stands, which takes an eighth of the time of optimising it:
for those of the entry, which run once a call, straight on, and for what takes a kernel's arguments
out of its frame.
"""
PLAIN, OPTIMISED = 0, 1
"""Levels of `engine.compile_object`."""


_HEAD = re.compile(r"^define [^@\n]*@([\w.]+)\([^)\n]*\)", re.MULTILINE)


class Parts:
    """Hands out modules of kernels as soon as they are large enough; `last` is the rest, which may
    use the kernels of the others.
    """

    def __init__(self, ready: Callable[[str], None]):
        self.ready = ready
        self.open: dict[str, str] = {}
        self.declarations: dict[str, None] = {}
        self.closed: dict[str, None] = {}
        self.size = 0

    def add(self, name: str, text: str, declarations: Iterable[str]) -> None:
        """A kernel; one that is known already is left out."""
        if name in self.closed or name in self.open:
            return
        if len(text) >= LARGE:
            self._close({name: text}, dict.fromkeys(declarations))
            return
        self.open[name] = text
        self.size += len(text)
        self.declarations.update(dict.fromkeys(declarations))
        if self.size >= PART_SIZE:
            self._close(self.open, self.declarations)
            self.open, self.declarations, self.size = {}, {}, 0

    def _close(self, kernels: Mapping[str, str], declarations: Iterable[str]) -> None:
        texts = [_exported(_as_written(text, name), name) for name, text in kernels.items()]
        self.ready(_module([*texts, *declarations]))
        self.closed.update(dict.fromkeys(kernels))

    def last(
        self, functions: Mapping[str, str], entry: Mapping[str, str], declarations: Iterable[str]
    ) -> tuple[str, int]:
        """A module of what is left, of functions that are no kernels and of those of the entry,
        with what they declare; and the level to compile it at.
        """
        outside = [f"declare void @{name}(ptr, i64)" for name in self.closed]
        declared = [*outside, *declarations]
        kernels = {name: _as_written(text, name) for name, text in self.open.items()}
        rest = {**kernels, **functions}
        straight = all(" = phi " not in text for text in entry.values())
        if sum(map(len, entry.values())) < LONG and (rest or not straight):
            if straight:
                entry = {name: _as_written(text, name) for name, text in entry.items()}
            return _module([*rest.values(), *entry.values(), *declared]), OPTIMISED
        if rest:
            texts = [_exported(text, name) for name, text in rest.items()]
            self.ready(_module([*texts, *declared]))
        heads = (_declaration(text, name) for name, text in rest.items())
        return _module([*entry.values(), *heads, *declared]), PLAIN


def _module(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"


def _exported(text: str, name: str) -> str:
    head = _head(text, name)
    return text.replace(head, head.replace("define internal ", "define ", 1), 1)


def _as_written(text: str, name: str) -> str:
    head = _head(text, name)
    return text.replace(head, f"{head} {AS_WRITTEN}", 1)


def _declaration(text: str, name: str) -> str:
    """A declaration of the function `name` that the text defines."""
    types = re.sub(r" %[\w.]+", "", _head(text, name)).replace("internal ", "", 1)
    return types.replace("define ", "declare ", 1)


def _head(text: str, name: str) -> str:
    """The line that defines the function `name`, up to its attributes."""
    for found in _HEAD.finditer(text):
        if found[1] == name:
            return found[0]
    raise AssertionError(f"there is no function {name}")
