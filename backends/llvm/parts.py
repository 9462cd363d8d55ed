"""A big module as several, which are compiled at once and linked to each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable

PART_SIZE = 60_000
"""About how much text makes a part worth a thread: some 40 ms of compilation."""


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
        self.open[name] = text
        self.size += len(text)
        self.declarations.update(dict.fromkeys(declarations))
        if self.size >= PART_SIZE:
            self._close()

    def _close(self) -> None:
        texts = [_exported(text, name) for name, text in self.open.items()]
        self.ready(_module([*texts, *self.declarations]))
        self.closed.update(dict.fromkeys(self.open))
        self.open, self.declarations, self.size = {}, {}, 0

    def last(self, functions: Iterable[str], declarations: Iterable[str]) -> str:
        """A module of what is left and of functions that are no kernels, with what they declare."""
        outside = [f"declare void @{name}(ptr, i64)" for name in self.closed]
        return _module([*self.open.values(), *functions, *outside, *declarations])


def _module(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"


def _exported(text: str, name: str) -> str:
    return text.replace(f"define internal void @{name}(", f"define void @{name}(", 1)
