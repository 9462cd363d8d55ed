"""Compiled graphs in the cache: found by what is computed, and by the values of those constants on
which the code depends.

Most large constants are operands of which any others would do. Those that the passes looked into,
to fold them say, are part of the name under which the code is kept; which ones these are is kept
under the name of the graph. A name with more of them than needed, or with fewer than another graph
of that name needs, is a miss at worst.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from graphc.backends.cpu import cache
from graphc.backends.llvm.target import Target
from graphc.ops.literal import Literal, digests


class Reads:
    """Which of some literals are read from now on."""

    def __init__(self, literals: Sequence[Literal]):
        self.literals = literals
        self._before = [value.reads for value in literals]

    def found(self) -> set[int]:
        """The numbers of those that were read."""
        pairs = enumerate(zip(self.literals, self._before, strict=True))
        return {k for k, (value, before) in pairs if value.reads != before}


class Known:
    """What the cache has of a graph with this `name`; `reads` are those of its large constants."""

    def __init__(self, name: str, target: Target, reads: Reads):
        self.name, self.target, self.literals = name, target, reads.literals
        self._list = cache.key(name, target, "constants looked into") if self.literals else ""
        self._read: set[int] | None = None if self.literals else set()

    def get(self) -> memoryview | None:
        """The compiled graph, or None."""
        listed = cache.get(self._list) if self.literals else None
        if listed is not None:
            self._read = set(json.loads(bytes(listed)))
        return None if self._read is None else cache.get(self._key(self._read))

    def note(self, reads: Reads) -> None:
        """Tells what was read when all is decided: who reads a constant later does so to have it at
        hand.
        """
        read = reads.found()
        if self._read is None or not read <= self._read:
            self._read = read | (self._read or set())
            cache.put(self._list, json.dumps(sorted(self._read)).encode())

    def put(self, data: memoryview) -> None:
        """Keeps the compiled graph."""
        assert self._read is not None, "what was read has been noted"
        cache.put(self._key(self._read), data)

    def _key(self, read: set[int]) -> str:
        places = sorted(read)
        values = (json.dumps(places), digests([self.literals[k] for k in places])) if read else ()
        return cache.key(self.name, self.target, *values)
