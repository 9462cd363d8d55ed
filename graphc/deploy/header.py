"""The C header of an artefact."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from graphc.backends.llvm.artefact import error_messages
from graphc.backends.program import Program, stack_bytes
from graphc.deploy.results import Description, output_names
from graphc.ir.dtypes import DType
from graphc.ir.node import Tensor

_C_TYPES = {
    "bool": "uint8_t",
    "float16": "uint16_t",
    "bfloat16": "uint16_t",
    "float32": "float",
    "float64": "double",
}

_RESERVED = """
alignas alignof and and_eq asm auto bitand bitor bool break case catch char class compl
concept const constexpr const_cast continue co_await co_return co_yield decltype default
delete do double dynamic_cast else enum explicit export extern false float for friend goto
if inline int int64_t long mutable namespace new noexcept not not_eq nullptr operator or
or_eq private protected public register reinterpret_cast requires restrict return self
short signed size_t sizeof static static_assert static_cast struct switch template this
thread_local throw true try typedef typeid typename typeof uint8_t uint16_t uint32_t
uint64_t int8_t int16_t int32_t union unsigned using virtual void volatile wchar_t while
workspace xor xor_eq
"""
KEYWORDS = frozenset(_RESERVED.split())
"""What no parameter can be called in C or C++, and the header's own names."""


def c_type(dtype: DType) -> str:
    """The C type of an element; 16-bit floats are passed as their bits."""
    return _C_TYPES.get(dtype.name, f"{dtype.name}_t")


def c_names(wanted: Iterable[str]) -> list[str]:
    """Distinct names for parameters, as near to those wanted as C allows."""
    names: list[str] = []
    for text in wanted:
        name = re.sub(r"\W", "_", text, flags=re.ASCII)
        if not name or name[0].isdigit():
            name = f"_{name}"
        while name in KEYWORDS or name in names:
            name += "_"
        names.append(name)
    return names


def header_text(
    name: str,
    programs: Mapping[str, Program],
    results: Mapping[str, Description],
    variables: Mapping[str, Tensor],
) -> str:
    """The declarations of everything that the library exports; `results` are the structures that
    the functions return.
    """
    lines = [
        f"/* {name}: compiled by graphc. Arrays are contiguous, in row-major order.",
        "   Functions that return int give 0, or a code that the error function explains. A call",
        "   that fails leaves the variables as they were. Functions on one state must not run at",
        "   the same time. */",
        f"#ifndef GRAPHC_{name.upper()}_H",
        f"#define GRAPHC_{name.upper()}_H",
        "#include <stddef.h>",
        "#include <stdint.h>",
        "#ifdef __cplusplus",
        'extern "C" {',
        "#endif",
        "",
        f"typedef struct {name} {name};   /* the variables */",
        "",
        "/* 0, or the code of an error: whether this CPU can run the functions */",
        f"int {name}_check(void);",
        "/* the variables as they were at export; NULL without memory, or if the CPU is unfit */",
        f"{name} *{name}_create(void);",
        f"void {name}_destroy({name} *self);",
        "/* write and read the variables: a safetensors file */",
        f"int {name}_save(const {name} *self, const char *path);",
        f"int {name}_load({name} *self, const char *path);",
        "/* where a variable lies; NULL if there is no such number */",
        f"void *{name}_variable({name} *self, int number);",
        *_variables(name, variables),
        "",
        f"const char *{name}_error(int code);",
        *_codes(programs),
        "/* what the functions take and give, as JSON */",
        f"const char *{name}_interface(void);",
        "/* threads that a call may use, the caller's included */",
        f"void {name}_set_threads(int count);",
    ]
    for function, program in programs.items():
        outputs = output_names(program, results[function])
        lines += ["", *_function(name, function, program, outputs)]
    lines += ["", "#ifdef __cplusplus", "}", "#endif", "#endif"]
    return "\n".join(lines) + "\n"


def _variables(name: str, variables: Mapping[str, Tensor]) -> list[str]:
    if not variables:
        return []
    labels = c_names(f"{name}_variable_{x}".upper() for x in variables)
    rows = [
        f"  {label} = {k},   /* {c_type(x.dtype)}[{_shape(x)}]: {comment(own)} */"
        for k, (label, (own, x)) in enumerate(zip(labels, variables.items(), strict=True))
    ]
    return ["enum {", *rows, "};"]


def comment(text: str) -> str:
    """The text as part of a C comment, which it cannot end."""
    return text.replace("*/", "* /").replace("/*", "/ *").replace("\n", " ")


def _codes(programs: Mapping[str, Program]) -> list[str]:
    known = sorted(error_messages(programs).items())
    return ["/*", *(f"  {code:3}  {comment(text)}" for code, text in known), "*/"]


def _shape(x: Tensor) -> str:
    return ", ".join(map(str, x.shape))


def _function(name: str, function: str, program: Program, outputs: Sequence[str]) -> list[str]:
    given = [str(x.node.attrs["name"]) for x in program.inputs]
    names = c_names([*program.sizes, *given, *outputs])
    count = len(program.sizes)
    sizes = [f"int64_t {s}" for s in names[:count]]
    arrays = list(zip(names[count:], (*program.inputs, *program.outputs), strict=True))
    inputs = len(program.inputs)
    ends = [f"{'const ' * (k < inputs)}{c_type(x.dtype)} *{n}" for k, (n, x) in enumerate(arrays)]
    shapes = [
        f"     {'in ' if k < inputs else 'out'} {n}: {x.dtype.name}[{_shape(x)}]"
        for k, (n, x) in enumerate(arrays)
    ]
    return [
        f"/* {function}",
        *shapes,
        f"     workspace: {name}_{function}_workspace({', '.join(names[:count])}) bytes, or NULL:",
        "     then they are allocated for the call",
        f"     stack: up to {stack_bytes(program) // 1024} kB, of each thread */",
        f"size_t {name}_{function}_workspace({', '.join(sizes) or 'void'});",
        f"int {name}_{function}({', '.join([f'{name} *self', *sizes, *ends, 'void *workspace'])});",
    ]
