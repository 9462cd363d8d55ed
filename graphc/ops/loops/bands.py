"""A loop over bands of rows of matrices that are never whole: each band makes its rows of results
and adds to totals.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from graphc.ir import dim_values, dims
from graphc.ir.dim_values import product
from graphc.ir.dims import Dim, floordiv, maximum, minimum
from graphc.ir.errors import ShapeError
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.subgraph import Subgraph
from graphc.ir.types import Shape, TensorType
from graphc.machine import TYPICAL
from graphc.ops.loops.control import Control, Run

#: Runs of bands that go on at once, at most: each has memory of its own, as large as a few caches.
MOST_CHUNKS = TYPICAL.cores // 2

Operand = tuple[tuple[int, ...], bool]
"""What a band reads of an operand: the matrix at its place in the axes of the batch that the
operand has, which are its first ones, or, where that holds, its rows of this matrix.
"""


class Bands(Control):
    """rows[n, a:b], totals[n, part] += body(totals, x[n, a:b], y[n], ...) for every index n of
    `batch` and every band a:b of `most` rows that make up `height`, the last one shorter.

    Inputs: `limits`, if there are any, then operands as `operands` describes them. Outputs: the
    totals [*batch, parts, ...], which begin as zeros, of `parts` runs of bands; the rows
    [*batch, height, ...]. The body takes totals and operands and gives new totals and rows.
    Attributes: `rows`, the name of the size that is a band's height in the body, None if all bands
    are of `most` rows; `columns`, the name and the greatest value of a size that `limits`
    [*batch, bands] gives each band (None: there is none). Operands and totals whose first axis is
    that size have as many lines as it at most has. Axes of length 1 make no difference.

    No gradient or batch of it is needed: passes make it after those.
    """

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        body: Subgraph = attrs["body"]
        totals, batch = attrs["totals"], attrs["batch"]
        limited = int(attrs["columns"] is not None)
        assert len(inputs) - limited == len(attrs["operands"]) == len(body.inputs) - totals
        if limited and inputs[0].shape != (*batch, count(attrs)):
            raise ShapeError(f"limits {inputs[0]} for {(*batch, count(attrs))} bands")
        pairs = zip(inputs[limited:], body.inputs[totals:], attrs["operands"], strict=True)
        for k, (given, symbol, operand) in enumerate(pairs):
            wanted = self.whole(symbol.type, operand, attrs)
            if given.dtype is not wanted.dtype or wide(given.shape) != wide(wanted.shape):
                raise ShapeError(f"operand {k} of {self} is {given}, its body needs {wanted}")
        everywhere = tuple(range(len(batch)))
        sums = [self.whole(y.type, (everywhere, False), attrs) for y in body.inputs[:totals]]
        lead = len(batch)
        given_totals = [
            TensorType(t.dtype, (*batch, attrs["parts"], *t.shape[lead:])) for t in sums
        ]
        rows = [self.whole(y.type, (everywhere, True), attrs) for y in body.outputs[totals:]]
        return (*given_totals, *rows)

    def whole(self, part: TensorType, operand: Operand, attrs: Any) -> TensorType:
        """The type of an operand or result that the body knows as `part`."""
        shape: Shape = part.shape
        if operand[1]:
            height = attrs["most"] if attrs["rows"] is None else dims.size(attrs["rows"])
            if not shape or shape[0] != height:
                raise ShapeError(f"a band of {height} rows is needed, not {part}")
            shape = (attrs["height"], *shape[1:])
        elif shape and attrs["columns"] is not None and shape[0] == dims.size(attrs["columns"][0]):
            shape = (attrs["columns"][1], *shape[1:])
        return TensorType(part.dtype, (*(attrs["batch"][k] for k in operand[0]), *shape))

    def bodies(self, attrs: Any) -> tuple[Subgraph, ...]:
        return (attrs["body"],)

    def reference_with(
        self, run: Run, inputs: Sequence[np.ndarray], attrs: Any
    ) -> tuple[np.ndarray, ...]:
        sums, rows = _nothing(run, attrs)
        limited = int(attrs["columns"] is not None)
        inputs = [*inputs[:limited], *_without_units(run, inputs[limited:], attrs)]
        for index, part, (a, b), band in _bands(attrs):
            at, values = run, list(inputs)
            if attrs["rows"] is not None:
                at = at.sized(attrs["rows"], b - a)
            lines = None
            if attrs["columns"] is not None:
                name, most = attrs["columns"]
                lines = min(max(int(values.pop(0)[(*index, band)]), 0), most)
                at = at.sized(name, lines)
            given = []
            for x, symbol, operand in zip(
                values, attrs["body"].inputs[attrs["totals"] :], attrs["operands"], strict=True
            ):
                y = x[tuple(index[k] for k in operand[0])]
                given.append(y[a:b] if operand[1] else _first(y, symbol, lines, attrs))
            into = [
                _first(s[index][part, ...], t, lines, attrs)
                for s, t in zip(sums, attrs["body"].inputs, strict=False)
            ]
            results = at(attrs["body"], [*into, *given])
            for old, new in zip(into, results, strict=False):
                old[...] = new
            for y, new in zip(rows, results[attrs["totals"] :], strict=True):
                y[index][a:b] = new
        return (*sums, *rows)

    def cost(self, node: Node) -> Dim:
        attrs = node.attrs
        body: Subgraph = attrs["body"]

        def usual(a: dims.Atom) -> Dim | None:
            if a.name == attrs["rows"]:
                most: int = attrs["most"]
                return most
            columns = attrs["columns"]
            return columns[1] if columns is not None and a.name == columns[0] else None

        return product(attrs["batch"]) * count(attrs) * dim_values.substitute(body.cost, usual)


def count(attrs: Any) -> Dim:
    """Bands of a matrix."""
    return floordiv(attrs["height"] + attrs["most"] - 1, attrs["most"])


def chunks_of(attrs: Any) -> Dim:
    """How many parts of the work may run at once; only sizes count."""
    return maximum(1, minimum(product(attrs["batch"]) * attrs["parts"], MOST_CHUNKS))


def wide(shape: Shape) -> list[Dim]:
    """The lengths that are not 1."""
    return [d for d in shape if d != 1]


def _most(run: Run, attrs: Any) -> Run:
    """Evaluates the body where its sizes are as large as they can be."""
    if attrs["rows"] is not None:
        run = run.sized(attrs["rows"], int(attrs["height"]))
    if attrs["columns"] is not None:
        run = run.sized(attrs["columns"][0], int(attrs["columns"][1]))
    return run


def _without_units(run: Run, given: Sequence[np.ndarray], attrs: Any) -> list[np.ndarray]:
    """The operands in the shapes in which the body sees them, of all rows."""
    found = []
    symbols = attrs["body"].inputs[attrs["totals"] :]
    for x, symbol, (axes, by_rows) in zip(given, symbols, attrs["operands"], strict=True):
        shape = _most(run, attrs).empty(symbol).shape[1:]
        lead = tuple(int(attrs["batch"][k]) for k in axes)
        found.append(
            x.reshape((*lead, *((int(attrs["height"]), *shape[1:]) if by_rows else shape)))
        )
    return found


def _nothing(run: Run, attrs: Any) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Totals and rows before the first band."""
    run = _most(run, attrs)
    count, batch = attrs["totals"], tuple(map(int, attrs["batch"]))
    made = [run.empty(y) for y in attrs["body"].outputs]
    sums = [np.zeros((*batch, attrs["parts"], *y.shape[1:]), y.dtype) for y in made[:count]]
    rows = [np.zeros((*batch, int(attrs["height"]), *y.shape[2:]), y.dtype) for y in made[count:]]
    return sums, rows


def _first(x: np.ndarray, symbol: Tensor, lines: int | None, attrs: Any) -> np.ndarray:
    """The lines of x that a band sees."""
    cut = lines is not None and symbol.ndim and symbol.shape[0] == dims.size(attrs["columns"][0])
    return x[:lines] if cut else x[...]


def _bands(attrs: Any) -> Iterator[tuple[tuple[int, ...], int, tuple[int, int], int]]:
    """Place in the batch, part, first and last row, and number of each band."""
    height, most, parts = int(attrs["height"]), attrs["most"], attrs["parts"]
    number = -(-height // most)
    for index in np.ndindex(*(int(d) for d in attrs["batch"])):
        for part in range(parts):
            for band in range(part * number // parts, (part + 1) * number // parts):
                yield index, part, (band * most, min((band + 1) * most, height)), band


BANDS = Bands("bands")


def bands_node(inputs: Sequence[Tensor], **attrs: Any) -> tuple[Tensor, ...]:
    """The outputs of a loop over bands."""
    return apply(BANDS, *inputs, **attrs).outputs
