"""Recurrent layers: cells run over time by one native loop, stacked and in both directions.

Sequences are time-major: x is (T, N, D), where T and N may be symbolic.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from graphc.control import Segment, in_segments, scan
from graphc.ir.dims import Dim
from graphc.ir.errors import GraphError, ShapeError
from graphc.ir.node import Tensor
from graphc.ir.structure import leaves, restore
from graphc.nn.cells import Cell, GRUCell, LightGRUCell, LSTMCell, RNNCell, State, output
from graphc.nn.layer import Layer
from graphc.nn.options import with_options
from graphc.ops.convert import TensorLike, as_tensor
from graphc.ops.joining import concat
from graphc.ops.layout import expand_dims
from graphc.ops.select import where
from graphc.ops.source import iota


def unroll(
    cell: Cell,
    x: Tensor,
    start: State | None = None,
    lengths: TensorLike | None = None,
    reverse: bool = False,
    segment: Segment = None,
) -> tuple[Tensor, State]:
    """(h of every step (T, N, H), last state) of a cell run over x (T, N, D).

    start: the first state, zeros by default.
    lengths: how many steps of each sequence count, (N,): a state stays as it is in the others, and
    their h is 0. In reverse each sequence then begins with its own last step.
    segment: as in `gc.scan`; what the inputs add to the gates is computed again too.
    """
    if x.ndim != 3:
        raise ShapeError(f"sequences (time, batch, inputs) are needed\n  {x.describe()}")
    state = cell.start(x.shape[1]) if start is None else start
    counted = []
    if lengths is not None:
        counted = [expand_dims(iota((x.shape[0], 1)) < as_tensor(lengths), -1)]
    step = _step(cell, state)

    def run(begin: Sequence[Tensor], given: Sequence[Tensor], steps: Dim) -> Sequence[Tensor]:
        z = cell.project(given[0]) if cell.project_by_step else given[0]
        last, h = scan(step, restore(state, begin), [z, *given[1:]], steps, reverse)
        return [*leaves(last), h]

    first = x if cell.project_by_step else cell.project(x)
    found = in_segments(run, leaves(state), [first, *counted], x.shape[0], segment, reverse)
    return found[-1], restore(state, found[:-1])


def _step(cell: Cell, like: State) -> Callable[[State, Sequence[Tensor]], tuple[State, Tensor]]:
    """A step of the loop: from a state and (z, which sequences count if that is given too)."""

    def step(old: State, now: Sequence[Tensor]) -> tuple[State, Tensor]:
        new = cell.step(old, now[0])
        if len(now) == 1:
            return new, output(new)
        kept = [where(now[1], n, o) for n, o in zip(leaves(new), leaves(old), strict=True)]
        return restore(like, kept), where(now[1], output(new), 0)

    return step


class Recurrent(Layer):
    """Cells one above the other: each layer reads the h of the one below at the same step.

    A layer is one cell, or a pair: one forward, one backward in time, whose h are joined along the
    last axis. Called on x (T, N, D) it gives (h of the top layer at all steps, the list of the last
    states of all cells). `segment` is that of `gc.scan`, for each cell.
    """

    def __init__(self, *levels: Cell | tuple[Cell, Cell], segment: Segment = None):
        if not levels:
            raise GraphError("a recurrent layer needs a cell")
        self.levels, self.segment = list(levels), segment

    def cells(self) -> list[Cell]:
        """All cells, from the bottom; the forward one of a pair first."""
        pairs = [level if isinstance(level, tuple) else (level,) for level in self.levels]
        return [cell for pair in pairs for cell in pair]

    def __call__(  # type: ignore[override]
        self, x: Tensor, start: Sequence[State] | None = None, lengths: TensorLike | None = None
    ) -> tuple[Tensor, list[State]]:
        first = list(start) if start is not None else [None] * len(self.cells())
        if len(first) != len(self.cells()):
            raise GraphError(f"{len(self.cells())} cells need as many states, not {len(first)}")
        last: list[State] = []
        for level in self.levels:
            found = []
            for k, cell in enumerate(level if isinstance(level, tuple) else (level,)):
                given = first[len(last)]
                h, state = unroll(cell, x, given, lengths, k == 1, self.segment)
                found.append(h)
                last.append(state)
            x = found[0] if len(found) == 1 else concat(found, axis=-1)
        return x, last


class Stack(Recurrent):
    """Layers of one kind of cell, each in both directions if `bidirectional`; other options go to
    the cells.
    """

    cell: type[Cell]
    __signature__: inspect.Signature

    def __init_subclass__(cls) -> None:
        cls.__signature__ = with_options(Stack, cls.cell)

    def __init__(
        self,
        inputs: int,
        size: int,
        layers: int = 1,
        bidirectional: bool = False,
        segment: Segment = None,
        **options: Any,
    ):
        levels: list[Any] = []
        for width in (inputs, *[size * (1 + bidirectional)] * (layers - 1)):
            pair = [self.cell(width, size, **options) for _ in range(1 + bidirectional)]
            levels.append(tuple(pair) if bidirectional else pair[0])
        super().__init__(*levels, segment=segment)


class RNN(Stack):
    """Layers of `RNNCell`s, one above the other, each in both directions if `bidirectional`.

    Called on x (T, N, inputs) it gives (h of the top layer at all steps, (T, N, size) or twice the
    size where bidirectional; the list of the last states of all cells). `segment` is that of
    `gc.scan`; the options after it are those of the cell.
    """

    cell = RNNCell


class LSTM(Stack):
    """Layers of `LSTMCell`s, one above the other, each in both directions if `bidirectional`.

    Called on x (T, N, inputs) it gives (h of the top layer at all steps, (T, N, size) or twice the
    size where bidirectional; the list of the last states of all cells). `segment` is that of
    `gc.scan`; the options after it are those of the cell.
    """

    cell = LSTMCell


class GRU(Stack):
    """Layers of `GRUCell`s, one above the other, each in both directions if `bidirectional`.

    Called on x (T, N, inputs) it gives (h of the top layer at all steps, (T, N, size) or twice the
    size where bidirectional; the list of the last states of all cells). `segment` is that of
    `gc.scan`; the options after it are those of the cell.
    """

    cell = GRUCell


class LightGRU(Stack):
    """Layers of `LightGRUCell`s, one above the other, each in both directions if `bidirectional`.

    Called on x (T, N, inputs) it gives (h of the top layer at all steps, (T, N, size) or twice the
    size where bidirectional; the list of the last states of all cells). `segment` is that of
    `gc.scan`; the options after it are those of the cell.
    """

    cell = LightGRUCell
