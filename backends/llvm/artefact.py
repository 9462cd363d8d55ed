"""The C functions of an artefact as LLVM IR: state, and one function for each program over it.

    int NAME_check(void)                    0, or an error code: whether this CPU can run the code
    const char *NAME_interface(void)        what functions take and give, as JSON
    NAME *NAME_create(void)                 a new state with the variables' values at export
    void NAME_destroy(NAME *)
    void *NAME_variable(NAME *, int k)      where variable k lies, NULL if there is none
    int NAME_save(const NAME *, path)       0, or an error code
    int NAME_load(NAME *, path)
    size_t NAME_FUNCTION_workspace(sizes)   bytes of workspace that a call needs
    int NAME_FUNCTION(NAME *, sizes, inputs, outputs, workspace)
                                            a NULL workspace is allocated for the call
    const char *NAME_error(int code)        what an error code means
    void NAME_set_threads(int)

Everything else in the module is internal, so that several artefacts fit into one program.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from graphc.backends.failures import LENGTH
from graphc.backends.llvm.artefact_cpu import WRONG_CPU, any_cpu, cpu_ir
from graphc.backends.llvm.artefact_state import (
    ALIGNMENT,
    BAD_SIZE,
    FILE_ERROR,
    OUT_OF_MEMORY,
    WRONG_FILE,
    array_of,
    datum,
    literal,
    state_ir,
    state_offsets,
)
from graphc.backends.llvm.module import part_of
from graphc.backends.llvm.target import Target
from graphc.backends.llvm.values import Values
from graphc.backends.lower.reader import DimWriter, size_variable
from graphc.backends.program import Program, compound_dims, slots
from graphc.ir.node import Tensor

_MESSAGES = {
    0: "no error",
    OUT_OF_MEMORY: "out of memory",
    BAD_SIZE: "a size is negative, or makes a length negative",
    FILE_ERROR: "the file cannot be read or written",
    WRONG_FILE: "the file does not hold these variables",
    WRONG_CPU: "this CPU lacks instructions that the library was compiled for",
}


def error_messages(programs: Mapping[str, Program]) -> dict[int, str]:
    """The meaning of each code that functions return; checks are numbered over all programs."""
    found = dict(_MESSAGES)
    for program in programs.values():
        for failure in program.failures:
            where = f" (at {failure.node.source})" if failure.node.source else ""
            what = f"an index is out of range for {failure.subject}{where}"
            if failure.what.startswith(LENGTH):
                what = f"{failure.subject} would be negative{where}"
            found[max(found) + 1] = f"{failure.function}: {what}"
    return found


def artefact_ir(
    name: str,
    programs: Mapping[str, Program],
    variables: Mapping[str, Tensor],
    runtime: str,
    target: Target,
    interface: str = "{}",
    apart: dict[str, bytes] | None = None,
) -> str:
    """The module of an artefact; `runtime` is the thread pool's IR, `interface` what the library
    tells of itself. Big arrays are put into `apart`, if there is one, by the names under which the
    module expects them in its object.
    """
    states = list(variables.values())
    place = dict(zip(states, state_offsets(states)[0], strict=True))
    attributes = any_cpu(target)
    functions: dict[str, str] = {}
    declarations: dict[str, None] = {}
    constants: dict[Tensor, str] = {}
    entries: list[str] = []
    first_code = 0
    for function, program in programs.items():
        part = part_of(program, f"{name}_{function}_")
        functions.update(part.functions)
        declarations.update(part.declarations)
        for x in program.constants:
            constants.setdefault(x, f"{name}.constant.{len(constants)}")
        entry = _Function(name, function, program, first_code, attributes)
        entries += [entry.workspace(), entry.call(place, constants)]
        declarations.update(entry.declarations)
        first_code += len(program.failures)
    inside = "\n".join([*functions.values(), runtime])
    inside = re.sub(r"^define (?!internal)", "define internal ", inside, flags=re.M)
    for function in ("gc_stop_threads()", "gc_set_threads(i32 %wish)"):  # called as they are
        inside = inside.replace(f"@{function} {{", f"@{function} {attributes} {{")
    text = [
        *declarations,
        *_data(constants, apart),
        cpu_ir(name, target),
        state_ir(name, variables, apart, attributes),
        inside,
        *entries,
        _set_threads(name, attributes),
        _interface(name, interface, attributes),
        _error(name, error_messages(programs), attributes),
    ]
    return _declared_once("\n".join(text))


def _data(constants: Mapping[Tensor, str], apart: dict[str, bytes] | None) -> list[str]:
    """The constant arrays; an empty one has an address too."""
    return [datum(name, array_of(x).tobytes() or bytes(1), apart) for x, name in constants.items()]


def _declared_once(text: str) -> str:
    """The module without declarations of what it defines or has declared before."""
    known = set(re.findall(r"^define [^@\n]*(@[\w.$]+)\(", text, re.M))
    lines: list[str] = []
    for line in text.splitlines():
        name = re.match(r"declare [^@]*(@[\w.$]+)\(", line)
        if name is None:
            lines.append(line)
        elif name[1] not in known:
            known.add(name[1])
            lines.append(line)
    return "\n".join(lines) + "\n"


def _interface(name: str, text: str, attributes: str) -> str:
    return f"""
@interface = internal constant {literal(text.encode() + bytes(1))}
define ptr @{name}_interface() nounwind {attributes} {{
  ret ptr @interface
}}
"""


def _set_threads(name: str, attributes: str) -> str:
    return f"""
define void @{name}_set_threads(i32 %count) nounwind {attributes} {{
  call void @gc_set_threads(i32 %count)
  ret void
}}
"""


def _error(name: str, messages: Mapping[int, str], attributes: str) -> str:
    texts = {**messages, max(messages) + 1: "unknown error"}
    lines = [
        f"@message.{k} = internal constant {literal(text.encode() + bytes(1))}"
        for k, text in enumerate(texts.values())
    ]
    lines.append(f"define ptr @{name}_error(i32 %code) nounwind {attributes} {{")
    lines.append(f"  switch i32 %code, label %m{len(messages)} [")
    lines += [f"    i32 {code}, label %m{k}" for k, code in enumerate(messages)]
    lines.append("  ]")
    for k in range(len(texts)):
        lines += [f"m{k}:", f"  ret ptr @message.{k}"]
    return "\n".join([*lines, "}"])


class _Function:
    """Writes what C calls of one program; its checks have the codes after `first_code`."""

    def __init__(
        self, name: str, function: str, program: Program, first_code: int, attributes: str
    ):
        self.name, self.symbol = name, f"{name}_{function}"
        self.program, self.first_code, self.attributes = program, first_code, attributes
        self.declarations: dict[str, None] = {}

    def _sizes(self) -> list[str]:
        return [f"i64 %size.{k}" for k in range(len(self.program.sizes))]

    def _planned(self) -> list[str]:
        """Lines that refuse other CPUs and negative sizes, and fill the sizes and the plan."""
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
        self.declarations.update(values.declarations)
        return [*lines, *values.lines]

    def _refusal(self, foreign: str, refused: str) -> list[str]:
        lines = ["foreign:", f"  ret {foreign}"]
        return [*lines, "refuse:", f"  ret {refused}"] if self.program.sizes else lines

    def workspace(self) -> str:
        """Room for alignment is counted in."""
        lines = [
            f"define i64 @{self.symbol}_workspace({', '.join(self._sizes())}) nounwind "
            f"{self.attributes} {{",
            *self._planned(),
            f"  %bytes = add i64 %need, {ALIGNMENT}",
            "  ret i64 %bytes",
            *self._refusal("i64 0", "i64 0"),
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
        lines = [head, *self._planned()]
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
