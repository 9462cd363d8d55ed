"""Spells a loop kernel as one LLVM function: `void NAME(ptr frame, i64 chunk)`.

The frame is a table of 64-bit words: a pointer to the status (code, value), the buffers' addresses,
then the sizes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from graphc.backends.llvm.failing import emit_failure
from graphc.backends.llvm.order import ordered
from graphc.backends.llvm.outside import names_from_outside
from graphc.backends.llvm.types import scalar_type, vector_type
from graphc.backends.llvm.values import Values
from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.invariants import Changes, invariants
from graphc.backends.loops.stmt import (
    Alloc,
    Apart,
    Assign,
    Check,
    Comment,
    Declare,
    Fence,
    For,
    If,
    Let,
    LoopKernel,
    Prefetch,
    Stmt,
    Store,
    While,
)  # fmt: skip
from graphc.ir.dtypes import bool_, int64


class KernelFunction:
    """The text of a kernel's function; `aliased` buffers may share memory with others."""

    def __init__(self, kernel: LoopKernel, name: str, aliased: frozenset[str] = frozenset()):
        self.kernel, self.name, self.aliased = kernel, name, aliased
        self.values = Values()
        self.changes = Changes()
        self.slots: list[str] = []
        self.parts: list[str] = []
        self._labels = 0

    def text(self) -> tuple[str, dict[str, None]]:
        """The function and the declarations it needs."""
        kernel, names = self.kernel, self.values.names[0]
        for p in kernel.buffers:
            names[p.name] = f"%{p.name}"
        for size in kernel.sizes:
            names[size] = f"%size.{size}"
        names["chunk"] = "%chunk"
        self._body(kernel.body)
        quiet = [
            f"ptr{' noalias' if p.name not in self.aliased else ''} %{p.name}"
            for p in kernel.buffers
        ]
        params = ", ".join(
            ["ptr %status", *quiet, *(f"i64 %size.{s}" for s in kernel.sizes), "i64 %chunk"]
        )
        lines = [*self._lines(f"{self.name}.body", params), *self._wrapper(), *self.parts]
        return "\n".join(lines) + "\n", self.values.declarations

    def _lines(self, name: str, params: str) -> list[str]:
        """A function of what was written."""
        return [
            f"define internal void @{name}({params}) noinline nounwind {{",
            "entry:", "  %zeros = alloca i64, align 8", "  store i64 0, ptr %zeros", *self.slots,
            *ordered(self.values.lines), "  ret void", "}",
        ]  # fmt: skip

    def _wrapper(self) -> list[str]:
        words = [
            "status",
            *(p.name for p in self.kernel.buffers),
            *(f"size.{s}" for s in self.kernel.sizes),
        ]
        lines = [f"define internal void @{self.name}(ptr %frame, i64 %chunk) nounwind {{"]
        for k, word in enumerate(words):
            kind = "i64" if word.startswith("size.") else "ptr"
            lines.append(f"  %{word}.at = getelementptr i64, ptr %frame, i64 {k}")
            lines.append(f"  %{word} = load {kind}, ptr %{word}.at")
        args = [f"{'i64' if w.startswith('size.') else 'ptr'} %{w}" for w in words]
        lines.append(f"  call void @{self.name}.body({', '.join([*args, 'i64 %chunk'])})")
        return [*lines, "  ret void", "}"]

    # --- statements -------------------------------------------------------------------------------

    def _label(self, hint: str) -> str:
        self._labels += 1
        return f"{hint}.{self._labels}"

    def _start(self, label: str) -> None:
        self.values.lines.append(f"{label}:")

    def _body(self, body: Sequence[Stmt]) -> None:
        for s in body:
            getattr(self, f"_{type(s).__name__.lower()}")(s)

    def _scope(self, body: Sequence[Stmt]) -> None:
        self.values.push()
        self._body(body)
        self.values.pop()

    def _comment(self, s: Comment) -> None:
        self.values.emit(f"; {s.text}")

    def _let(self, s: Let) -> None:
        self.values.names[-1][s.name] = self.values.value(s.value)

    def _declare(self, s: Declare) -> None:
        if s.name not in self.values.registers:
            slot = f"%reg.{s.name}"
            type_ = vector_type(scalar_type(s.value.dtype), s.value.lanes)
            self.slots.append(f"  {slot} = alloca {type_}")
            self.values.registers[s.name] = (slot, s.value.dtype, s.value.lanes)
        self._assign(Assign(s.name, s.value))

    def _assign(self, s: Assign) -> None:
        slot = self.values.registers[s.name][0]
        self.values.emit(f"store {self.values.typed(s.value)}, ptr {slot}")
        self.values.changed(s.name)

    def _store(self, s: Store) -> None:
        if s.mask is not None and s.value.lanes == 1:
            self._if(If(s.mask, (Store(s.buffer, s.index, s.value),)))
        elif s.stream is None or s.mask is not None or s.buffer in self.aliased:
            self.values.store(s.buffer, s.index, s.value, s.mask)
        else:
            self._streamed(s, s.stream)

    def _streamed(self, s: Store, stream: Expr) -> None:
        if stream.op == "const":
            self.values.store(s.buffer, s.index, s.value, None, stream=True)
            return
        self.values.value(s.value)  # once, before the branches
        cached = Store(s.buffer, s.index, s.value)
        self._if(If(stream, (replace(s, stream=e.const(True, bool_)),), (cached,)))

    def _fence(self, s: Fence) -> None:
        self.values.emit("fence seq_cst")

    def _prefetch(self, s: Prefetch) -> None:
        dtype = next(p.dtype for p in self.kernel.buffers if p.name == s.buffer)
        self.values.prefetch(s.buffer, s.index, dtype, s.written)

    def _alloc(self, s: Alloc) -> None:
        element = scalar_type(s.dtype) if s.dtype.kind != "b" else "i8"
        self.slots.append(f"  %{s.buffer} = alloca [{s.size} x {element}], align 64")
        self.values.names[0][s.buffer] = f"%{s.buffer}"

    def _invalidate(self, s: For | While | If | Apart) -> None:
        """What a loop changes is unknown at its head, and what a branch does after it."""
        for what in self.changes.inside(s)[1]:
            self.values.changed(what)

    def _for(self, s: For) -> None:
        if s.end - s.begin is e.const(1, int64):
            self._once(s)
        else:
            self._counted(s, self.values.value(s.begin), 1)

    def _once(self, s: For) -> None:
        """A loop of one iteration."""
        self.values.push()
        self.values.names[-1][s.var] = self.values.value(s.begin)
        self._body(s.body)
        self.values.pop()

    def _counted(self, s: For, begin: str, step: int) -> None:
        """The loop from a value on, in steps."""
        v = self.values
        end = v.value(s.end)
        head, inside, after = self._label("head"), self._label("loop"), self._label("after")
        before = self._label("before")
        index, following = v.fresh("i"), v.fresh("n")
        for x in invariants(s, self.changes):
            v.value(x)  # which may take branches of its own
        v.emit(f"br label %{before}")
        self._start(before)
        v.emit(f"br label %{head}")
        self._start(head)
        latch = self._label("latch")
        v.emit(f"{index} = phi i64 [ {begin}, %{before} ], [ {following}, %{latch} ]")
        more = v.assign(f"icmp slt i64 {index}, {end}")
        v.emit(f"br i1 {more}, label %{inside}, label %{after}")
        self._start(inside)
        self._invalidate(s)
        v.push()
        v.names[-1][s.var] = index
        self._body(s.body)
        v.pop()
        v.emit(f"br label %{latch}")
        self._start(latch)
        v.emit(f"{following} = add nsw i64 {index}, {step}")
        v.emit(f"br label %{head}")
        self._start(after)
        self._invalidate(s)

    def _while(self, s: While) -> None:
        v = self.values
        head, inside, after = self._label("head"), self._label("while"), self._label("after")
        v.emit(f"br label %{head}")
        self._start(head)
        self._invalidate(s)
        v.push()
        condition = v.value(s.condition)
        v.emit(f"br i1 {condition}, label %{inside}, label %{after}")
        self._start(inside)
        self._body(s.body)
        v.pop()
        v.emit(f"br label %{head}")
        self._start(after)
        self._invalidate(s)

    def _if(self, s: If) -> None:
        if s.condition.op == "const":
            self._scope(s.then if s.condition.attr else s.orelse)
            return
        v = self.values
        yes, no, after = self._label("then"), self._label("else"), self._label("after")
        v.emit(f"br i1 {v.value(s.condition)}, label %{yes}, label %{no}")
        for label, body in ((yes, s.then), (no, s.orelse)):
            self._start(label)
            self._scope(body)
            v.emit(f"br label %{after}")
        self._start(after)
        self._invalidate(s)

    def _apart(self, s: Apart) -> None:
        """Calls a function for a body, which gets what it uses as arguments, under names that none
        of the values that it makes can have: those end in a number.
        """
        names = names_from_outside(s.body)
        given = {name: f"%{name}.given" for name in names}
        part = KernelFunction(self.kernel, f"{self.name}.{len(self.parts)}", self.aliased)
        part.values.names[0].update(given)
        part._body(s.body)
        params, arguments = ["ptr %status"], ["ptr %status"]
        for name, type_ in names.items():
            alone = " noalias" if type_ == "ptr" and name not in self.aliased else ""
            params.append(f"{type_}{alone} {given[name]}")
            arguments.append(f"{type_} {self.values.named(name)}")
        self.parts += part._lines(part.name, ", ".join(params))
        self.values.declarations.update(part.values.declarations)
        self.values.emit(f"call void @{part.name}({', '.join(arguments)})")
        self._invalidate(s)

    def _check(self, s: Check) -> None:
        v = self.values
        bad: Expr = ~s.condition
        value = s.value
        if bad.lanes > 1:
            value = e.across(
                "max",
                e.select(
                    bad,
                    e.broadcast(value, bad.lanes),
                    e.broadcast(e.const(-(2**63), int64), bad.lanes),
                ),
            )
            bad = e.across("or", bad)
        failed, after = self._label("failed"), self._label("after")
        v.emit(f"br i1 {v.value(bad)}, label %{failed}, label %{after}")
        self._start(failed)
        v.push()
        emit_failure(v, "%status", str(s.code), v.value(value))
        v.pop()
        v.emit(f"br label %{after}")
        self._start(after)
