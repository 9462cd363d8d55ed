"""Products of few rows: the right operand is read once, where it lies."""

from __future__ import annotations

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import Accumulate, Declare, For, Let, Stmt, Store
from graphc.backends.lower.products.frame import SUMS, ZERO, Frame

H, W, M0, N0 = (e.var(f"p.{name}") for name in ("h", "w", "m0", "n0"))
ROW, COLUMN, K = e.var("p.m"), e.var("p.n"), e.var("p.k")
#: Lines of the right operand that are added to the sums at once: in code that does nothing else,
#: and in code that also packs.
LINES, FEWER_LINES = 8, 4


def few_elements(frame: Frame) -> int:
    """Elements of the sums of a block."""
    return frame.sizes.few * frame.sizes.few_width


def few_rows(frame: Frame) -> list[Stmt]:
    """The sums of a block, row after row, `few_width` apart."""
    if frame.product.right.along == "inner" and frame.product.left.along == "inner":
        return _sums_along_lines(frame)
    return _lines_added(frame)


def _sums_along_lines(frame: Frame) -> list[Stmt]:
    """Each element as a sum along both operands' lines."""
    decode = frame.bind(frame.product.rows, M0 + ROW)
    frame.bind(frame.product.columns, N0 + COLUMN)
    frame.bind(frame.product.left.inner, K)
    frame.bind(frame.product.right.inner, K)
    step = Accumulate("p.total", "sum", frame.left() * frame.right())
    inner = frame.dims(frame.blocks.inner)
    body: list[Stmt] = [
        *decode, Declare("p.total", e.const(0, frame.sum_type)),
        For("p.k", ZERO, inner, (step,), "vector", frame.sizes.lanes, 4),
        Store(SUMS, ROW * frame.sizes.few_width + COLUMN, e.var("p.total", frame.sum_type)),
    ]  # fmt: skip
    return [For("p.n", ZERO, W, (For("p.m", ZERO, H, tuple(body)),))]


def _lines_added(frame: Frame) -> list[Stmt]:
    """Lines of the right operand times elements of the left are added up, several at a time."""
    summands = frame.blocks.inner
    inner = frame.dims(summands)
    lines = LINES if frame.few is True else FEWER_LINES
    whole = inner / lines
    rest = For("p.k", whole * lines, inner, (_added(frame, [K]),))
    exact = isinstance(summands, int) and summands % lines == 0
    clear = Store(SUMS, ROW * frame.sizes.few_width + COLUMN, e.const(0, frame.sum_type))
    return [
        For("p.m", ZERO, H, (frame.along_columns(ZERO, W, [clear]),)),
        For("p.q", ZERO, whole, (_added(frame, [e.var("p.q") * lines + u for u in range(lines)]),)),
        *([] if exact else [rest]),
    ]


def _added(frame: Frame, summands: list[Expr]) -> For:
    """These summands of every row."""
    at = ROW * frame.sizes.few_width + COLUMN
    total = e.load(SUMS, at, frame.sum_type)
    decode = frame.bind(frame.product.rows, M0 + ROW)
    frame.bind(frame.product.columns, N0 + COLUMN)
    factors: list[Stmt] = []
    for u, k in enumerate(summands):
        frame.bind(frame.product.left.inner, k)
        frame.bind(frame.product.right.inner, k)
        factors.append(Let(f"p.a{u}", frame.left()))
        total = frame.multiply_add(e.var(f"p.a{u}", frame.sum_type), frame.right(), total)
    return For(
        "p.m", ZERO, H, (*decode, *factors, frame.along_columns(ZERO, W, [Store(SUMS, at, total)]))
    )
