"""The first elements of a line in order, by a heap of those found so far, the last one on top.

Blocks without an element that comes before the last one of the heap are passed over at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphc.ir.dtypes import float32
from graphc.ir.op import KernelWriter
from graphc.ir.record import dataclass

#: Elements that are looked at together.
BLOCK = 128
#: The bits of a position in a word.
POSITION = 2**32 - 1


Element = tuple[Any, ...]


@dataclass(frozen=True)
class Heap:
    """Values and positions in outputs 0 and 1 of one line; of equal elements the earlier one comes
    first. `at` gives the index of a position in a line, `before` says whether a value comes
    strictly before another one. While the heap is at work, output 1 has both in a word if there
    is a function `word` of value and position that gives one, whose lower half is the position.
    """

    kernel: KernelWriter
    count: Any
    at: Callable[[Any], tuple[Any, ...]]
    before: Callable[[Any, Any], Any]
    word: Callable[[Any, Any], Any] | None = None

    def fill(self, n: Any) -> None:
        """Leaves the first elements of n in order."""
        kernel, count = self.kernel, self.count
        with kernel.loop(0, count) as i:
            self._put(i, self._given(i))
        with kernel.loop(0, count / 2) as step:
            place = count / 2 - 1 - step
            self._sink(place, self._get(place), count)
        with kernel.loop(0, (n - count + (BLOCK - 1)) / BLOCK) as block:
            begin = count + block * BLOCK
            self._take(begin, kernel.ops.minimum(begin + BLOCK, n))
        with kernel.loop(1, count) as step:
            last = count - step
            held = self._get(last)
            self._put(last, self._get(0))
            self._sink(0, held, last)
        if self.word is not None:
            with kernel.loop(0, count) as i:
                position = kernel.reload(1, self.at(i)) & POSITION
                kernel.store(1, self.at(i), position)
                kernel.store(0, self.at(i), kernel.load(0, self.at(position)))

    def _take(self, begin: Any, end: Any) -> None:
        """Takes in the elements of a block that come before the last one."""
        kernel, ops = self.kernel, self.kernel.ops
        with kernel.when(self.count > 0):
            last = self._top()
            one, zero = ops.const(1, float32), ops.const(0, float32)

            def found(i: Any) -> list[Any]:
                return [ops.select(self.before(kernel.load(0, self.at(i)), last), one, zero)]

            (some,) = kernel.sums(begin, end, found)
            with kernel.when(some > 0), kernel.loop(begin, end) as i:
                new = self._given(i)
                with kernel.when(self._after(self._get(0), new)):
                    self._sink(0, new, self.count)

    def _top(self) -> Any:
        """The value that comes last."""
        kernel = self.kernel
        if self.word is None:
            return kernel.reload(0, self.at(0))
        return kernel.load(0, self.at(kernel.reload(1, self.at(0)) & POSITION))

    def _sink(self, place: Any, held: Element, size: Any) -> None:
        """Puts an element where the heap of that size has a hole, or below."""
        kernel, ops = self.kernel, self.kernel.ops
        hole, child = kernel.register(place), kernel.register(place)

        def goes_on() -> Any:
            left = hole.get() * 2 + 1
            a, b = ops.minimum(left, size - 1), ops.minimum(left + 1, size - 1)
            x, y = self._get(a), self._get(b)
            right = self._after(y, x)
            child.set(ops.select(right, b, a))
            greater = tuple(ops.select(right, v, u) for u, v in zip(x, y, strict=True))
            return (left < size) & self._after(greater, held)

        with kernel.repeat(goes_on):
            self._put(hole.get(), self._get(child.get()))
            hole.set(child.get())
        self._put(hole.get(), held)

    def _given(self, i: Any) -> Element:
        """An element of the line."""
        value = self.kernel.load(0, self.at(i))
        return (value, i) if self.word is None else (self.word(value, i),)

    def _after(self, x: Element, y: Element) -> Any:
        """Whether x comes after y."""
        if self.word is not None:
            return x[0] > y[0]
        return self.before(y[0], x[0]) | ((x[1] > y[1]) & ~self.before(x[0], y[0]))

    def _get(self, place: Any) -> Element:
        parts = (0, 1) if self.word is None else (1,)
        return tuple(self.kernel.reload(part, self.at(place)) for part in parts)

    def _put(self, place: Any, element: Element) -> None:
        for part, x in zip((0, 1) if self.word is None else (1,), element, strict=True):
            self.kernel.store(part, self.at(place), x)
