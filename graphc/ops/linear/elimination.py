"""Elimination with row exchanges, some columns at a time, and what is left to do after it.

A panel of columns is eliminated column by column; whatever lies to its right, and the right-hand
sides, then take what the panel's rows have to give from several rows at once, in registers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.ir.op import KernelWriter
from graphc.ir.record import dataclass

PANEL = 32  # columns that are eliminated before any to their right
ROWS = 8  # rows that are reduced together


@dataclass(frozen=True)
class System:
    """A matrix of n rows in workspace `space`, at an index of the batch; rows of output `also[0]`
    (with also[1] columns) go along.
    """

    kernel: KernelWriter
    at: tuple[Any, ...]
    n: Any
    space: int
    also: tuple[int, Any] | None

    def entry(self, i: Any, j: Any) -> Any:
        """An element of the matrix."""
        return self.kernel.reload(self.space, (*self.at, i, j))

    def eliminate(self) -> Any:
        """Turns the matrix into an upper triangle in place, with the factors of its rows below.

        Returns a register that counts row exchanges. A column without a pivot is left as it is.
        """
        kernel, n = self.kernel, self.n
        swaps = kernel.register(0)
        with kernel.loop(0, (n + (PANEL - 1)) / PANEL) as panel:
            first = panel * PANEL
            last = kernel.ops.minimum(first + PANEL, n)
            with kernel.loop(first, last) as k:
                self._eliminate_column(k, last, swaps)
            self._reduce(self.space, (last, n), first, last)
            if self.also is not None:
                self._reduce(self.also[0], (0, self.also[1]), first, last)
        return swaps

    def substitute(self) -> None:
        """Solves for the rows that went along, panel by panel from the last one upwards."""
        kernel, n = self.kernel, self.n
        assert self.also is not None
        which, columns = self.also[0], (0, self.also[1])
        with kernel.loop(0, (n + (PANEL - 1)) / PANEL) as panel:
            last = n - panel * PANEL
            first = kernel.ops.maximum(last - PANEL, 0)
            alone = first - first / ROWS * ROWS
            with kernel.loop(0, last - first) as step:
                i = last - step - 1
                self._take(which, columns, (i + 1, last), [i], divided=True)
            with kernel.loop(0, alone) as i:
                self._take(which, columns, (first, last), [i])
            with kernel.loop(0, first / ROWS) as block:
                top = alone + block * ROWS
                self._take(which, columns, (first, last), [top + r for r in range(ROWS)])

    def _eliminate_column(self, k: Any, last: Any, swaps: Any) -> None:
        """Column k, with the largest pivot, from those up to `last`."""
        kernel, ops = self.kernel, self.kernel.ops
        best = kernel.register(ops.absolute(self.entry(k, k)))
        row = kernel.register(k)
        with kernel.loop(k + 1, self.n) as i:
            size = ops.absolute(self.entry(i, k))
            better = size > best.get()
            row.set(ops.select(better, i, row.get()))
            best.set(ops.select(better, size, best.get()))
        pivot_row = row.get()
        with kernel.when(ops.not_equal(pivot_row, k)):
            swaps.set(swaps.get() + 1)
            self._exchange(self.space, k, pivot_row, self.n)
            if self.also is not None:
                self._exchange(self.also[0], k, pivot_row, self.also[1])
        with kernel.when(ops.not_equal(best.get(), 0)):
            pivot = kernel.register(self.entry(k, k))
            with kernel.loop(k + 1, self.n) as i:
                factor = kernel.register(self.entry(i, k) / pivot.get())
                kernel.store(self.space, (*self.at, i, k), factor.get())
                with kernel.loop(k + 1, last, vector=True) as j:
                    value = kernel.multiply_add(-self.entry(k, j), factor.get(), self.entry(i, j))
                    kernel.store(self.space, (*self.at, i, j), value)

    def _exchange(self, which: int, a: Any, b: Any, columns: Any) -> None:
        kernel = self.kernel
        with kernel.loop(0, columns, vector=True) as j:
            x, y = (kernel.reload(which, (*self.at, i, j)) for i in (a, b))
            kernel.store(which, (*self.at, a, j), y)
            kernel.store(which, (*self.at, b, j), x)

    def _reduce(self, which: int, columns: tuple[Any, Any], first: Any, last: Any) -> None:
        """Takes what the panel's rows, first to last, have to give to each other, and to some rows
        below, and then to all others, in these columns.
        """
        kernel = self.kernel
        together = (self.n - last) / ROWS
        begin = self.n - together * ROWS
        with kernel.loop(first, begin) as i:
            self._take(which, columns, (first, kernel.ops.minimum(i, last)), [i])
        with kernel.loop(0, together) as block:
            top = begin + block * ROWS
            self._take(which, columns, (first, last), [top + r for r in range(ROWS)])

    def _take(
        self,
        which: int,
        columns: tuple[Any, Any],
        given: tuple[Any, Any],
        rows: Sequence[Any],
        *,
        divided: bool = False,
    ) -> None:
        """Takes from some rows what those in a range give; they may be divided by their pivots."""
        kernel, at = self.kernel, self.at
        with kernel.loop(*columns, vector=True) as j:
            totals = [kernel.register(kernel.reload(which, (*at, i, j))) for i in rows]
            with kernel.loop(*given) as k:
                x = -kernel.reload(which, (*at, k, j))
                for i, total in zip(rows, totals, strict=True):
                    total.set(kernel.multiply_add(x, self.entry(i, k), total.get()))
            for i, total in zip(rows, totals, strict=True):
                value = total.get() / self.entry(i, i) if divided else total.get()
                kernel.store(which, (*at, i, j), value)
