"""Kernels as text: one statement a line, for dumps, golden tests and content hashes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import (
    Accumulate,
    Alloc,
    Apart,
    Assign,
    Barrier,
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

_INFIX = {
    "add": "+", "sub": "-", "mul": "*", "div": "/", "rem": "%", "and": "&", "or": "|", "xor": "^",
    "shl": "<<", "shr": ">>", "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=",
}  # fmt: skip


def kernel_text(kernel: LoopKernel) -> str:
    """The whole kernel; what its number of chunks uses several times is named below it."""
    buffers = ", ".join(f"{'out ' if p.writes else ''}{p.name}: {p.dtype}" for p in kernel.buffers)
    names = ", ".join(s.removeprefix("size.") for s in kernel.sizes)
    sizes = f"; sizes {names}" if names else ""
    chunks = _Writer([kernel.chunks], "c")
    named = [f"  {line}" for line in chunks.named_lines([kernel.chunks])]
    head = f"kernel {kernel.name}({buffers}{sizes}) chunks {chunks(kernel.chunks)}:"
    return "\n".join([head, *named, *body_text(kernel.body, 1)]) + "\n"


def body_text(body: Sequence[Stmt], depth: int) -> list[str]:
    """The lines of statements, indented; what neighbouring definitions share has one name."""
    lines: list[str] = []
    for defines, found in groupby(body, key=lambda s: isinstance(s, Let)):
        together = list(found)
        shared = _Writer([s.value for s in together if isinstance(s, Let)]) if defines else None
        for s in together:
            lines += statement_text(s, depth, shared)
    return lines


def statement_text(s: Stmt, depth: int, shared: _Writer | None = None) -> list[str]:
    """The lines of a statement; what it uses several times is named on lines before it, unless it
    was before, by `shared`.
    """
    pad = "  " * depth
    own = _expressions(s)
    writer = shared or _Writer(own)
    lines = [pad + line for line in writer.named_lines(own)]
    if isinstance(s, For):
        how = (
            ""
            if s.kind == "serial"
            else f" {s.kind}" + (f"({s.width} x {s.unroll})" if s.kind == "vector" else "")
        )
        lines.append(f"{pad}for {s.var} in {writer(s.begin)} .. {writer(s.end)}{how}:")
        return [*lines, *body_text(s.body, depth + 1)]
    if isinstance(s, While):
        return [*lines, f"{pad}while {writer(s.condition)}:", *body_text(s.body, depth + 1)]
    if isinstance(s, Apart):
        return [f"{pad}apart:", *body_text(s.body, depth + 1)]
    if isinstance(s, If):
        lines += [f"{pad}if {writer(s.condition)}:", *body_text(s.then, depth + 1)]
        return [*lines, f"{pad}else:", *body_text(s.orelse, depth + 1)] if s.orelse else lines
    return [*lines, pad + _simple(s, writer)]


def _expressions(s: Stmt) -> list[Expr]:
    """The expressions of a statement itself."""
    return [value for value in vars(s).values() if isinstance(value, Expr)]


def _simple(s: Stmt, text: _Writer) -> str:
    if isinstance(s, Let):
        return f"{s.name} = {text(s.value)}"
    if isinstance(s, Declare):
        return f"var {s.name}: {_type(s.value)} = {text(s.value)}"
    if isinstance(s, Assign):
        return f"{s.name} := {text(s.value)}"
    if isinstance(s, Accumulate):
        at = "" if s.position is None else f" at {text(s.position)}"
        return f"{s.name} {s.combine}= {text(s.value)}{at}"
    if isinstance(s, Store):
        mask = "" if s.mask is None else f" where {text(s.mask)}"
        return f"{s.buffer}[{text(s.index)}] = {text(s.value)}{mask}{_streaming(s, text)}"
    if isinstance(s, Alloc):
        return f"alloc {s.buffer}: {s.dtype}[{s.size}]{' shared' if s.shared else ''}"
    if isinstance(s, Check):
        return f"check {text(s.condition)} else {s.code} with {text(s.value)}"
    if isinstance(s, Barrier):
        return "barrier"
    if isinstance(s, Prefetch):
        return f"prefetch {s.buffer}[{text(s.index)}]" + (" to write" if s.written else "")
    if isinstance(s, Fence):
        return "fence"
    assert isinstance(s, Comment), f"{type(s).__name__} has no text"
    return f"# {s.text}"


def _streaming(s: Store, text: _Writer) -> str:
    if s.stream is None:
        return ""
    return " streaming" if s.stream.op == "const" else f" streaming if {text(s.stream)}"


def _type(x: Expr) -> str:
    return str(x.dtype) if x.lanes == 1 else f"{x.dtype}x{x.lanes}"


class _Writer:
    """Writes expressions; the larger ones that occur several times in `roots` get names."""

    def __init__(self, roots: Sequence[Expr], letter: str = "e"):
        uses: dict[Expr, int] = {}
        order: list[Expr] = []
        for root in roots:
            _count(root, uses, order)
        shared = [x for x in order if uses[x] > 1 and x.args and any(a.args for a in x.args)]
        self.names = {x: f"{letter}{k}" for k, x in enumerate(shared)}
        self.named: set[Expr] = set()

    def named_lines(self, roots: Sequence[Expr]) -> list[str]:
        """Lines that name the shared parts of some roots, unless earlier ones did."""
        if len(self.named) == len(self.names):
            return []
        order: list[Expr] = []
        for root in roots:
            _count(root, {}, order)
        new = [x for x in dict.fromkeys(order) if x in self.names and x not in self.named]
        self.named.update(new)
        return [f"{self.names[x]} = {self._spell(x)}" for x in new]

    def __call__(self, x: Expr) -> str:
        return self.names.get(x) or self._spell(x)

    def _spell(self, x: Expr) -> str:
        if x.op == "const":
            return f"{x.attr!r}" if x.dtype.short in ("i64", "bool") else f"{x.attr!r}{x.dtype}"
        if x.op == "var":
            return str(x.attr).removeprefix("size.")
        args = [self(a) for a in x.args]
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


def _count(root: Expr, uses: dict[Expr, int], order: list[Expr]) -> None:
    """Counts the uses of every part, and lists parts after what they use."""
    stack = [(root, False)]
    while stack:
        x, expanded = stack.pop()
        if expanded:
            order.append(x)
            continue
        uses[x] = uses.get(x, 0) + 1
        if uses[x] == 1:
            stack.append((x, True))
            stack.extend((a, False) for a in reversed(x.args))
