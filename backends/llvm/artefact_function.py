"""The C function of one program of an artefact, and the one that tells how much memory it needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from graphc.backends.llvm.artefact_sizes import MOST_BYTES
from graphc.backends.llvm.artefact_state import ALIGNMENT, BAD_SIZE, OUT_OF_MEMORY, WRONG_POINTER
from graphc.backends.llvm.values import Values
from graphc.backends.lower.reader import DimWriter, size_variable
from graphc.backends.program import Program, compound_dims, slots
from graphc.ir.node import Tensor


class Function:
    """Writes what C calls of one program; its checks have the codes after `first_code`; a size
    has so many `bits` there.
    """

    def __init__(
        self,
        name: str,
        function: str,
        program: Program,
        first_code: int,
        attributes: str,
        bits: int = 64,
    ):
        self.bits = bits
        self.name, self.symbol = name, f"{name}_{function}"
        self.program, self.first_code, self.attributes = program, first_code, attributes
        self.declarations: dict[str, None] = {}

    def _sizes(self) -> list[str]:
        return [f"i64 %size.{k}" for k in range(len(self.program.sizes))]

    def _planned(self, arrays: Sequence[tuple[str, Tensor]] | None = None) -> list[str]:
        """Lines that refuse other CPUs, negative sizes and pointers to arrays that cannot be used,
        and fill the sizes and the plan.
        """
        program = self.program
        results = 2 + sum(x.ndim for x in program.outputs)
        lines = [
            f"  %wrong = call i32 @{self.name}_check()",
            "  %lacking = icmp ne i32 %wrong, 0",
            "  br i1 %lacking, label %foreign, label %known",
            "known:",
            f"  %sizes = alloca [{slots(program) + 2} x i64], align 16",
            f"  %plan = alloca [{results} x i64], align 16",
        ]
        values, dims = Values(), DimWriter()
        values.names[0].update(
            {size_variable(s): f"%size.{k}" for k, s in enumerate(program.sizes)}
        )
        for k in range(len(program.sizes)):
            values.emit(f"%bad{k} = icmp slt i64 %size.{k}, 0")
            values.emit(f"br i1 %bad{k}, label %refuse, label %fine{k}")
            values.lines.append(f"fine{k}:")
        given = [(k, f"%size.{k}") for k in range(len(program.sizes))]
        given += [(slot, values.value(dims(d))) for slot, d in compound_dims(program)]
        for slot, value in given:
            at = values.assign(f"getelementptr i64, ptr %sizes, i64 {slot}")
            values.emit(f"store i64 {value}, ptr {at}")
        values.emit(f"%unfit = call i64 @{self.symbol}__plan(ptr %sizes, ptr %plan)")
        if program.lengths:
            values.emit("%negative = icmp ne i64 %unfit, 0")
            values.emit("br i1 %negative, label %refuse, label %fit")
            values.lines.append("fit:")
        values.emit("%need = load i64, ptr %plan")
        if arrays is not None:
            self._refuse_pointers(values, dims, arrays)
        self.declarations.update(values.declarations)
        return [*lines, *values.lines]

    def _refuse_pointers(
        self, values: Values, dims: DimWriter, arrays: Sequence[tuple[str, Tensor]]
    ) -> None:
        """Only an array without elements may lie nowhere."""
        stray = "0"
        if self.program.variables:
            nowhere = values.assign("icmp eq ptr %self, null")
            stray = values.assign(f"zext i1 {nowhere} to i64")
        for pointer, x in arrays:
            address = values.assign(f"ptrtoint ptr {pointer} to i64")
            beside = values.assign(f"and i64 {address}, {x.dtype.bytes - 1}")
            nowhere = values.assign(f"icmp eq ptr {pointer}, null")
            size = values.value(dims(x.size))
            count = values.assign(f"select i1 {nowhere}, i64 {size}, i64 {beside}")
            stray = values.assign(f"or i64 {stray}, {count}")
        values.emit(f"%stray = icmp ne i64 {stray}, 0")
        values.emit("br i1 %stray, label %lost, label %found")
        values.lines += ["lost:", f"  ret i32 {WRONG_POINTER}", "found:"]

    def _refusal(self, foreign: str, refused: str) -> list[str]:
        lines = ["foreign:", f"  ret {foreign}"]
        return [*lines, "refuse:", f"  ret {refused}"] if self.program.sizes else lines

    def workspace(self) -> str:
        """Room for alignment is counted in. More than there can be is told as the most."""
        told = ["  ret i64 %bytes"]
        if self.bits == 32:
            told = [f"  %least = call i64 @llvm.umin.i64(i64 %bytes, i64 {MOST_BYTES})"]
            told += ["  %size = trunc i64 %least to i32", "  ret i32 %size"]
            self.declarations["declare i64 @llvm.umin.i64(i64, i64)"] = None
        lines = [
            f"define i{self.bits} @{self.symbol}_workspace({', '.join(self._sizes())}) nounwind "
            f"{self.attributes} {{",
            *self._planned(),
            f"  %bytes = add i64 %need, {ALIGNMENT}",
            *told,
            *self._refusal(f"i{self.bits} 0", f"i{self.bits} 0"),
            "}",
        ]
        return "\n".join(lines)

    def call(self, place: Mapping[Tensor, int], constants: Mapping[Tensor, str]) -> str:
        """The function proper."""
        program = self.program
        pointers = [f"%in{k}" for k in range(len(program.inputs))]
        pointers += [f"%out{k}" for k in range(len(program.outputs))]
        params = ["ptr %self", *self._sizes(), *(f"ptr {p}" for p in pointers), "ptr %workspace"]
        head = f"define i32 @{self.symbol}({', '.join(params)}) nounwind {self.attributes} {{"
        arrays = list(zip(pointers, (*program.inputs, *program.outputs), strict=True))
        lines = [head, *self._planned(arrays)]
        for k, x in enumerate(program.variables):
            lines.append(f"  %var{k} = getelementptr i8, ptr %self, i64 {place[x]}")
            pointers.append(f"%var{k}")
        pointers += [f"@{constants[x]}" for x in program.constants]
        refusal = self._refusal("i32 %wrong", f"i32 {BAD_SIZE}")
        lines += [*_filled(pointers), *self._run(), *refusal, "}"]
        return "\n".join(lines)

    def _run(self) -> list[str]:
        words = {
            "PADDING": 2 * ALIGNMENT - 1,
            "BELOW": ALIGNMENT - 1,
            "ALIGNMENT": ALIGNMENT,
            "MEMORY": OUT_OF_MEMORY,
            "FIRST": self.first_code,
            "RUN": f"{self.symbol}__run",
        }
        text = _RUN.strip("\n")
        for word, value in words.items():
            text = text.replace(word, str(value))
        return text.splitlines()


_RUN = """
  %own = icmp eq ptr %workspace, null
  br i1 %own, label %allocate, label %given
allocate:
  %padded = add i64 %need, PADDING
  %bytes = and i64 %padded, -ALIGNMENT
  %fresh = call ptr @aligned_alloc(i64 ALIGNMENT, i64 %bytes)
  %none = icmp eq ptr %fresh, null
  br i1 %none, label %fail, label %ready
given:
  %address = ptrtoint ptr %workspace to i64
  %up = add i64 %address, BELOW
  %aligned = and i64 %up, -ALIGNMENT
  %rounded = inttoptr i64 %aligned to ptr
  br label %ready
ready:
  %arena = phi ptr [ %fresh, %allocate ], [ %rounded, %given ]
  %code = call i64 @RUN(ptr %bufs, ptr %sizes, ptr %arena)
  br i1 %own, label %release, label %done
release:
  call void @free(ptr %arena)
  br label %done
done:
  %failed = icmp ne i64 %code, 0
  %first = select i1 %failed, i64 FIRST, i64 0
  %global = add i64 %code, %first
  %result = trunc i64 %global to i32
  ret i32 %result
fail:
  ret i32 MEMORY
"""


def _filled(pointers: Sequence[str]) -> Iterable[str]:
    """Lines that fill the table of buffers."""
    lines = [f"  %bufs = alloca [{max(len(pointers), 1)} x ptr], align 16"]
    for k, pointer in enumerate(pointers):
        lines.append(f"  %b{k} = getelementptr ptr, ptr %bufs, i64 {k}")
        lines.append(f"  store ptr {pointer}, ptr %b{k}")
    return lines
