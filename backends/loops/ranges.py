"""What is known of an index before it runs: between which numbers it lies, and by how much two of
them differ.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from graphc.backends.loops.expr import Expr, const, parts_of
from graphc.ir.dtypes import int64

Range = tuple[int, int]
"""The least and the greatest number that an index may be."""
Linear = Mapping[Expr | None, int]
"""A sum of indices by their factors; None stands for the number one."""

LIMIT = 2**62
"""Numbers beyond are not reasoned about: arithmetic on them may wrap around."""
_INDEX = ("add", "sub", "mul", "div", "rem", "min", "max")


class Ranges:
    """Facts about the names of a scope. `changing` are names of registers, of which none are kept.

    Names of sizes and loops are indices, and what is worked out of them: their sums do not wrap
    around, as those of numbers that are loaded may.
    """

    def __init__(
        self, changing: Collection[str], sizes: Collection[str] = (), facts: Ranges | None = None
    ):
        self._changing = changing
        self._indices: set[str] = set(facts._indices if facts else sizes)
        self._bounds: dict[str, Range] = dict(facts._bounds) if facts else {}
        self._values: dict[str, Linear] = dict(facts._values) if facts else {}
        self.bound: set[str] = set(facts.bound) if facts else set()
        self._memo: dict[Expr, Range | None] = dict(facts._memo) if facts else {}

    def inside(self) -> Ranges:
        """The facts of a scope within this one."""
        return Ranges(self._changing, facts=self)

    def forget(self, name: str) -> None:
        """From here on the name means something else."""
        if name not in self.bound:
            self.bound.add(name)
            return
        self._memo = {}
        self._indices.discard(name)
        self._bounds.pop(name, None)
        self._values.pop(name, None)
        for other, value in [*self._values.items()]:
            if any(x is not None and _mentions(x, name) for x in value):
                del self._values[other]

    def between(self, name: str, bounds: Range | None) -> None:
        """The name is now an index, which lies there."""
        self.forget(name)
        if name in self._changing:
            return
        self._indices.add(name)
        if bounds is not None:
            self._bounds[name] = bounds

    def means(self, name: str, value: Expr) -> None:
        """The name is now this value, which tells something if it is an index."""
        if not self.is_index(value):
            self.forget(name)
            return
        bounds, parts = self.of(value), self.linear(value)
        self.between(name, bounds)
        if not any(x is not None and _mentions(x, name) for x in parts):
            self._values[name] = parts

    def is_index(self, x: Expr) -> bool:
        """Whether a value is worked out of sizes and loops' variables alone."""
        if x.op == "var":
            return x.attr in self._indices
        if x.op != "const" and x.op not in _INDEX:
            return False
        return x.dtype is int64 and x.lanes == 1 and all(map(self.is_index, x.args))

    def of(self, x: Expr) -> Range | None:
        """Where an index lies, as far as is known."""
        if x.op == "const":
            return _within(x.attr, x.attr)
        if x.dtype is not int64 or x.lanes != 1:
            return None
        if x.op == "var":
            return self._bounds.get(x.attr)
        if x not in self._memo:
            self._memo[x] = self._computed(x) if x.op in _INDEX else None
        return self._memo[x]

    def _computed(self, x: Expr) -> Range | None:
        a, b = map(self.of, x.args)
        if x.op in ("add", "sub"):
            return self._sum(self.linear(x))
        if a is None or b is None:
            return None
        if x.op == "mul":
            products = [p * q for p in a for q in b]
            return _within(min(products), max(products))
        if x.op in ("min", "max"):
            choose = min if x.op == "min" else max
            return choose(a[0], b[0]), choose(a[1], b[1])
        if a[0] < 0 or b[0] < 1:
            return None
        return (a[0] // b[1], a[1] // b[0]) if x.op == "div" else (0, min(a[1], b[1] - 1))

    def difference(self, x: Expr, y: Expr) -> Range | None:
        """Where x - y lies, unless that wraps around."""
        return self._sum(_plus(self.linear(x), self.linear(y), -1))

    def _sum(self, parts: Linear) -> Range | None:
        low = high = 0
        for x, factor in parts.items():
            bounds = (1, 1) if x is None else self.of(x)
            if bounds is None:
                return None
            low += factor * bounds[factor < 0]
            high += factor * bounds[factor > 0]
        return _within(low, high)

    def linear(self, x: Expr) -> Linear:
        """An index as a sum."""
        if x.op == "const":
            return {None: x.attr} if x.attr else {}
        if x.op == "var":
            return self._values.get(x.attr, {x: 1})
        if x.op in ("add", "sub"):
            a, b = map(self.linear, x.args)
            return _plus(a, b, 1 if x.op == "add" else -1)
        if x.op == "mul":
            for part, factor in (x.args, x.args[::-1]):
                if factor.op == "const":
                    return _plus({}, self.linear(part), factor.attr)
        return {x: 1}

    def quotient(self, x: Expr, divisor: int) -> Expr | None:
        """An index divided by a number that goes into every part of it, as a sum; None where it
        does not, or the index may be negative.
        """
        bounds, parts = self.of(x), self.linear(x)
        rest = parts.get(None, 0)
        if bounds is None or bounds[0] < 0 or divisor < 1:
            return None
        if any(factor % divisor for part, factor in parts.items() if part is not None):
            return None
        total = const(0, int64)
        for part, factor in parts.items():
            total = total if part is None else total + part * (factor // divisor)
        return total + rest // divisor


def _within(low: int, high: int) -> Range | None:
    return (low, high) if low > -LIMIT and high < LIMIT else None


def _plus(a: Linear, b: Linear, factor: int) -> Linear:
    """a + factor * b."""
    total = dict(a)
    for x, times in b.items():
        total[x] = total.get(x, 0) + factor * times
    return {x: times for x, times in total.items() if times}


def _mentions(x: Expr, name: str) -> bool:
    return any(part.op == "var" and part.attr == name for part in parts_of(x))
