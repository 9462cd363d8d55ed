"""Symmetric matrices made tridiagonal by reflections, and those diagonal by rotations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphc.ir.dtypes import DType
from graphc.ir.op import KernelWriter
from graphc.ir.record import dataclass

ROWS = 4  # that share what they read
CARRIED = 4  # columns whose rotations do not wait for each other
SWEEPS = 30  # for each eigenvalue, at most


@dataclass(frozen=True)
class Tridiagonal:
    """One symmetric matrix of n rows on its way: the numbers of its buffers.

    `matrix`: all of it, each row in the end the vector of a reflection; `vectors`: as rows;
    `lines`: rows of n for the diagonal, what is beside it, factors, and a vector.
    """

    kernel: KernelWriter
    at: tuple[Any, ...]
    n: Any
    dtype: DType
    matrix: int
    vectors: int
    lines: int

    def get(self, line: int, i: Any) -> Any:
        """Element i of a line."""
        return self.kernel.reload(self.lines, (*self.at, line, i))

    def put(self, line: int, i: Any, value: Any) -> None:
        """Gives element i of a line a value."""
        self.kernel.store(self.lines, (*self.at, line, i), value)

    def element(self, i: Any, j: Any) -> Any:
        """An element of the matrix."""
        return self.kernel.reload(self.matrix, (*self.at, i, j))


DIAGONAL, BESIDE, FACTOR, OTHER, PRODUCT = range(5)
LINES = 5


def reduce(t: Tridiagonal) -> None:
    """Leaves the diagonal and what is beside it in lines, and reflections in the matrix (Golub and
    Van Loan, 8.3.1). What a reflection changes is changed while the product with the next one's
    vector is taken.
    """
    kernel, n = t.kernel, t.n
    zero = kernel.ops.const(0, t.dtype)
    with kernel.loop(0, n, vector=True) as i:
        t.put(OTHER, i, zero)
    with kernel.loop(0, n) as k:
        before = kernel.ops.maximum(k - 1, 0)
        _change(t, before, [k], k)
        t.put(DIAGONAL, k, t.element(k, k))
        with kernel.when(k < n - 1):
            _reflect(t, k)
            _products(t, before, k)
            _other(t, k)


def _change(t: Tridiagonal, before: Any, rows: Sequence[Any], begin: Any) -> None:
    """Does to rows what the reflection before left to do."""
    kernel = t.kernel
    change = _changed(t, before, rows)
    with kernel.loop(begin, t.n, vector=True) as i:
        for j, x in zip(rows, change(i), strict=True):
            kernel.store(t.matrix, (*t.at, j, i), x)


def _changed(t: Tridiagonal, before: Any, rows: Sequence[Any]) -> Callable[[Any], list[Any]]:
    """The elements of rows after that: a - v w^T - w v^T."""
    fused = t.kernel.multiply_add
    sides = [(t.element(before, j), t.get(OTHER, j)) for j in rows]

    def change(i: Any) -> list[Any]:
        v, w = -t.element(before, i), -t.get(OTHER, i)
        return [
            fused(w, a, fused(v, b, t.element(j, i))) for j, (a, b) in zip(rows, sides, strict=True)
        ]

    return change


def _reflect(t: Tridiagonal, k: Any) -> None:
    """The reflection that leaves one element of row k beyond the diagonal: its vector replaces the
    row.
    """
    kernel, ops = t.kernel, t.kernel.ops
    zero, one = ops.const(0, t.dtype), ops.const(1, t.dtype)
    (rest,) = kernel.sums(k + 2, t.n, lambda i: [t.element(k, i) * t.element(k, i)])
    x = t.element(k, k + 1)
    norm = ops.sqrt(x * x + rest)
    numbers = np.finfo(t.dtype.numpy)
    done = rest < float(numbers.tiny / numbers.eps)  # its square root is nothing beside a norm of 1
    beside = kernel.register(ops.select(done, x, ops.select(x > 0, -norm, norm))).get()
    first = kernel.register(ops.select(done, zero, x - beside)).get()
    square = first * first + rest
    t.put(BESIDE, k, beside)
    t.put(FACTOR, k, ops.select(done, zero, (one + one) / ops.select(done, one, square)))
    kernel.store(t.matrix, (*t.at, k, k + 1), first)


def in_blocks(
    kernel: KernelWriter, begin: Any, end: Any, write: Callable[[list[Any]], None]
) -> None:
    """Writes loops over rows, `ROWS` at a time, and one by one for the rest."""
    done = begin
    if kernel.lanes > 1:
        count = (end - begin) / ROWS
        with kernel.loop(0, count) as block:
            write([begin + block * ROWS + r for r in range(ROWS)])
        done = begin + count * ROWS
    with kernel.loop(done, end) as j:
        write([j])


def _products(t: Tridiagonal, before: Any, k: Any) -> None:
    """The rows below k, changed, times the vector of its reflection."""
    kernel = t.kernel

    def write(rows: list[Any]) -> None:
        change = _changed(t, before, rows)

        def terms(i: Any) -> list[Any]:
            values = change(i)
            for j, x in zip(rows, values, strict=True):
                kernel.store(t.matrix, (*t.at, j, i), x)
            v = t.element(k, i)
            return [x * v for x in values]

        for j, total in zip(rows, kernel.sums(k + 1, t.n, terms), strict=True):
            t.put(PRODUCT, j, total)

    in_blocks(kernel, k + 1, t.n, write)


def _other(t: Tridiagonal, k: Any) -> None:
    """The other vector of the change: p - f (p v) v / 2 of the products p times the factor f."""
    kernel = t.kernel
    factor = t.get(FACTOR, k)
    (dot,) = kernel.sums(k + 1, t.n, lambda i: [t.get(PRODUCT, i) * t.element(k, i)])
    half = kernel.register(factor * dot * 0.5 * factor).get()
    with kernel.loop(k + 1, t.n, vector=True) as i:
        t.put(OTHER, i, factor * t.get(PRODUCT, i) - half * t.element(k, i))


def gather_reflections(t: Tridiagonal) -> None:
    """The product of all reflections, transposed, as the rows of the vectors."""
    kernel, n, ops = t.kernel, t.n, t.kernel.ops
    zero, one = ops.const(0, t.dtype), ops.const(1, t.dtype)
    with kernel.loop(0, n) as i:
        with kernel.loop(0, n, vector=True) as j:
            kernel.store(t.vectors, (*t.at, i, j), zero)
        kernel.store(t.vectors, (*t.at, i, i), one)

    with kernel.loop(0, n - 2) as step:
        k = n - 3 - step
        factor = t.get(FACTOR, k)

        def write(rows: list[Any], k: Any = k, factor: Any = factor) -> None:
            def terms(i: Any) -> list[Any]:
                v = t.element(k, i)
                return [kernel.reload(t.vectors, (*t.at, j, i)) * v for j in rows]

            dots = [-(factor * dot) for dot in kernel.sums(k + 1, n, terms)]
            with kernel.loop(k + 1, n, vector=True) as i:
                v = t.element(k, i)
                for j, dot in zip(rows, dots, strict=True):
                    x = kernel.reload(t.vectors, (*t.at, j, i))
                    kernel.store(t.vectors, (*t.at, j, i), kernel.multiply_add(v, dot, x))

        in_blocks(kernel, k + 1, n, write)


def diagonalise(t: Tridiagonal) -> None:
    """Leaves eigenvalues in the diagonal and turns the vectors along: steps of the implicit QL
    algorithm (Dubrulle, Martin and Wilkinson, 1968) until nothing is left beside the diagonal.
    """
    kernel, n, ops = t.kernel, t.n, t.kernel.ops
    t.put(BESIDE, n - 1, ops.const(0, t.dtype))
    left = kernel.register(n * SWEEPS)
    with kernel.loop(0, n) as first:
        last = kernel.register(_end(t, first))
        with kernel.repeat(lambda: (last.get() > first) & (left.get() > 0)):
            left.set(left.get() - 1)
            end = last.get()
            _sweep(t, first, end)
            _turn_vectors(t, first, end)
            last.set(_end(t, first))


def _end(t: Tridiagonal, first: Any) -> Any:
    """The last row of the block that begins at a row: what is beside it is negligible, or no
    number.
    """
    kernel, ops = t.kernel, t.kernel.ops
    eps = float(np.finfo(t.dtype.numpy).eps)
    tiny = float(np.finfo(t.dtype.numpy).tiny)
    row = kernel.register(first)

    def goes_on() -> Any:
        i = row.get()
        beyond = ops.minimum(i + 1, t.n - 1)
        size = ops.absolute(t.get(DIAGONAL, i)) + ops.absolute(t.get(DIAGONAL, beyond))
        return (i < t.n - 1) & (ops.absolute(t.get(BESIDE, i)) > size * eps + tiny)

    with kernel.repeat(goes_on):
        row.set(row.get() + 1)
    return row.get()


def _sweep(t: Tridiagonal, first: Any, end: Any) -> None:
    """Rotations from the end of a block to its first row; cosines and sines go to two lines."""
    kernel, ops = t.kernel, t.kernel.ops
    zero, one = ops.const(0, t.dtype), ops.const(1, t.dtype)
    beside = t.get(BESIDE, first)
    ratio = (t.get(DIAGONAL, first + 1) - t.get(DIAGONAL, first)) / (beside * 2)
    size = ops.sqrt(ratio * ratio + 1)
    shift = beside / (ratio + ops.select(ratio < 0, -size, size))
    g = kernel.register(t.get(DIAGONAL, end) - t.get(DIAGONAL, first) + shift)
    c, s, p = kernel.register(one), kernel.register(one), kernel.register(zero)
    with kernel.loop(0, end - first) as step:
        i = end - 1 - step
        e, d = t.get(BESIDE, i), t.get(DIAGONAL, i)
        f, b = s.get() * e, c.get() * e
        old = g.get()
        r = kernel.register(ops.sqrt(f * f + old * old)).get()
        t.put(BESIDE, i + 1, r)
        nothing = ops.equal(r, zero)
        by = kernel.register(ops.select(nothing, one, r)).get()
        s.set(f / by)
        c.set(ops.select(nothing, one, old / by))
        sine, cosine = s.get(), c.get()
        t.put(PRODUCT, i, sine)
        t.put(OTHER, i, cosine)
        above = kernel.register(t.get(DIAGONAL, i + 1) - p.get()).get()
        q = kernel.register((d - above) * sine + cosine * b * 2).get()
        p.set(sine * q)
        t.put(DIAGONAL, i + 1, above + p.get())
        g.set(cosine * q - b)
    t.put(DIAGONAL, first, t.get(DIAGONAL, first) - p.get())
    t.put(BESIDE, first, g.get())
    t.put(BESIDE, end, zero)


def _turn_vectors(t: Tridiagonal, first: Any, end: Any) -> None:
    """Does the rotations of a sweep to the rows of the vectors."""
    kernel = t.kernel
    part = t.n / CARRIED

    def write(begin: Any, stop: Any, apart: list[Any]) -> None:
        with kernel.loop(begin, stop, vector=True) as k:
            carried = [
                kernel.register(kernel.reload(t.vectors, (*t.at, end, k + gap))) for gap in apart
            ]
            with kernel.loop(0, end - first) as step:
                i = end - 1 - step
                s, c = t.get(PRODUCT, i), t.get(OTHER, i)
                for gap, y in zip(apart, carried, strict=True):
                    x, above = kernel.reload(t.vectors, (*t.at, i, k + gap)), y.get()
                    turned = kernel.multiply_add(s, x, c * above)
                    kernel.store(t.vectors, (*t.at, i + 1, k + gap), turned)
                    y.set(kernel.multiply_add(c, x, -(s * above)))
            for gap, y in zip(apart, carried, strict=True):
                kernel.store(t.vectors, (*t.at, first, k + gap), y.get())

    wide = kernel.lanes > 1
    if wide:
        write(0, part, [part * r for r in range(CARRIED)])
    write(part * CARRIED if wide else 0, t.n, [0])
