"""The primitives of loop IR expressions as functions; `expression` says what they mean."""

from __future__ import annotations

from collections.abc import Iterator

from graphc.backends.loops.expression import (
    Expr,
    Operand,
    binary,
    broadcast,
    compare,
    const,
    make,
    pair,
    unary,
    var,
)
from graphc.ir.dtypes import DType, float32, int64

__all__ = [
    "Expr", "Operand", "absolute", "across", "address", "binary", "bitcast", "bounded",
    "broadcast", "cast", "ceil", "compare", "const", "dot", "equal", "floor", "fma", "join",
    "lane", "load", "lookup", "make", "math", "maximum", "minimum", "mulhi", "not_equal",
    "ramp", "rem", "rint", "scale", "select", "shuffle", "sqrt", "transpose", "trunc", "unary",
    "var",
]  # fmt: skip


def ramp(base: Expr, lanes: int) -> Expr:
    """base, base + 1, ..."""
    return make("ramp", (base,), base.dtype, lanes, lanes)


def equal(a: Operand, b: Operand) -> Expr:
    """a == b; false for NaN."""
    return compare("eq", a, b)


def not_equal(a: Operand, b: Operand) -> Expr:
    """a != b; true for NaN."""
    return compare("ne", a, b)


def minimum(a: Operand, b: Operand) -> Expr:
    """The smaller one, NaN if either is."""
    return binary("min", a, b)


def maximum(a: Operand, b: Operand) -> Expr:
    """The larger one, NaN if either is."""
    return binary("max", a, b)


def mulhi(a: Expr, b: Expr) -> Expr:
    """The upper half of the product of two unsigned integers."""
    return binary("mulhi", a, b)


def scale(x: Expr, n: Expr) -> Expr:
    """x 2^floor(n), rounded once."""
    return binary("scale", x, n)


def bounded(x: Expr, low: float, high: float, which: str) -> Expr:
    """x between two numbers, or x itself where that is left to another step of a function."""
    return make("bounded", (x,), x.dtype, x.lanes, (low, high, which))


def lookup(index: Expr, table: tuple[float, ...]) -> Expr:
    """The number of the table that the lowest four bits of a float32 say."""
    assert len(table) == 16 and index.dtype is float32, "a table has sixteen float32"
    return make("lookup", (index,), float32, index.lanes, table)


def rem(a: Operand, b: Operand) -> Expr:
    """The remainder of the truncating division of integers."""
    return binary("rem", a, b)


def fma(a: Operand, b: Operand, c: Operand) -> Expr:
    """a*b + c, rounded once; at least one operand is an Expr."""
    model = next(x for x in (a, b, c) if isinstance(x, Expr))
    parts = [x if isinstance(x, Expr) else const(x, model.dtype) for x in (a, b, c)]
    lanes = max(x.lanes for x in parts)
    return make("fma", tuple(broadcast(x, lanes) for x in parts), model.dtype, lanes)


def absolute(x: Expr) -> Expr:
    """The size without the sign."""
    return unary("abs", x)


def sqrt(x: Expr) -> Expr:
    """The square root, correctly rounded."""
    return unary("sqrt", x)


def floor(x: Expr) -> Expr:
    """The largest whole number that is not above x."""
    return unary("floor", x)


def ceil(x: Expr) -> Expr:
    """The smallest whole number that is not below x."""
    return unary("ceil", x)


def trunc(x: Expr) -> Expr:
    """x without its fraction."""
    return unary("trunc", x)


def rint(x: Expr) -> Expr:
    """The nearest whole number, the even one of two."""
    return unary("rint", x)


def select(condition: Expr, yes: Operand, no: Operand) -> Expr:
    """yes where the condition holds, else no; both are evaluated."""
    if not isinstance(yes, Expr) and not isinstance(no, Expr):
        raise AssertionError("select needs one typed branch")
    a, b = pair(yes, no)
    lanes = max(condition.lanes, a.lanes)
    return make("select", tuple(broadcast(x, lanes) for x in (condition, a, b)), a.dtype, lanes)


def cast(x: Expr, dtype: DType) -> Expr:
    """x as another dtype, as by NumPy."""
    return x if x.dtype is dtype else make("cast", (x,), dtype, x.lanes)


def bitcast(x: Expr, dtype: DType) -> Expr:
    """The bits of x as another dtype of the same width."""
    return x if x.dtype is dtype else make("bitcast", (x,), dtype, x.lanes)


def load(buffer: str, index: Expr, dtype: DType, mask: Expr | None = None) -> Expr:
    """Elements of a buffer; a ramp index is one contiguous vector, any other vector index is a
    gather.
    """
    args = (index,) if mask is None else (index, mask)
    return make("load", args, dtype, index.lanes, buffer)


def address(buffer: str, offset: Expr) -> Expr:
    """The address of a byte of a buffer."""
    return make("address", (offset,), int64, 1, buffer)


def math(name: str, *args: Expr) -> Expr:
    """A function of the math library; the result has the dtype of the first argument."""
    lanes = max(x.lanes for x in args)
    return make("math", tuple(broadcast(x, lanes) for x in args), args[0].dtype, lanes, name)


def across(combine: str, x: Expr) -> Expr:
    """The lanes of x combined into a scalar, in a fixed order."""
    return x if x.lanes == 1 else make("across", (x,), x.dtype, 1, combine)


def lane(x: Expr, number: int) -> Expr:
    """One lane of a vector as a scalar."""
    return make("lane", (x,), x.dtype, 1, number)


def shuffle(a: Expr, b: Expr, lanes: tuple[int, ...]) -> Expr:
    """The chosen lanes of a and b, those of b counted after those of a."""
    assert a.lanes == b.lanes and a.dtype is b.dtype, f"cannot shuffle {a!r} with {b!r}"
    return make("shuffle", (a, b), a.dtype, len(lanes), lanes)


def dot(kind: str, a: Expr, b: Expr, total: Expr) -> Expr:
    """total + the products of the narrow numbers in the words a and b, lane by lane."""
    lanes = total.lanes
    return make("dot", (broadcast(a, lanes), broadcast(b, lanes), total), total.dtype, lanes, kind)


def join(x: Expr, dtype: DType) -> Expr:
    """Neighbouring lanes of x as wider numbers, the first one in the lowest bits."""
    return make("join", (x,), dtype, x.lanes * x.dtype.bits // dtype.bits)


def transpose(rows: list[Expr]) -> list[Expr]:
    """The columns of as many vectors as each has lanes, by exchanging ever smaller blocks of
    neighbours; of squares that lie side by side, where there are fewer vectors.
    """
    n, lanes = len(rows), rows[0].lanes
    assert lanes % n == 0 and all(row.lanes == lanes for row in rows), "squares of lanes are needed"
    half = n // 2
    while half:
        low = tuple(j if not j & half else lanes + j - half for j in range(lanes))
        high = tuple(j + half if not j & half else lanes + j for j in range(lanes))
        exchanged = list(rows)
        for r in range(n):
            if not r & half:
                a, b = rows[r], rows[r + half]
                exchanged[r], exchanged[r + half] = shuffle(a, b, low), shuffle(a, b, high)
        rows, half = exchanged, half // 2
    return rows


def parts_of(*roots: Expr) -> Iterator[Expr]:
    """Every expression that these are made of, once, a whole before its parts."""
    stack, seen = list(roots), set[Expr]()
    while stack:
        x = stack.pop()
        if x not in seen:
            seen.add(x)
            yield x
            stack.extend(x.args)
