"""What a nest computes at a place: values stored or summed up there, and those of a row that a
later loop over it reads again.
"""

from __future__ import annotations

from typing import Any

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import Accumulate, Declare, Let, Prefetch, Stmt, Store
from graphc.backends.lower.nests.combine import (
    accumulator_dtype,
    identity,
    joined_dtype,
    total_dtype,
)
from graphc.backends.lower.nests.frame import NestFrame
from graphc.backends.lower.nests.loops import extent_of, linear
from graphc.backends.lower.nests.streams import end_ahead, when_streamed
from graphc.backends.lower.reader import offset_of
from graphc.ir.dims import Dim
from graphc.ir.dtypes import DType, float32, float64, int64
from graphc.ir.node import Tensor
from graphc.machine import TYPICAL
from graphc.passes.fusion.access import full_index
from graphc.passes.fusion.body import Root


class NestValues(NestFrame):
    """What the roots of a body are in its loops."""

    stores: list[Store]  # of the loop at hand, which come last in it

    def _map(self, root: Root, into: list[Stmt], loop: tuple[Dim, ...], turn: int = 0) -> None:
        x = root.tensor
        self.reader.statements = into
        position = full_index(x.shape, loop)
        value = self._precise(self.reader.compute(x, position))
        name = f"m{self.body.roots.index(root)}" + (f".{turn}" if turn else "")
        into.append(Let(name, value))
        self.reader.values[x] = e.var(name, x.dtype)
        if x in self.names:
            store = Store(
                self.names[x],
                self.dims(offset_of(x.shape, position)),
                self.reader.values[x],
                stream=self._stream(root),
            )
            if root.role == "rowmap":
                into.append(store)
            else:
                self.stores.append(store)

    def _stream(self, root: Root) -> Expr | None:
        """When a value's stores bypass the cache; None for never."""
        if self._read_after(root.level, root.tensor):
            return None
        if self.turns > 1:
            return None
        large = when_streamed(root, self.body, self.nest, self.schedule, self.dims)
        if large is not None:
            self.streams[large] = None
        return large

    def _end_ahead(self, root: Root) -> list[Stmt]:
        """Asks for where a later row ends in what is stored past the cache."""
        x = root.tensor
        position = end_ahead(x, self.body, self.nest)
        if root.role != "map" or position is None or x not in self.names:
            return []
        if self._stream(root) is None:
            return []
        return [Prefetch(self.names[x], self.dims(position), written=True)]

    def _reduce(
        self,
        root: Root,
        before: list[Stmt],
        inside: list[Stmt],
        after: list[Stmt],
        turn: int = 0,
    ) -> None:
        x = root.tensor
        (source,) = x.node.inputs
        value = self.reader.at(source, full_index(source.shape, self.index))
        op: Any = x.node.op
        value = e.cast(value, accumulator_dtype(source.dtype, op.combine))
        if not self.schedule.vector_bits:
            value = e.cast(value, joined_dtype(x, value.dtype))
        if root.role == "column":
            from graphc.backends.lower.nests.beside import take_in_column

            take_in_column(self, root, self._precise(value), inside)
            return
        name = f"s{self.body.roots.index(root)}"
        position = self.position(x) if op.combine.startswith("arg") else None
        dtype = total_dtype(root, value.dtype, self.nest, self.schedule)
        declared = [Declare(name, identity(op, dtype))]
        if position is not None:
            declared.append(Declare(name + ".at", e.const(0, int64)))
        inside.append(Accumulate(name, op.combine, self._precise(value), position))
        if turn:
            return
        result = e.var(name, dtype) if position is None else e.var(name + ".at", int64)
        if root.role == "row":
            before.extend(declared)
            self.row_result(root, result, after)
        else:
            self.start.extend(declared)
            self._total_result(x, op, name, dtype, result)

    def _precise(self, value: Expr) -> Expr:
        """The value, with what is known in float64 of rows rounded once."""
        return value if self.wide is None else self.wide.precise(value)

    def row_result(self, root: Root, value: Expr, after: list[Stmt]) -> None:
        x, name = root.tensor, f"v{self.body.roots.index(root)}"
        if value.dtype is float64 and x.dtype is float32:
            if self.wide is None:
                from graphc.backends.lower.nests.wide import WideRows

                self.wide = WideRows()
            after.extend(self.wide.named(name, value))
        else:
            after.append(Let(name, e.cast(value, x.dtype)))
        self.reader.values[x] = e.var(name, x.dtype)
        if x in self.names:
            offset = offset_of(x.shape, full_index(x.shape, self.rows))
            after.append(Store(self.names[x], self.dims(offset), self.reader.values[x]))

    # --- values that a later loop over the row reads again ----------------------------------------

    def _recall_later(self, level: int, roots: list[Root], inside: list[Stmt]) -> None:
        """After this level a value is read back from where it was stored, or recomputed."""
        for root in roots:
            x = root.tensor
            if root.role == "map":
                current = self.reader.values.pop(x)
                if x in self.names:
                    offset = self.dims(offset_of(x.shape, full_index(x.shape, self.index)))
                    self.reader.values[x] = e.load(self.names[x], offset, x.dtype)
                elif self._read_after(level, x) and self.keeps_rows:
                    self._keep_if_costly(x, current, inside)

    def _read_after(self, level: int, x: Tensor) -> bool:
        later = (root for root in self.body.roots if root.level > level)
        return any(access.tensor is x for root in later for access in root.accesses)

    def _keep_if_costly(self, x: Tensor, current: Expr, inside: list[Stmt]) -> None:
        """Keeps a row of an internal value in scratch memory of the chunk, unless it is as cheap to
        compute again.
        """
        if is_costly(self.reader.compute(x, full_index(x.shape, self.index))):
            name, offset = self.kept_at(x.dtype)
            inside.append(Store(name, offset, current))
            self.reader.values[x] = e.load(name, offset, x.dtype)

    @property
    def keeps_rows(self) -> bool:
        """Whether there is memory for what a row is read again of."""
        return not self.nest.across

    def kept_at(self, dtype: DType) -> tuple[str, Expr]:
        """New scratch memory of the chunk for a row, and the place in it of the element at hand."""
        name, first = self.scratch(dtype, extent_of(self.nest.inner))
        return name, self.dims(first + linear(self.nest.inner))


def is_costly(value: Expr) -> bool:
    """Whether computing a value again costs more than a store and a load of it."""
    stack, seen, work = [value], set[Expr](), 0
    while stack:
        x = stack.pop()
        if x in seen or x.op == "load":
            continue
        seen.add(x)
        if x.op in ("math", "div", "sqrt"):
            return True
        work += x.dtype.is_float and any(y.args for y in x.args)  # not of what a row has once
        stack.extend(x.args)
    return work >= TYPICAL.again
