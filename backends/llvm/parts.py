"""A big module as several, which are compiled at once and linked to each other."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

PART_SIZE = 20_000
"""About how much text makes a part worth a thread: some 15 ms of compilation."""
LARGE = 20_000
"""Text of a kernel that is a part by itself, and is found again by other programs that have it."""
LONG = 8_000
"""Text of entry functions that are a part by themselves: they run once a call, straight on, so that
code is written for them as they stand, which takes an eighth of the time of optimising it.
"""
PLAIN, OPTIMISED = 0, 1
"""Levels of `engine.compile_object`."""


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
        texts = [_exported(text, name) for name, text in kernels.items()]
        self.ready(_module([*texts, *declarations]))
        self.closed.update(dict.fromkeys(kernels))

    def last(
        self, functions: Mapping[str, str], entry: Iterable[str], declarations: Iterable[str]
    ) -> tuple[str, int]:
        """A module of what is left, of functions that are no kernels and of those of the entry,
        with what they declare; and the level to compile it at.
        """
        outside = [f"declare void @{name}(ptr, i64)" for name in self.closed]
        declared = [*outside, *declarations]
        if sum(map(len, entry)) < LONG:
            return _module([*self.open.values(), *functions.values(), *entry, *declared]), OPTIMISED
        rest = {**self.open, **functions}
        if rest:
            texts = [_exported(text, name) for name, text in rest.items()]
            self.ready(_module([*texts, *declared]))
        heads = (_declaration(text, name) for name, text in rest.items())
        return _module([*entry, *heads, *declared]), PLAIN


def _module(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"


def _exported(text: str, name: str) -> str:
    head = _head(text, name)
    return text.replace(head, head.replace("define internal ", "define ", 1), 1)


def _declaration(text: str, name: str) -> str:
    """A declaration of the function `name` that the text defines."""
    types = re.sub(r" %[\w.]+", "", _head(text, name)).replace("internal ", "", 1)
    return types.replace("define ", "declare ", 1)


def _head(text: str, name: str) -> str:
    """The line that defines the function `name`, up to its attributes."""
    found = re.search(rf"^define [^@\n]*@{re.escape(name)}\([^)\n]*\)", text, re.MULTILINE)
    assert found is not None, f"there is no function {name}"
    return found[0]
