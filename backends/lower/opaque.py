"""Lowers ops that write their own loops: the KernelWriter that `Op.loops` is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import (
    Accumulate,
    Alloc,
    Assign,
    Check,
    Declare,
    For,
    If,
    Let,
    LoopKernel,
    Param,
    Stmt,
    Store,
    While,
)  # fmt: skip
from graphc.backends.lower.kernel import Buffer, Call, Schedule, Temporary
from graphc.backends.lower.reader import DimWriter, strides_of
from graphc.backends.lower.squares import Rows, squares
from graphc.ir.dim_values import product
from graphc.ir.dims import Dim, floordiv, index, maximum, minimum
from graphc.ir.dtypes import DType, int64
from graphc.ir.node import Node
from graphc.ir.types import TensorType
from graphc.passes.fusion.body import Body

#: Vectors of a sum that do not wait for each other.
CHAINS = 2
#: A buffer (~k: input k), the index of an element, and how far it is from row to row.
Table = tuple[int, Sequence[Any], Any]


class _Register:
    def __init__(self, writer: LoopWriter, name: str, dtype: DType):
        self._writer, self._name, self._dtype = writer, name, dtype

    def get(self) -> Expr:
        """Its value now: read into a name of its own, so that later changes leave it alone."""
        writer = self._writer
        name = writer.fresh("g")
        writer.emit(Let(name, e.var(self._name, self._dtype)))
        return e.var(name, self._dtype)

    def set(self, value: Any) -> None:
        self._writer.emit(Assign(self._name, _typed(value, self._dtype)))


def _typed(value: Any, dtype: DType) -> Expr:
    return e.cast(value, dtype) if isinstance(value, Expr) else e.const(value, dtype)


def _index(value: Any) -> Expr:
    return _typed(value, int64)


class LoopWriter:
    """Collects the statements of one kernel."""

    ops: Any = e

    def __init__(
        self,
        inputs: Sequence[TensorType],
        outputs: Sequence[TensorType],
        grain: int,
        fail: Callable[[str], int],
        lanes: int = 0,
        fused: bool = False,
    ):
        self.inputs, self.outputs, self.grain, self.fail = inputs, list(outputs), grain, fail
        self.lanes, self.fused = lanes, fused
        self._scratch: list[Stmt] = []
        self.dims = DimWriter()
        self.chunks: Dim = 1
        self._blocks: list[list[Stmt]] = [[]]
        self._count = 0

    @property
    def body(self) -> tuple[Stmt, ...]:
        return (*self._scratch, *self._blocks[0])

    def fresh(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}{self._count}"

    def emit(self, statement: Stmt) -> None:
        self._blocks[-1].append(statement)

    def dim(self, d: Dim) -> Expr:
        return self.dims(d)

    def _offset(self, type_: TensorType, index: Sequence[Any]) -> Expr:
        assert len(index) == type_.ndim, f"{len(index)} indices for {type_}"
        total = self.dims(0)
        for i, stride in zip(index, strides_of(type_.shape), strict=True):
            total = total + _index(i) * self.dims(stride)
        return total

    def load(self, which: int, index: Sequence[Any]) -> Expr:
        type_ = self.inputs[which]
        return self._named(e.load(f"a{which}", self._offset(type_, index), type_.dtype))

    def reload(self, which: int, index: Sequence[Any]) -> Expr:
        type_ = self.outputs[which]
        return self._named(e.load(f"o{which}", self._offset(type_, index), type_.dtype))

    def _named(self, value: Expr) -> Expr:
        """A load happens where it is written, whatever is stored later."""
        name = self.fresh("l")
        self.emit(Let(name, value))
        return e.var(name, value.dtype)

    def store(self, which: int, index: Sequence[Any], value: Any) -> None:
        type_ = self.outputs[which]
        self.emit(Store(f"o{which}", self._offset(type_, index), _typed(value, type_.dtype)))

    @contextmanager
    def _block(self) -> Iterator[list[Stmt]]:
        block: list[Stmt] = []
        self._blocks.append(block)
        yield block
        self._blocks.pop()

    @contextmanager
    def parallel(self, extents: Sequence[Dim], work: Dim = 64) -> Iterator[tuple[Expr, ...]]:
        """`work`: about how many elements one instance touches."""
        assert self.chunks == 1 and len(self._blocks) == 1, "one parallel loop, outermost"
        total = product(extents)
        per = maximum(1, floordiv(self.grain, maximum(1, work)))
        whole = isinstance(total, int) and isinstance(per, int) and total <= per
        chunk = index("chunk")
        self.dims.bind(chunk, e.var("chunk"))
        self.chunks = 1 if whole else maximum(1, floordiv(total + per - 1, per))
        begin = self.dims(0 if whole else chunk * per)
        end = self.dims(total if whole else minimum(chunk * per + per, total))
        position = self.fresh("r")
        indices, decode = self._decode(e.var(position), extents)
        with self._block() as block:
            yield indices
        self.emit(For(position, begin, end, (*decode, *block)))

    def _decode(
        self, position: Expr, extents: Sequence[Dim]
    ) -> tuple[tuple[Expr, ...], list[Stmt]]:
        names = [self.fresh("p") for _ in extents]
        decode: list[Stmt] = []
        for name, extent in list(zip(names, extents, strict=True))[:0:-1]:
            decode.append(Let(name, e.rem(position, self.dims(extent))))
            position = position / self.dims(extent)
        if names:
            decode.append(Let(names[0], position))
        return tuple(e.var(n) for n in names), decode

    @contextmanager
    def loop(self, begin: Any, end: Any, vector: bool = False) -> Iterator[Expr]:
        name = self.fresh("k")
        with self._block() as block:
            yield e.var(name)
        wide = vector and self.lanes > 1
        self.emit(
            For(
                name,
                _index(begin),
                _index(end),
                tuple(block),
                *(("vector", self.lanes) if wide else ()),
            )
        )

    def sums(self, begin: Any, end: Any, terms: Callable[[Expr], Sequence[Expr]]) -> list[Expr]:
        variable = self.fresh("k")
        with self._block() as block:
            summands = terms(e.var(variable))
        names = [self.fresh("s") for _ in summands]
        for name, x in zip(names, summands, strict=True):
            self.emit(Declare(name, e.const(0, x.dtype)))
            block.append(Accumulate(name, "sum", x))
        kind: Any = ("vector", self.lanes, CHAINS) if self.lanes > 1 else ()
        self.emit(For(variable, _index(begin), _index(end), tuple(block), *kind))
        return [self._named(e.var(n, x.dtype)) for n, x in zip(names, summands, strict=True)]

    def scratch(self, dtype: DType, elements: int) -> int:
        self.outputs.append(TensorType(dtype, (elements,)))
        which = len(self.outputs) - 1
        self._scratch.append(Alloc(f"o{which}", dtype, max(1, elements)))
        return which

    def turn(self, source: Table, target: Table, rows: Any, columns: Any) -> None:
        read, write = self._rows(source), self._rows(target)
        if self.lanes > 1 and 1 not in (rows, columns):
            sizes = _index(rows), _index(columns)
            self._blocks[-1].extend(squares(read, write, *sizes, self.lanes))
            return
        with self.loop(0, rows) as i, self.loop(0, columns) as j:
            value = self._named(e.load(read.buffer, read.at(i, j), read.dtype))
            self.emit(Store(write.buffer, write.at(j, i), value))

    def _rows(self, table: Table) -> Rows:
        which, index, apart = table
        type_ = self.outputs[which] if which >= 0 else self.inputs[~which]
        buffer = f"o{which}" if which >= 0 else f"a{~which}"
        return Rows(buffer, type_.dtype, self._offset(type_, index), _index(apart))

    def multiply_add(self, a: Any, b: Any, c: Any) -> Expr:
        return e.fma(a, b, c) if self.fused else c + a * b

    @contextmanager
    def repeat(self, condition: Callable[[], Expr]) -> Iterator[None]:
        flag = self.register(condition())
        with self._block() as block:
            yield
            flag.set(condition())
        self.emit(While(e.var(flag._name, flag._dtype), tuple(block)))

    @contextmanager
    def when(self, condition: Expr) -> Iterator[None]:
        with self._block() as block:
            yield
        self.emit(If(condition, tuple(block)))

    def register(self, value: Any) -> _Register:
        typed = value if isinstance(value, Expr) else e.const(value, int64)
        name = self.fresh("m")
        self.emit(Declare(name, typed))
        return _Register(self, name, typed.dtype)

    def check(self, condition: Expr, what: str, value: Any) -> None:
        self.emit(Check(condition, self.fail(what), _index(value)))


def lower_opaque(body: Body, schedule: Schedule, fail: Callable[[Node, str], int]) -> list[Call]:
    """The kernel of a node that writes its own loops."""
    node = body.node
    spaces = [Temporary(t.dtype, t.size) for t in node.op.workspace(node)]
    outputs = [*node.types, *node.op.workspace(node)]
    lanes = schedule.lanes(outputs[0].dtype.bits)
    writer = LoopWriter(
        [x.type for x in node.inputs],
        outputs,
        schedule.grain,
        lambda what: fail(node, what),
        lanes,
        schedule.fused,
    )
    node.op.loops(node, writer)
    params = [Param(f"a{k}", x.dtype) for k, x in enumerate(node.inputs)]
    params += [Param(f"o{k}", t.dtype, True) for k, t in enumerate(outputs)]
    arguments: list[Buffer] = [*node.inputs, *node.outputs, *spaces]
    chunks = writer.dims(writer.chunks)
    kernel = LoopKernel(
        node.op.name, tuple(params), tuple(sorted(writer.dims.sizes)), chunks, writer.body
    )
    return [Call(kernel, tuple(arguments), writer.chunks)]
