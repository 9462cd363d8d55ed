"""What every iteration of a vector loop would compute again from the same elements of buffers is
computed once, before the loop.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.invariants import steady
from graphc.backends.loops.stmt import For, Let, Stmt
from graphc.backends.loops.tidy import Renaming, rewritten


def computed_before(loop: For, numbers: Iterator[int]) -> tuple[list[Let], For]:
    """What goes before the loop, and the loop with the names that it gives, each with a number
    that nothing else in the kernel has. No element is read unless the loop runs.
    """
    found = steady(loop)
    if not found:
        return [], loop
    extent = loop.end - loop.begin
    surely = extent.op == "const" and extent.attr > 0
    guarded = Renaming({}) if surely else _Guarded(loop.begin < loop.end)
    named = {x: Let(f"{loop.var}.once{next(numbers)}", guarded(x)) for x in found}
    new = Renaming({}, {x: e.var(s.name, x.dtype) for x, s in named.items()})

    def inside(body: Iterable[Stmt]) -> tuple[Stmt, ...]:
        return tuple(rewritten(s, new, inside) for s in body)

    changed = rewritten(loop, new, inside)
    assert isinstance(changed, For), "a loop stays one"
    return list(named.values()), changed


class _Guarded(Renaming):
    """Rewrites expressions so that they read elements only where a condition holds."""

    def __init__(self, condition: Expr):
        super().__init__({})
        self._condition = condition

    def __call__(self, x: Expr) -> Expr:
        found = self._memo.get(x)
        if found is None:
            found = self._memo[x] = self._rewrite(x)
        return found

    def _rewrite(self, x: Expr) -> Expr:
        x = super()._rewrite(x)
        if x.op != "load":
            return x
        return e.load(str(x.attr), x.args[0], x.dtype, self._condition)
