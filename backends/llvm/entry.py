"""The two functions of a program that callers call: `plan` (checks, sizes, memory) and `run` (the
kernels in order).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from graphc.backends.llvm.values import Values
from graphc.backends.lower.kernel import Buffer, Call, Nested
from graphc.backends.lower.reader import DimWriter, size_variable
from graphc.backends.memory import Place, holder
from graphc.backends.program import Program, compound_dims, slots, total_bytes
from graphc.ir.dims import Dim
from graphc.ops.loops.bands import chunks_of

if TYPE_CHECKING:
    from graphc.backends.llvm.timers import Timers


class Entry:
    """Writes the two entry functions."""

    def __init__(
        self, program: Program, kernels: Sequence[str], prefix: str, timers: Timers | None
    ):
        self.program, self.kernels, self.prefix, self.timers = program, kernels, prefix, timers
        self.declarations: dict[str, None] = {}
        self.outlined: dict[str, str] = {}

    def _values(self) -> tuple[Values, DimWriter]:
        values = Values()
        for k, name in enumerate(self.program.sizes):
            at = values.assign(f"getelementptr i64, ptr %sizes, i64 {k}")
            values.names[0][size_variable(name)] = values.assign(f"load i64, ptr {at}", "size")
        return values, DimWriter()

    def _dim(self, values: Values, dims: DimWriter, d: Dim) -> str:
        return values.value(dims(d))

    def plan(self) -> str:
        """Text of the function that checks compound dimensions and lengths, and tells sizes.

        It is i64 plan(sizes, out); out = arena bytes, work in bytes, dimensions of the outputs.
        """
        program = self.program
        values, dims = self._values()
        for number, (slot, wanted) in enumerate(compound_dims(program)):
            at = values.assign(f"getelementptr i64, ptr %sizes, i64 {slot}")
            came = values.assign(f"load i64, ptr {at}")
            same = values.assign(f"icmp eq i64 {came}, {self._dim(values, dims, wanted)}")
            values.emit(f"br i1 {same}, label %ok{number}, label %bad{number}")
            values.lines.append(f"bad{number}:")
            values.emit(f"ret i64 {number + 1}")
            values.lines.append(f"ok{number}:")
        for k, d in enumerate(program.lengths):
            least = values.assign(f"icmp sge i64 {self._dim(values, dims, d)}, 0")
            values.emit(f"br i1 {least}, label %long{k}, label %short{k}")
            values.lines.append(f"short{k}:")
            values.emit(f"ret i64 {len(compound_dims(program)) + k + 1}")
            values.lines.append(f"long{k}:")
        out: list[Dim] = [program.plan.arena_bytes, total_bytes(program)]
        out += [d for x in program.outputs for d in x.shape]
        for k, d in enumerate(out):
            at = values.assign(f"getelementptr i64, ptr %out, i64 {k}")
            values.emit(f"store i64 {self._dim(values, dims, d)}, ptr {at}")
        values.emit("ret i64 0")
        self.declarations.update(values.declarations)
        return "\n".join(
            [
                f"define i64 @{self.prefix}_plan(ptr %sizes, ptr %out) nounwind {{",
                *values.lines,
                "}",
            ]
        )

    def run(self) -> str:
        """Text of the function that runs every kernel in order, and stops before variables change
        if a check failed.

        It is i64 run(bufs, sizes, arena).
        """
        program = self.program
        values, dims = self._values()
        values.emit(f"%status = getelementptr i64, ptr %sizes, i64 {slots(program)}")
        if program.frame is None:
            values.emit("store i64 0, ptr %status")
        kernels = [c for c in program.calls if isinstance(c, Call)]
        widest = max((1 + len(c.arguments) + len(c.kernel.sizes) for c in kernels), default=1)
        values.emit(f"%frame = alloca [{widest} x i64], align 16")
        self._pointers: dict[Place, str] = {}
        for k, (call, kernel) in enumerate(zip(program.calls, self.kernels, strict=True)):
            if k == program.first_commit and program.failures:
                self._stop_if_failed(values, k)
            if isinstance(call, Nested):
                self._nested(values, dims, call, kernel)
            else:
                begun = self.timers and self.timers.begin(values)
                self._call(values, dims, call, kernel)
                if self.timers and begun:
                    self.timers.end(values, program, k, begun)
        code = values.assign("load i64, ptr %status")
        values.emit(f"ret i64 {code}")
        self.declarations.update(values.declarations)
        internal = "internal " if program.frame else ""
        head = f"define {internal}i64 @{self.prefix}_run(ptr %bufs, ptr %sizes, ptr %arena)"
        return "\n".join([f"{head} nounwind {{", *values.lines, "}"])

    def _stop_if_failed(self, values: Values, k: int) -> None:
        code = values.assign("load i64, ptr %status")
        good = values.assign(f"icmp eq i64 {code}, 0")
        values.emit(f"br i1 {good}, label %good{k}, label %failed{k}")
        values.lines.append(f"failed{k}:")
        values.emit(f"ret i64 {code}")
        values.lines.append(f"good{k}:")

    def _call(self, values: Values, dims: DimWriter, call: Call, kernel: str) -> None:
        words = ["ptr %status"]
        words += [f"ptr {self._pointer(values, dims, b)}" for b in call.arguments]
        words += [f"i64 {values.names[0][s]}" for s in call.kernel.sizes]
        for k, word in enumerate(words):
            at = values.assign(f"getelementptr i64, ptr %frame, i64 {k}")
            values.emit(f"store {word}, ptr {at}")
        if call.chunks == 1:
            values.emit(f"call void @{kernel}(ptr %frame, i64 0)")
            return
        chunks = self._dim(values, dims, call.chunks)
        if self.program.alone:
            self._in_turn(values, kernel, chunks)
        else:
            values.emit(f"call void @gc_parallel(ptr @{kernel}, ptr %frame, i64 {chunks})")

    def _in_turn(self, values: Values, kernel: str, chunks: str, frame: str = "%frame") -> None:
        """All chunks of a kernel on the calling thread."""
        chunk, following = values.fresh("chunk"), values.fresh("next")
        before, head, inside, after = (
            f"{part}.{chunk[1:]}" for part in ("before", "head", "inside", "after")
        )
        values.emit(f"br label %{before}")
        values.lines.append(f"{before}:")
        values.emit(f"br label %{head}")
        values.lines.append(f"{head}:")
        values.emit(f"{chunk} = phi i64 [ 0, %{before} ], [ {following}, %{inside} ]")
        more = values.assign(f"icmp slt i64 {chunk}, {chunks}")
        values.emit(f"br i1 {more}, label %{inside}, label %{after}")
        values.lines.append(f"{inside}:")
        values.emit(f"call void @{kernel}(ptr {frame}, i64 {chunk})")
        values.emit(f"{following} = add nsw i64 {chunk}, 1")
        values.emit(f"br label %{head}")
        values.lines.append(f"{after}:")

    def _nested(self, values: Values, dims: DimWriter, call: Nested, prefix: str) -> None:
        def pointer(buffer: Buffer) -> str:
            return self._pointer(values, dims, buffer)

        if call.node.op.name == "bands":
            self._bands(values, dims, call, prefix, pointer)
            return
        if call.node.op.name != "strips":
            from graphc.backends.llvm.nested import emit_nested

            emit_nested(values, dims, call, prefix, pointer)
            return
        from graphc.backends.llvm.strips import emit_strips, strip_function

        count = self._dim(values, dims, call.node.attrs["count"])
        emit_strips(values, call, prefix, count, pointer)
        own, its_dims = self._values()
        text = strip_function(own, its_dims, call, prefix, slots(self.program))
        self.outlined[f"{prefix}.strip"] = text
        self.declarations.update(own.declarations)

    def _bands(
        self,
        values: Values,
        dims: DimWriter,
        call: Nested,
        prefix: str,
        pointer: Callable[[Buffer], str],
    ) -> None:
        from graphc.backends.llvm.bands import bands_function
        from graphc.backends.llvm.frames import emit_frame

        frame = emit_frame(values, call, prefix, pointer)
        chunks = self._dim(values, dims, chunks_of(call.node.attrs))
        if self.program.alone:
            self._in_turn(values, f"{prefix}.bands", chunks, frame)
        else:
            values.emit(f"call void @gc_parallel(ptr @{prefix}.bands, ptr {frame}, i64 {chunks})")
        own, its_dims = self._values()
        text = bands_function(own, its_dims, call, prefix, slots(self.program))
        self.outlined[f"{prefix}.bands"] = text
        self.declarations.update(own.declarations)

    def _pointer(self, values: Values, dims: DimWriter, buffer: Buffer) -> str:
        program = self.program
        place = program.plan.places[holder(buffer)]
        if place not in self._pointers:
            if place.kind == "arena":
                offset = self._dim(values, dims, program.plan.slots[place.number].offset)
                self._pointers[place] = values.assign(f"getelementptr i8, ptr %arena, i64 {offset}")
            else:
                position = _first_buffers(program)[place.kind] + place.number
                at = values.assign(f"getelementptr ptr, ptr %bufs, i64 {position}")
                self._pointers[place] = values.assign(f"load ptr, ptr {at}")
        return self._pointers[place]


def _first_buffers(program: Program) -> dict[str, int]:
    """Where each kind of buffer begins in the table that the entry takes."""
    outputs = len(program.inputs)
    variables = outputs + len(program.outputs)
    constants = variables + len(program.variables)
    return {"input": 0, "output": outputs, "variable": variables, "constant": constants}
