"""The C header of an artefact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graphc.backends.program import Program
from graphc.ir.dtypes import DType
from graphc.ir.node import Tensor

_C_TYPES = {"bool": "uint8_t", "float16": "uint16_t", "bfloat16": "uint16_t", "float32": "float", "float64": "double"}


def c_type(dtype: DType) -> str:
    """The C type of an element; 16-bit floats are passed as their bits."""
    return _C_TYPES.get(dtype.name, f"{dtype.name}_t")


def header_text(name: str, programs: Mapping[str, Program], variables: Sequence[Tensor]) -> str:
    """The declarations of everything that the library exports."""
    guard = f"{name.upper()}_H"
    lines = [
        f"/* {name}: compiled by graphc. Arrays are contiguous, in row-major order. */",
        f"#ifndef {guard}", f"#define {guard}", "#include <stddef.h>", "#include <stdint.h>",
        "#ifdef __cplusplus", 'extern "C" {', "#endif", "",
        f"typedef struct {name} {name};   /* the variables; functions on one state must not run at the same time */", "",
        f"{name} *{name}_create(void);      /* the variables as they were at export; NULL without memory */",
        f"void {name}_destroy({name} *self);",
        f"void {name}_set_threads(int count);",
        f"void *{name}_variable({name} *self, int number);   /* where a variable lies, one of: */",
        *_variables(name, variables),
    ]  # fmt: skip
    for function, program in programs.items():
        lines += ["", *_function(name, function, program)]
    lines += ["", "#ifdef __cplusplus", "}", "#endif", "#endif"]
    return "\n".join(lines) + "\n"


def _variables(name: str, variables: Sequence[Tensor]) -> list[str]:
    if not variables:
        return []
    rows = [
        f"  {name.upper()}_{(x.label or f'VARIABLE{k}').upper()} = {k},   /* {c_type(x.dtype)}[{', '.join(map(str, x.shape))}] */"
        for k, x in enumerate(variables)
    ]
    return ["enum {", *rows, "};"]


def _function(name: str, function: str, program: Program) -> list[str]:
    sizes = [f"int64_t {s}" for s in program.sizes]
    ends = [f"const {c_type(x.dtype)} *{x.node.attrs['name']}" for x in program.inputs]
    ends += [f"{c_type(x.dtype)} *{output_name(program, k)}" for k, x in enumerate(program.outputs)]
    shapes = [f"   {x.node.attrs['name']}: [{', '.join(map(str, x.shape))}]" for x in program.inputs]
    shapes += [f"   {output_name(program, k)}: [{', '.join(map(str, x.shape))}]" for k, x in enumerate(program.outputs)]
    return [
        f"/* {function}. Returns 0, -1 without memory, or the number of a check that failed (the variables are then unchanged).",
        *shapes,
        f"   workspace: {name}_{function}_workspace(...) bytes, or NULL to allocate them for the call. */",
        f"size_t {name}_{function}_workspace({', '.join(sizes) or 'void'});",
        f"int {name}_{function}({', '.join([f'{name} *self', *sizes, *ends, 'void *workspace'])});",
    ]


def output_name(program: Program, k: int) -> str:
    """The parameter of output k: its label where that is a C name, else out0, out1, ..."""
    taken = {str(x.node.attrs["name"]) for x in program.inputs} | {"self", "workspace", *program.sizes}
    label = program.outputs[k].label
    fine = label is not None and label.isidentifier() and label not in taken
    alone = [x.label for x in program.outputs].count(label) == 1
    return str(label) if fine and alone else f"out{k}"
