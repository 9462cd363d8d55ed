"""What the functions share that threads run for parts of a loop: sizes that only a part's body
knows, and the part's share of the work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from graphc.backends.llvm.failing import emit_failure
from graphc.backends.llvm.nested import STATUS_WORDS, LoopWriter
from graphc.backends.llvm.values import Values
from graphc.backends.lower.kernel import Buffer, Nested
from graphc.backends.lower.reader import DimWriter, size_variable


class PartWriter(LoopWriter):
    """Writes one part of a loop; its body knows the sizes `names` beside those in `%sizes`, a table
    of so many `slots`.
    """

    def __init__(
        self,
        values: Values,
        dims: DimWriter,
        nested: Nested,
        prefix: str,
        pointer: Callable[[Buffer], str],
        names: Sequence[str],
        slots: int,
    ):
        super().__init__(values, dims, nested, prefix, pointer)
        self.names, self.slots = names, slots
        self.own = len(nested.programs[0].sizes)
        self.own_slots = range(self.own - len(names), self.own)
        self.sizes = self._own_sizes()

    def _own_sizes(self) -> str:
        """A table of the sizes that the body knows, with a status behind them."""
        v = self.values
        if not self.names:
            return "%sizes"
        known = self.nested.programs[0].sizes
        sizes = v.assign(f"alloca [{self.own + STATUS_WORDS} x i64], align 16")
        for k, name in enumerate(known[: self.own - len(self.names)]):
            self._store(f"i64 {v.names[0][size_variable(name)]}", sizes, k)
        self._store("i64 0", sizes, self.own)
        return sizes

    def hand_on(self) -> None:
        """What failed in the body, if anything did, is told to all."""
        if not self.names:
            return
        v, failing, fine = self.values, self._label("failing"), self._label("fine")
        words = [self._word(self.sizes, self.own + k) for k in range(STATUS_WORDS)]
        code, value = (v.assign(f"load i64, ptr {word}") for word in words)
        v.emit(f"br i1 {v.assign(f'icmp ne i64 {code}, 0')}, label %{failing}, label %{fine}")
        self._start(failing)
        emit_failure(v, v.assign(f"getelementptr i64, ptr %sizes, i64 {self.slots}"), code, value)
        v.emit(f"br label %{fine}")
        self._start(fine)

    def _share(self, k: str, of: str, parts: str) -> str:
        """k * of / parts."""
        return self.values.assign(f"sdiv i64 {self.values.assign(f'mul i64 {k}, {of}')}, {parts}")
