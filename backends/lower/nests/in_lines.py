"""What reductions into lines of accumulators have in common, whichever axes they reduce."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr, parts_of
from graphc.backends.lower.nests.accumulators import Ahead, At, LineAccumulator
from graphc.backends.lower.nests.combine import accumulator_dtype, identity, joined_dtype
from graphc.backends.lower.nests.loops import Loop
from graphc.backends.lower.nests.nest import Lowering
from graphc.backends.lower.nests.streams import is_large
from graphc.backends.lower.reader import offset_of
from graphc.ir.dim_values import coefficient
from graphc.ir.dims import Atom
from graphc.ir.dtypes import DType
from graphc.passes.fusion.access import full_index
from graphc.passes.fusion.body import Root


class InLines(Lowering):
    """Lowers reductions into lines of accumulators, of `tile` elements at most."""

    tile: int
    #: Whether lines join what is wider than they are, not one by one.
    narrow = False

    def _buffers(self, root: Root, dtype: DType) -> tuple[At, At | None]:
        """Where the accumulators at hand are: of values, and of places for argmin and argmax."""
        raise NotImplementedError

    def accumulator(self, root: Root) -> LineAccumulator:
        x, (source,) = root.tensor, root.tensor.node.inputs
        op: Any = x.node.op
        value = self.reader.at(source, full_index(source.shape, self.index))
        value = e.cast(value, accumulator_dtype(source.dtype, op.combine))
        joined = joined_dtype(x, value.dtype)
        value = value if self.narrow else e.cast(value, joined)
        name, neutral = f"s{self.body.roots.index(root)}", identity(op, joined)
        best, place = self._buffers(root, joined)
        position = None if place is None else self.position(x)
        return LineAccumulator(name, op.combine, neutral, value, best, place, position)

    def _lines_along(self, rows: Loop, last: Loop, lines: Iterable[LineAccumulator]) -> list[Ahead]:
        """Large operands, and the places where each line of them is read."""
        large = {self.names[x] for x in self.body.inputs if is_large(x)}
        found = {
            (x.attr, x.args[0]): None
            for line in lines
            for x in parts_of(line.term)
            if x.op == "load"
            and x.attr in large
            and {last.name, rows.name} <= _variables(x.args[0])
        }
        following = set(self._following(rows, last))
        lanes = self.schedule.lanes(self._bits())
        return [Ahead(*at, lanes if at in following else 0) for at in found]

    def _following(self, rows: Loop, last: Loop) -> Iterable[At]:
        """Where operands are read of which whole lines are taken in that follow each other."""
        if rows in self.nest.outer or not isinstance(last.extent, int) or last.extent > self.tile:
            return
        for x in self.body.inputs:
            if tuple(d for d in x.shape if d != 1) == self.body.domain:
                place = offset_of(x.shape, full_index(x.shape, self.index))
                found = coefficient(place, Atom("index", rows.name))
                if found is not None and found[0] == last.extent:
                    yield self.names[x], self.dims(place)


def _variables(value: Expr) -> set[str]:
    return {x.attr for x in parts_of(value) if x.op == "var"}
