"""What reductions into lines of accumulators have in common, whichever axes they reduce."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.lower.nests.accumulators import At, LineAccumulator, parts_of
from graphc.backends.lower.nests.combine import accumulator_dtype, identity
from graphc.backends.lower.nests.nest import Lowering
from graphc.backends.lower.nests.streams import is_large
from graphc.ir.dtypes import DType
from graphc.passes.fusion.access import full_index
from graphc.passes.fusion.fuse import Root


class InLines(Lowering):
    """Lowers reductions into lines of accumulators."""

    def _buffers(self, root: Root, dtype: DType) -> tuple[At, At | None]:
        """Where the accumulators at hand are: of values, and of places for argmin and argmax."""
        raise NotImplementedError

    def accumulator(self, root: Root) -> LineAccumulator:
        x, (source,) = root.tensor, root.tensor.node.inputs
        op: Any = x.node.op
        value = self.reader.at(source, full_index(source.shape, self.index))
        value = e.cast(value, accumulator_dtype(source.dtype, op.combine))
        name, neutral = f"s{self.body.roots.index(root)}", identity(op, value.dtype)
        best, place = self._buffers(root, value.dtype)
        position = None if place is None else self.position(x)
        return LineAccumulator(name, op.combine, neutral, value, best, place, position)

    def _lines_along(self, row: str, last: str, lines: Iterable[LineAccumulator]) -> list[At]:
        """Large operands, and the places where each line of them is read."""
        large = {self.names[x] for x in self.body.inputs if is_large(x)}
        found = {
            (x.attr, x.args[0]): None
            for line in lines
            for x in parts_of(line.term)
            if x.op == "load" and x.attr in large and {last, row} <= _variables(x.args[0])
        }
        return list(found)


def _variables(value: Expr) -> set[str]:
    return {x.attr for x in parts_of(value) if x.op == "var"}
