"""Loops and branches in a program's `run`: which nested program runs when, and where its carries
lie.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from graphc.backends.llvm.values import Values
from graphc.backends.lower.kernel import Buffer, Nested
from graphc.backends.lower.reader import DimWriter
from graphc.ir.dims import Dim
from graphc.ir.node import Tensor


def emit_nested(
    values: Values, dims: DimWriter, nested: Nested, prefix: str, pointer: Callable[[Buffer], str]
) -> None:
    """The statements of a scan, while or switch; nested program j is the function PREFIX.j_run."""
    writer = _Writer(values, dims, nested, prefix, pointer)
    {"scan": writer.scan, "while": writer.repeat, "switch": writer.switch}[nested.node.op.name]()


class _Writer:
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
        widest = max(len(p.inputs) + len(p.outputs) + len(p.constants) for p in nested.programs)
        self.table = f"%table.{prefix}"
        values.emit(f"{self.table} = alloca [{max(widest, 1)} x ptr], align 16")
        values.declare("declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)")
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

    def _run(self, which: int, pointers: Sequence[str]) -> str:
        """Calls a nested program; the name of its code."""
        v = self.values
        for k, pointer in enumerate(pointers):
            at = v.assign(f"getelementptr ptr, ptr {self.table}, i64 {k}")
            v.emit(f"store ptr {pointer}, ptr {at}")
        arguments = f"ptr {self.table}, ptr %sizes, ptr {self.arenas[which]}"
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
            self._copy(self.outputs[k], come[k], self.nested.node.outputs[k])

    def _slice(self, base: str, step: str, position: str) -> str:
        offset = self.values.assign(f"mul i64 {position}, {step}")
        return self.values.assign(f"getelementptr i8, ptr {base}, i64 {offset}")

    def scan(self) -> None:
        v, node = self.values, self.nested.node
        stacks = node.attrs["stacks"]
        body = node.attrs["body"]
        length = self._dim(node.attrs["length"])
        last = v.assign(f"sub i64 {length}, 1")
        elements = body.inputs[self.carries : self.carries + stacks]
        steps_in = [self._bytes(x) for x in elements]
        steps_out = [self._bytes(y) for y in body.outputs[self.carries :]]
        for x in node.outputs[: self.carries]:
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
        more = v.assign(f"icmp slt i64 {t}, {length}")
        v.emit(f"br i1 {more}, label %{inside}, label %{after}")
        self._start(inside)
        v.push()
        at = v.assign(f"sub i64 {last}, {t}") if node.attrs["reverse"] else t
        xs = [
            self._slice(p, s, at)
            for p, s in zip(
                self.inputs[self.carries : self.carries + stacks], steps_in, strict=True
            )
        ]
        ys = [
            self._slice(p, s, at)
            for p, s in zip(self.outputs[self.carries :], steps_out, strict=True)
        ]
        code = self._run(0, [*come, *xs, *self.inputs[self.carries + stacks :], *go, *ys])
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
        for x in self.nested.node.outputs:
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
            self._run(k, [*self.inputs[1:], *self.outputs])
            v.pop()
            v.emit(f"br label %{after}")
        self._start(after)
