"""Sizes in memory as the C library of a target takes them.

The IR of artefacts counts bytes in 64 bits everywhere. Where addresses have 32, C's functions are
called through others of the same name that begin with `gc_`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

MOST_BYTES = 2**32 - 64
"""More than there are, where addresses have 32 bits; a multiple of every alignment."""

_FUNCTIONS: dict[str, tuple[str, Sequence[str]]] = {
    "aligned_alloc": ("ptr", ("i64", "i64")),
    "strlen": ("i64", ("ptr",)),
    "fread": ("i64", ("ptr", "i64", "i64", "ptr")),
    "fwrite": ("i64", ("ptr", "i64", "i64", "ptr")),
    "memcmp": ("i32", ("ptr", "ptr", "i64")),
}
"""What returns or takes a size, with each size as i64."""


def with_sizes(ir_text: str, bits: int) -> str:
    """The module for addresses of so many bits."""
    if bits == 64:
        return ir_text
    names = "|".join(_FUNCTIONS)
    ir_text = re.sub(rf"^declare [^@\n]*@({names})\(.*\n", "", ir_text, flags=re.M)
    ir_text = re.sub(rf"@({names})\(", r"@gc_\1(", ir_text)
    functions = [_narrowed(name, *types) for name, types in _FUNCTIONS.items()]
    minimum = "declare i64 @llvm.umin.i64(i64, i64)\n"
    functions += [minimum] if minimum not in ir_text else []
    return ir_text + "".join(functions)


def _narrowed(name: str, result: str, types: Sequence[str]) -> str:
    """A size that is too large becomes one that cannot be had."""
    narrow = ["i32" if t == "i64" else t for t in types]
    operands = ", ".join(f"{t} %a{k}" for k, t in enumerate(types))
    lines, given = [], []
    for k, t in enumerate(types):
        if t == "i64":
            lines.append(f"  %least{k} = call i64 @llvm.umin.i64(i64 %a{k}, i64 {MOST_BYTES})")
            lines.append(f"  %n{k} = trunc i64 %least{k} to i32")
        given.append(f"i32 %n{k}" if t == "i64" else f"{t} %a{k}")
    inner = "i32" if result == "i64" else result
    lines.append(f"  %found = call {inner} @{name}({', '.join(given)})")
    if result == "i64":
        lines.append("  %wide = zext i32 %found to i64")
    lines.append(f"  ret {result} %{'wide' if result == 'i64' else 'found'}")
    body = "\n".join(lines)
    return (
        f"declare {inner} @{name}({', '.join(narrow)})\n"
        f"define internal {result} @gc_{name}({operands}) nounwind {{\n{body}\n}}\n"
    )
