"""The C functions of an artefact as LLVM IR: state, and one function for each program over it.

    NAME *NAME_create(void)                 a new state with the variables' values at export; NULL without memory
    void NAME_destroy(NAME *)
    size_t NAME_FUNCTION_workspace(sizes)   bytes of workspace that a call needs
    int NAME_FUNCTION(NAME *, sizes, inputs, outputs, workspace)
                                            0, or an error code; a NULL workspace is allocated for the call
    void *NAME_variable(NAME *, int k)      where variable k lies, NULL if there is none
    void NAME_set_threads(int)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from graphc.backends.llvm.module import compound_dims, part_of, slots
from graphc.backends.program import Program
from graphc.ir.node import Tensor

ALIGNMENT = 64
OUT_OF_MEMORY = -1


def state_offsets(variables: Sequence[Tensor]) -> tuple[list[int], int]:
    """Where each variable lies in the state, and the state's size in bytes."""
    offsets: list[int] = []
    total = 0
    for x in variables:
        offsets.append(total)
        total += -(-array_of(x).nbytes // ALIGNMENT) * ALIGNMENT
    return offsets, max(total, ALIGNMENT)


def array_of(x: Tensor) -> np.ndarray:
    """The array of a variable or constant."""
    attrs = x.node.attrs
    array: np.ndarray = attrs["state"].array if x.node.op.name == "variable" else attrs["value"].array
    return array


def artefact_ir(name: str, programs: Mapping[str, Program], variables: Sequence[Tensor], runtime: str) -> str:
    """The module of an artefact; `runtime` is the thread pool's IR."""
    functions: dict[str, str] = {}
    declarations: dict[str, None] = {}
    offsets, size = state_offsets(variables)
    place = dict(zip(variables, offsets, strict=True))
    constants: dict[Tensor, str] = {}
    for function, program in programs.items():
        part = part_of(program, f"{name}_{function}_")
        functions.update(part.functions)
        declarations.update(part.declarations)
        for x in program.constants:
            constants.setdefault(x, f"@constant.{len(constants)}")
        functions[f"c {function}"] = _workspace(name, function, program)
        functions[f"c {function} run"] = _function(name, function, program, place, constants)
    declarations.pop("declare void @gc_parallel(ptr, ptr, i64)")
    data = [f"{label} = internal constant {_literal(array_of(x).tobytes() or bytes(1))}, align {ALIGNMENT}" for x, label in constants.items()]
    data.append(f"@initial = internal constant {_initial(variables, offsets, size)}, align {ALIGNMENT}")
    hidden = runtime.replace("define void @gc_", "define hidden void @gc_").replace("define i32 @gc_", "define hidden i32 @gc_")
    text = [*data, _state(name, size, offsets), *functions.values(), hidden]
    known = {line.split("(")[0] for line in hidden.splitlines() if line.startswith("declare")}
    text += [d for d in declarations if d.split("(")[0] not in known]
    internal = "\n".join(text)
    for function in programs:
        for entry in ("plan", "run"):
            internal = internal.replace(f"define i64 @{name}_{function}__{entry}(", f"define internal i64 @{name}_{function}__{entry}(")
    return internal + "\n"


def _literal(raw: bytes) -> str:
    text = "".join(f"\\{byte:02X}" for byte in raw)
    return f'[{len(raw)} x i8] c"{text}"'


def _initial(variables: Sequence[Tensor], offsets: Sequence[int], size: int) -> str:
    raw = bytearray(size)
    for x, offset in zip(variables, offsets, strict=True):
        data = array_of(x).tobytes()
        raw[offset : offset + len(data)] = data
    return _literal(bytes(raw))


def _state(name: str, size: int, offsets: Sequence[int]) -> str:
    cases = "\n".join(f"    i32 {k}, label %at{k}" for k in range(len(offsets)))
    blocks = "\n".join(
        f"at{k}:\n  %p{k} = getelementptr i8, ptr %self, i64 {offset}\n  ret ptr %p{k}" for k, offset in enumerate(offsets)
    )
    return f"""declare ptr @aligned_alloc(i64, i64)
declare void @free(ptr)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)

define ptr @{name}_create() nounwind {{
  %self = call ptr @aligned_alloc(i64 {ALIGNMENT}, i64 {size})
  %none = icmp eq ptr %self, null
  br i1 %none, label %fail, label %fill
fill:
  call void @llvm.memcpy.p0.p0.i64(ptr %self, ptr @initial, i64 {size}, i1 false)
  ret ptr %self
fail:
  ret ptr null
}}

define void @{name}_destroy(ptr %self) nounwind {{
  call void @free(ptr %self)
  ret void
}}

define void @{name}_set_threads(i32 %count) nounwind {{
  call void @gc_set_threads(i32 %count)
  ret void
}}

define ptr @{name}_variable(ptr %self, i32 %k) nounwind {{
  switch i32 %k, label %none [
{cases}
  ]
{blocks}
none:
  ret ptr null
}}
"""


def _size_params(program: Program) -> list[str]:
    return [f"i64 %size.{s}" for s in program.sizes]


def _plan_call(name: str, function: str, program: Program) -> list[str]:
    """Lines that fill the sizes and the plan."""
    count, outs = slots(program) + 2, 2 + sum(x.ndim for x in program.outputs)
    lines = [f"  %sizes = alloca [{count} x i64], align 16", f"  %plan = alloca [{outs} x i64], align 16"]
    for k, s in enumerate(program.sizes):
        lines += [f"  %s{k} = getelementptr i64, ptr %sizes, i64 {k}", f"  store i64 %size.{s}, ptr %s{k}"]
    assert not compound_dims(program), "an artefact's inputs have plain sizes"
    return [*lines, f"  %unfit = call i64 @{name}_{function}__plan(ptr %sizes, ptr %plan)", "  %need = load i64, ptr %plan"]


def _workspace(name: str, function: str, program: Program) -> str:
    """Room for alignment is counted in."""
    lines = [
        f"define i64 @{name}_{function}_workspace({', '.join(_size_params(program))}) nounwind {{",
        *_plan_call(name, function, program), f"  %bytes = add i64 %need, {ALIGNMENT}", "  ret i64 %bytes", "}",
    ]  # fmt: skip
    return "\n".join(lines)


def _function(
    name: str, function: str, program: Program, place: Mapping[Tensor, int], constants: Mapping[Tensor, str]
) -> str:
    pointers = [f"%in{k}" for k in range(len(program.inputs))] + [f"%out{k}" for k in range(len(program.outputs))]
    params = ["ptr %self", *_size_params(program), *(f"ptr {p}" for p in pointers), "ptr %workspace"]
    lines = [f"define i32 @{name}_{function}({', '.join(params)}) nounwind {{", *_plan_call(name, function, program)]
    total = len(pointers) + len(program.variables) + len(program.constants)
    lines.append(f"  %bufs = alloca [{max(total, 1)} x ptr], align 16")
    for k, x in enumerate(program.variables):
        lines.append(f"  %var{k} = getelementptr i8, ptr %self, i64 {place[x]}")
        pointers.append(f"%var{k}")
    pointers += [constants[x] for x in program.constants]
    for k, pointer in enumerate(pointers):
        lines += [f"  %b{k} = getelementptr ptr, ptr %bufs, i64 {k}", f"  store ptr {pointer}, ptr %b{k}"]
    lines += [
        "  %own = icmp eq ptr %workspace, null", "  br i1 %own, label %allocate, label %given",
        "allocate:", f"  %bytes = add i64 %need, {ALIGNMENT}", f"  %fresh = call ptr @aligned_alloc(i64 {ALIGNMENT}, i64 %bytes)",
        "  %none = icmp eq ptr %fresh, null", "  br i1 %none, label %fail, label %ready",
        "given:", "  %address = ptrtoint ptr %workspace to i64", f"  %up = add i64 %address, {ALIGNMENT - 1}",
        f"  %aligned = and i64 %up, -{ALIGNMENT}", "  %rounded = inttoptr i64 %aligned to ptr", "  br label %ready",
        "ready:", "  %arena = phi ptr [ %fresh, %allocate ], [ %rounded, %given ]",
        f"  %code = call i64 @{name}_{function}__run(ptr %bufs, ptr %sizes, ptr %arena)",
        "  br i1 %own, label %release, label %done",
        "release:", "  call void @free(ptr %arena)", "  br label %done",
        "done:", "  %result = trunc i64 %code to i32", "  ret i32 %result",
        "fail:", f"  ret i32 {OUT_OF_MEMORY}", "}",
    ]  # fmt: skip
    return "\n".join(lines)

