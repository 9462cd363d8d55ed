"""Long lines sorted by their digits: counted at once, then moved digit by digit, the lowest first.

Each move keeps the order of equal digits, so the whole sort is stable. Digits go by pairs, from the
line to its workspace and back; a pair in which all elements agree is left out.
"""

from __future__ import annotations

from typing import Any, Protocol

from graphc.ir.dims import minimum
from graphc.ir.dtypes import DType, int64
from graphc.ir.op import KernelWriter
from graphc.ir.types import TensorType

#: Values of a digit, of which 32-bit keys have four and 64-bit keys eight.
BASE = 256
#: Elements for which counting is worth while.
LONG = 512


class Line(Protocol):
    """What is sorted: elements in the buffers `here`, with room for them `there`."""

    kernel: KernelWriter
    n: Any
    here: tuple[int, ...]
    there: tuple[int, ...]
    counts: int

    def at(self, i: Any) -> tuple[Any, ...]:
        """The index of element i of the line in any buffer."""

    def word(self, moved: Any) -> Any:
        """The int64 that has the order, from what the first buffer holds."""

    def move(self, source: tuple[int, ...], i: Any, target: tuple[int, ...], j: Any) -> None:
        """Copies an element."""


def digits_of(dtype: DType) -> int:
    """The digits of a key."""
    return 4 if dtype.bits <= 32 else 8


def shortest(x: TensorType, axis: int) -> int | None:
    """The length from which on lines are sorted by digits, if there may be such. One of named
    length must have room for the counts in twice its elements.
    """
    n = x.shape[axis]
    if axis != x.ndim - 1 or (isinstance(n, int) and n < LONG):
        return None
    return LONG if isinstance(n, int) else digits_of(x.dtype) * BASE // 2


def count_space(x: TensorType, axis: int) -> tuple[TensorType, ...]:
    """The counts of each line, if any may be long enough."""
    n, counts = x.shape[axis], digits_of(x.dtype) * BASE
    if shortest(x, axis) is None:
        return ()
    room = counts if isinstance(n, int) else minimum(2 * n, counts)
    return (TensorType(int64, (*x.shape[:-1], room)),)


def sort_by_digits(line: Line, digits: int) -> None:
    """Sorts what is `here`; the lowest digit is that many below the highest of the words."""
    k, zero = line.kernel, line.kernel.dim(0)
    with k.loop(zero, k.dim(digits * BASE), vector=True) as c:
        k.store(line.counts, line.at(c), zero)
    with k.loop(zero, line.n) as i:
        word = k.register(line.word(k.reload(line.here[0], line.at(i)))).get()
        for d in range(digits):
            place = line.at(_digit(k, word, d, digits))
            k.store(line.counts, place, k.reload(line.counts, place) + 1)
    first = k.register(line.word(k.reload(line.here[0], line.at(zero)))).get()
    for d in range(0, digits, 2):
        alike = [
            k.register(
                k.ops.equal(k.reload(line.counts, line.at(_digit(k, first, e, digits))), line.n)
            ).get()
            for e in (d, d + 1)
        ]
        with k.when(~(alike[0] & alike[1])):
            _move_by(line, d, digits, line.here, line.there)
            _move_by(line, d + 1, digits, line.there, line.here)


def _digit(k: KernelWriter, word: Any, d: int, digits: int) -> Any:
    """Where the digit d of a word is counted; the sign counts as greater than none."""
    digit = (word >> (64 - 8 * (digits - d))) & (BASE - 1)
    if d == digits - 1:
        digit = digit ^ (BASE // 2)
    return k.register(digit + d * BASE).get()


def _move_by(
    line: Line, d: int, digits: int, source: tuple[int, ...], target: tuple[int, ...]
) -> None:
    """Puts elements where the counts of smaller digits say."""
    k = line.kernel
    before = k.register(k.dim(0))
    with k.loop(k.dim(d * BASE), k.dim((d + 1) * BASE)) as c:
        count = k.reload(line.counts, line.at(c))
        k.store(line.counts, line.at(c), before.get())
        before.set(before.get() + count)
    with k.loop(k.dim(0), line.n) as i:
        place = line.at(_digit(k, line.word(k.reload(source[0], line.at(i))), d, digits))
        to = k.reload(line.counts, place)
        k.store(line.counts, place, to + 1)
        line.move(source, i, target, to)
