"""What a body uses that something around it names."""

from __future__ import annotations

from collections.abc import Sequence

from graphc.backends.llvm.types import type_of
from graphc.backends.loops.expr import Expr, parts_of
from graphc.backends.loops.stmt import Alloc, Declare, For, Let, Prefetch, Stmt, Store, walk


def names_from_outside(body: Sequence[Stmt]) -> dict[str, str]:
    """The LLVM types of the values, and of the buffers, that a body uses and does not define."""
    used: dict[str, str] = {}
    own: set[str] = set()
    for s in walk(tuple(body)):
        if isinstance(s, For):
            own.add(s.var)
        elif isinstance(s, (Let, Declare)):
            own.add(s.name)
        elif isinstance(s, Alloc):
            own.add(s.buffer)
        elif isinstance(s, (Store, Prefetch)):
            used[s.buffer] = "ptr"
        for x in vars(s).values():
            if isinstance(x, Expr):
                used.update(_used(x))
    return {name: type_ for name, type_ in used.items() if name not in own}


def _used(root: Expr) -> dict[str, str]:
    """The names in an expression."""
    return {
        x.attr: type_of(x) if x.op == "var" else "ptr"
        for x in parts_of(root)
        if x.op in ("var", "load", "address")
    }
