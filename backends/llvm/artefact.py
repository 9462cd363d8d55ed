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
from collections.abc import Mapping

from graphc.backends.llvm.artefact_cpu import WRONG_CPU, any_cpu, cpu_ir
from graphc.backends.llvm.artefact_function import Function
from graphc.backends.llvm.artefact_sizes import with_sizes
from graphc.backends.llvm.artefact_state import (
    BAD_SIZE,
    FILE_ERROR,
    OUT_OF_MEMORY,
    WRONG_FILE,
    WRONG_POINTER,
    array_of,
    datum,
    literal,
    state_ir,
    state_offsets,
)
from graphc.backends.llvm.module import part_of
from graphc.backends.llvm.target import Target
from graphc.backends.program import Program
from graphc.ir.demand import is_demand, said
from graphc.ir.node import Tensor

_MESSAGES = {
    0: "no error",
    OUT_OF_MEMORY: "out of memory",
    BAD_SIZE: "a size is negative, or makes a length negative, a divisor of one zero or a "
    "maximum one of nothing",
    FILE_ERROR: "the file cannot be read or written",
    WRONG_FILE: "the file does not hold these variables",
    WRONG_CPU: "this CPU lacks instructions that the library was compiled for",
    WRONG_POINTER: "a pointer is NULL or not aligned for its elements",
}


def error_messages(programs: Mapping[str, Program]) -> dict[int, str]:
    """The meaning of each code that functions return; checks are numbered over all programs."""
    found = dict(_MESSAGES)
    for program in programs.values():
        for failure in program.failures:
            where = f" (at {failure.node.source})" if failure.node.source else ""
            what = f"an index is out of range for {failure.subject}{where}"
            if is_demand(failure.what):
                what = f"{said(failure.subject, 'negative')}{where}"
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
        entry = Function(
            name, function, program, first_code, attributes, target.architecture.pointer_bits
        )
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
    return with_sizes(_declared_once("\n".join(text)), target.architecture.pointer_bits)


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
