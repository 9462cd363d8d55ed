"""A big module as several, which are compiled at once and linked to each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

PART_SIZE = 20_000
"""About how much text makes a part worth a thread: some 15 ms of compilation."""
LARGE = 20_000
"""Text of a kernel that is a part by itself, and is found again by other programs that have it."""


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

    def last(self, functions: Iterable[str], declarations: Iterable[str]) -> str:
        """A module of what is left and of functions that are no kernels, with what they declare."""
        outside = [f"declare void @{name}(ptr, i64)" for name in self.closed]
        return _module([*self.open.values(), *functions, *outside, *declarations])


def _module(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"


def _exported(text: str, name: str) -> str:
    return text.replace(f"define internal void @{name}(", f"define void @{name}(", 1)
