"""Kernels as text: one statement a line, for dumps, golden tests and content hashes."""

from __future__ import annotations

from collections.abc import Sequence

from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import (
    Accumulate, Alloc, Assign, Barrier, Check, Comment, Declare, For, If, Let, LoopKernel, Stmt, Store, While,
)  # fmt: skip

_INFIX = {
    "add": "+", "sub": "-", "mul": "*", "div": "/", "rem": "%", "and": "&", "or": "|", "xor": "^", "shl": "<<",
    "shr": ">>", "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=",
}  # fmt: skip


def kernel_text(kernel: LoopKernel) -> str:
    """The whole kernel."""
    buffers = ", ".join(f"{'out ' if p.writes else ''}{p.name}: {p.dtype}" for p in kernel.buffers)
    sizes = f"; sizes {', '.join(kernel.sizes)}" if kernel.sizes else ""
    head = f"kernel {kernel.name}({buffers}{sizes}) chunks {expr_text(kernel.chunks)}:"
    return "\n".join([head, *body_text(kernel.body, 1)]) + "\n"


def body_text(body: Sequence[Stmt], depth: int) -> list[str]:
    return [line for s in body for line in statement_text(s, depth)]


def statement_text(s: Stmt, depth: int) -> list[str]:
    pad = "  " * depth
    if isinstance(s, For):
        how = "" if s.kind == "serial" else f" {s.kind}" + (f"({s.width} x {s.unroll})" if s.kind == "vector" else "")
        head = f"{pad}for {s.var} in {expr_text(s.begin)} .. {expr_text(s.end)}{how}:"
        return [head, *body_text(s.body, depth + 1)]
    if isinstance(s, While):
        return [f"{pad}while {expr_text(s.condition)}:", *body_text(s.body, depth + 1)]
    if isinstance(s, If):
        lines = [f"{pad}if {expr_text(s.condition)}:", *body_text(s.then, depth + 1)]
        return [*lines, f"{pad}else:", *body_text(s.orelse, depth + 1)] if s.orelse else lines
    return [pad + _simple(s)]


def _simple(s: Stmt) -> str:
    if isinstance(s, Let):
        return f"{s.name} = {expr_text(s.value)}"
    if isinstance(s, Declare):
        return f"var {s.name}: {_type(s.value)} = {expr_text(s.value)}"
    if isinstance(s, Assign):
        return f"{s.name} := {expr_text(s.value)}"
    if isinstance(s, Accumulate):
        at = "" if s.position is None else f" at {expr_text(s.position)}"
        return f"{s.name} {s.combine}= {expr_text(s.value)}{at}"
    if isinstance(s, Store):
        mask = "" if s.mask is None else f" where {expr_text(s.mask)}"
        return f"{s.buffer}[{expr_text(s.index)}] = {expr_text(s.value)}{mask}{' streaming' if s.stream else ''}"
    if isinstance(s, Alloc):
        return f"alloc {s.buffer}: {s.dtype}[{s.size}]{' shared' if s.shared else ''}"
    if isinstance(s, Check):
        return f"check {expr_text(s.condition)} else {s.code} with {expr_text(s.value)}"
    if isinstance(s, Barrier):
        return "barrier"
    assert isinstance(s, Comment)
    return f"# {s.text}"


def _type(x: Expr) -> str:
    return str(x.dtype) if x.lanes == 1 else f"{x.dtype}x{x.lanes}"


def expr_text(x: Expr) -> str:
    """An expression; shared parts are written out each time."""
    if x.op == "const":
        return f"{x.attr!r}" if x.dtype.short in ("i64", "bool") else f"{x.attr!r}{x.dtype}"
    if x.op == "var":
        return str(x.attr)
    args = [expr_text(a) for a in x.args]
    if x.op in _INFIX:
        return f"({args[0]} {_INFIX[x.op]} {args[1]})"
    if x.op == "load":
        mask = f" where {args[1]}" if len(args) > 1 else ""
        return f"{x.attr}[{args[0]}{mask}]"
    if x.op == "broadcast":
        return f"{args[0]}" if x.args[0].op == "const" else f"<{args[0]}>"
    if x.op == "ramp":
        return f"{args[0]}..+{x.lanes}"
    name = str(x.attr) if x.op == "math" else x.op if x.attr is None else f"{x.op}.{x.attr}"
    if x.op in ("cast", "bitcast"):
        name = f"{x.op}.{x.dtype}"
    return f"{name}({', '.join(args)})"
