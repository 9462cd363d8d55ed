"""Loops and branches in a program's `run`: which nested program runs when, and where its carries
lie.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from graphc.backends.llvm.failing import emit_failure
from graphc.backends.llvm.values import Values
from graphc.backends.lower.kernel import Buffer, Nested
from graphc.backends.lower.reader import DimWriter, size_variable
from graphc.ir.dims import Dim
from graphc.ir.node import Tensor
from graphc.ir.types import TensorType

#: 64-bit words behind a table of sizes: what failed, and with which value.
STATUS_WORDS = 2


def emit_nested(
    values: Values, dims: DimWriter, nested: Nested, prefix: str, pointer: Callable[[Buffer], str]
) -> None:
    """The statements of a scan, while or switch; nested program j is the function PREFIX.j_run."""
    writer = LoopWriter(values, dims, nested, prefix, pointer)
    ways = {"scan": writer.scan, "blocks": writer.blocks}
    ways |= {"while": writer.repeat, "switch": writer.switch}
    ways[nested.node.op.name]()


class LoopWriter:
    """Writes one loop or branch."""

    def __init__(
        self,
        values: Values,
        dims: DimWriter,
        nested: Nested,
        prefix: str,
        pointer: Callable[[Buffer], str],
    ):
        self.values, self.dims, self.nested, self.prefix = values, dims, nested, prefix
        node = nested.node
        self.inputs = [pointer(x) for x in node.inputs]
        self.outputs = [pointer(x) for x in node.outputs]
        self.carries = node.attrs.get("carries", 0)
        count = 2 * self.carries
        places = [pointer(t) for t in nested.scratch]
        self.first, self.second = places[: self.carries], places[self.carries : count]
        self.arenas, self.flag = places[count:-1], places[-1]
        widest = max(
            len(p.inputs) + len(p.outputs) + len(p.variables) + len(p.constants)
            for p in nested.programs
        )
        self.table = f"%table.{prefix}"
        values.emit(f"{self.table} = alloca [{max(widest, 1)} x ptr], align 16")
        values.declare("declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)")
        self.sizes = "%sizes"
        self._labels = 0

    def _label(self, hint: str) -> str:
        self._labels += 1
        return f"{self.prefix}.{hint}.{self._labels}"

    def _start(self, label: str) -> None:
        self.values.lines.append(f"{label}:")

    def _dim(self, d: Dim) -> str:
        return self.values.value(self.dims(d))

    def _bytes(self, x: Tensor) -> str:
        return self._dim(x.type.bytes)

    def _run(self, which: int, pointers: Sequence[str], sizes: str = "%sizes") -> str:
        """Calls a nested program; the name of its code."""
        v = self.values
        for k, pointer in enumerate(pointers):
            at = v.assign(f"getelementptr ptr, ptr {self.table}, i64 {k}")
            v.emit(f"store ptr {pointer}, ptr {at}")
        arguments = f"ptr {self.table}, ptr {sizes}, ptr {self.arenas[which]}"
        return v.assign(f"call i64 @{self.prefix}.{which}_run({arguments})")

    def _copy(self, target: str, source: str, x: Tensor) -> None:
        arguments = f"ptr {target}, ptr {source}, i64 {self._bytes(x)}, i1 false"
        self.values.emit(f"call void @llvm.memcpy.p0.p0.i64({arguments})")

    def _phi(self, name: str, first: str, entry: str, later: str, latch: str) -> str:
        self.values.emit(f"{name} = phi ptr [ {first}, %{entry} ], [ {later}, %{latch} ]")
        return name

    def _rotation(self, entry: str, latch: str) -> tuple[list[str], list[str]]:
        """Pointers to each carry as it comes in and as it goes out: the initial value, then two
        places in turn.
        """
        come, go = [], []
        for k in range(self.carries):
            stem = f"%carry.{self.prefix}.{k}"
            come.append(self._phi(f"{stem}.come", self.inputs[k], entry, f"{stem}.go", latch))
            go.append(self._phi(f"{stem}.go", self.first[k], entry, f"{stem}.next", latch))
            self._phi(f"{stem}.next", self.second[k], entry, f"{stem}.go", latch)
        return come, go

    def _results(self, come: Sequence[str]) -> None:
        for k in range(self.carries):
            self._copy(self.outputs[k], come[k], self.nested.node.attrs["body"].outputs[k])

    def _slice(self, base: str, step: str, position: str) -> str:
        offset = self.values.assign(f"mul i64 {position}, {step}")
        return self.values.assign(f"getelementptr i8, ptr {base}, i64 {offset}")

    def scan(self) -> None:
        attrs = self.nested.node.attrs
        self._steps(self._dim(attrs["length"]), self.sizes, lambda step: step, 0)

    def blocks(self) -> None:
        """Steps of several rows. The body has sizes of its own, which tell how many, and a status
        behind them.
        """
        v, attrs = self.values, self.nested.node.attrs
        length, most = self._dim(attrs["length"]), attrs["most"]
        if attrs["rows"] is None:
            count = v.assign(f"sdiv i64 {length}, {most}")
            self._steps(count, "%sizes", lambda step: v.assign(f"mul i64 {step}, {most}"), 1)
            return
        names = self.nested.programs[0].sizes
        own = len(names)
        sizes = v.assign(f"alloca [{own + STATUS_WORDS} x i64], align 16")
        for k, name in enumerate(names[:-1]):
            self._store(f"i64 {v.names[0][size_variable(name)]}", sizes, k)
        self._copy_words(self._word(sizes, own), "%status")
        v.declare("declare i64 @llvm.smin.i64(i64, i64)")
        more = v.assign(f"add i64 {length}, {most - 1}")

        def first_row(step: str) -> str:
            at = v.assign(f"mul i64 {step}, {most}")
            left = v.assign(f"sub i64 {length}, {at}")
            rows = v.assign(f"call i64 @llvm.smin.i64(i64 {left}, i64 {most})")
            self._store(f"i64 {rows}", sizes, own - 1)
            return at

        self._steps(v.assign(f"sdiv i64 {more}, {most}"), sizes, first_row, 1)
        self._copy_words("%status", self._word(sizes, own))

    def _word(self, table: str, position: int) -> str:
        return self.values.assign(f"getelementptr i64, ptr {table}, i64 {position}")

    def _store(self, value: str, table: str, position: int) -> None:
        self.values.emit(f"store {value}, ptr {self._word(table, position)}")

    def _copy_words(self, target: str, source: str) -> None:
        arguments = f"ptr {target}, ptr {source}, i64 {8 * STATUS_WORDS}, i1 false"
        self.values.emit(f"call void @llvm.memcpy.p0.p0.i64({arguments})")

    def _row_bytes(self, x: Tensor, skip: int) -> str:
        return self._dim(TensorType(x.dtype, x.shape[skip:]).bytes)

    def _steps(self, count: str, sizes: str, first_row: Callable[[str], str], skip: int) -> None:
        """`count` runs of the body, each from the row on that `first_row` gives; the first `skip`
        axes of what it reads and writes of stacks are rows.
        """
        v, node = self.values, self.nested.node
        stacks = node.attrs["stacks"]
        body = node.attrs["body"]
        last = v.assign(f"sub i64 {count}, 1")
        elements = body.inputs[self.carries : self.carries + stacks]
        rows_in = [self._row_bytes(x, skip) for x in elements]
        rows_out = [self._row_bytes(y, skip) for y in body.outputs[self.carries :]]
        for x in body.outputs[: self.carries]:
            self._bytes(x)  # evaluated here, where it holds for the end too
        entry, head, inside, latch, after = (
            self._label(h) for h in ("entry", "head", "body", "latch", "after")
        )
        v.emit(f"br label %{entry}")
        self._start(entry)
        v.emit(f"br label %{head}")
        self._start(head)
        t, following = v.fresh("t"), v.fresh("n")
        v.emit(f"{t} = phi i64 [ 0, %{entry} ], [ {following}, %{latch} ]")
        come, go = self._rotation(entry, latch)
        more = v.assign(f"icmp slt i64 {t}, {count}")
        v.emit(f"br i1 {more}, label %{inside}, label %{after}")
        self._start(inside)
        v.push()
        at = first_row(v.assign(f"sub i64 {last}, {t}") if node.attrs["reverse"] else t)
        given, made = self.inputs[self.carries :], self.outputs[self.carries :]
        xs = [self._slice(p, s, at) for p, s in zip(given, rows_in, strict=False)]
        ys = [self._slice(p, s, at) for p, s in zip(made, rows_out, strict=True)]
        code = self._run(0, [*come, *xs, *given[stacks:], *go, *ys], sizes)
        v.pop()
        good = v.assign(f"icmp eq i64 {code}, 0")
        v.emit(f"br i1 {good}, label %{latch}, label %{after}")
        self._start(latch)
        v.emit(f"{following} = add nsw i64 {t}, 1")
        v.emit(f"br label %{head}")
        self._start(after)
        self._results(come)

    def repeat(self) -> None:
        v = self.values
        shared = self.inputs[self.carries :]
        for x in self.nested.node.attrs["body"].outputs:
            self._bytes(x)  # evaluated here, where it holds for the end too
        entry, head, inside, latch, after, test = (
            self._label(h) for h in ("entry", "head", "body", "latch", "after", "test")
        )
        v.emit(f"br label %{entry}")
        self._start(entry)
        v.emit(f"br label %{head}")
        self._start(head)
        come, go = self._rotation(entry, latch)
        v.push()
        code = self._run(0, [*come, *shared, self.flag])
        good = v.assign(f"icmp eq i64 {code}, 0")
        v.emit(f"br i1 {good}, label %{test}, label %{after}")
        self._start(test)
        flag = v.assign(f"load i8, ptr {self.flag}")
        more = v.assign(f"icmp ne i8 {flag}, 0")
        v.emit(f"br i1 {more}, label %{inside}, label %{after}")
        self._start(inside)
        for d, failure in self.nested.lengths[1]:
            self._refuse_negative(d, failure, after)
        code = self._run(1, [*come, *shared, *go])
        good = v.assign(f"icmp eq i64 {code}, 0")
        v.pop()
        v.emit(f"br i1 {good}, label %{latch}, label %{after}")
        self._start(latch)
        v.emit(f"br label %{head}")
        self._start(after)
        self._results(come)

    def switch(self) -> None:
        v = self.values
        count = len(self.nested.programs)
        chosen = v.assign(f"load i64, ptr {self.inputs[0]}")
        v.declare("declare i64 @llvm.smax.i64(i64, i64)")
        v.declare("declare i64 @llvm.smin.i64(i64, i64)")
        low = v.assign(f"call i64 @llvm.smax.i64(i64 {chosen}, i64 0)")
        index = v.assign(f"call i64 @llvm.smin.i64(i64 {low}, i64 {count - 1})")
        labels, after = [self._label("branch") for _ in range(count)], self._label("after")
        cases = " ".join(f"i64 {k}, label %{label}" for k, label in enumerate(labels[:-1]))
        v.emit(f"switch i64 {index}, label %{labels[-1]} [ {cases} ]")
        for k, label in enumerate(labels):
            self._start(label)
            v.push()
            for d, failure in self.nested.lengths[k]:
                self._refuse_negative(d, failure, after)
            self._run(k, [*self.inputs[1:], *self.outputs])
            v.pop()
            v.emit(f"br label %{after}")
        self._start(after)

    def _refuse_negative(self, d: Dim, code: int, after: str) -> None:
        v, length = self.values, self._dim(d)
        negative, fine = self._label("negative"), self._label("fine")
        bad = v.assign(f"icmp slt i64 {length}, 0")
        v.emit(f"br i1 {bad}, label %{negative}, label %{fine}")
        self._start(negative)
        emit_failure(v, "%status", str(code), length)
        v.emit(f"br label %{after}")
        self._start(fine)
