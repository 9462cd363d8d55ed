"""Statements of the loop IR: every loop, store, accumulator and barrier is explicit.

A kernel is a function of buffers (pointers to elements), named integer parameters (sizes) and, when
it is parallel, a chunk number. Loop kinds:

  serial     one after the other
  unroll     extent is a literal; the body is repeated
  vector     iterations are independent but for accumulators; `vectorise` makes lanes of them, with
             a masked tail
  parallel   chunks that any thread may run, at most one per kernel and outermost (CPU threads; CUDA
             blocks)
  block, thread     CUDA grid and block axes, written by the CUDA schedule
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from typing import Literal

from graphc.backends.loops.expr import Expr
from graphc.ir.dtypes import DType
from graphc.ir.record import dataclass

LoopKind = Literal["serial", "unroll", "vector", "parallel", "block", "thread"]
Combine = Literal["sum", "prod", "min", "max", "and", "or", "argmin", "argmax"]


@dataclass(frozen=True)
class For:
    """for var in range(begin, end): body. `width` asks a vector loop for lanes, `unroll` for that
    many vectors at once.

    `even`: the iterations are known to fill all vectors; `short`: they are known to fill none.
    """

    var: str
    begin: Expr
    end: Expr
    body: tuple[Stmt, ...]
    kind: LoopKind = "serial"
    width: int = 0
    unroll: int = 1
    even: bool = False
    short: bool = False


@dataclass(frozen=True)
class Let:
    """Names a value; immutable."""

    name: str
    value: Expr


@dataclass(frozen=True)
class Declare:
    """A mutable register (scalar, or of `lanes` lanes), read by `var(name, dtype, lanes)`."""

    name: str
    value: Expr


@dataclass(frozen=True)
class Assign:
    """Gives a declared register a new value."""

    name: str
    value: Expr


@dataclass(frozen=True)
class Accumulate:
    """register = combine(register, value). Inside vector loops, lanes accumulate apart and meet
    when the register's scope reads it.

    "argmin"/"argmax": `value` is compared and `position` (int64) kept with it; the register `name`
    holds the value and `name + ".at"` the position; the first of equals wins and a NaN wins over
    numbers.
    """

    name: str
    combine: Combine
    value: Expr
    position: Expr | None = None


@dataclass(frozen=True)
class Store:
    """buffer[index] = value, where the mask holds. Where `stream` holds, the store may bypass the
    cache, in vectors that lie at a multiple of their size.
    """

    buffer: str
    index: Expr
    value: Expr
    mask: Expr | None = None
    stream: Expr | None = None


@dataclass(frozen=True)
class If:
    """`then` where the condition holds, else `orelse`."""

    condition: Expr
    then: tuple[Stmt, ...]
    orelse: tuple[Stmt, ...] = ()


@dataclass(frozen=True)
class While:
    """Repeats while the condition, over declared registers and buffers, holds."""

    condition: Expr
    body: tuple[Stmt, ...]


@dataclass(frozen=True)
class Apart:
    """A function of its own does this: what that keeps in registers takes none from the code around
    it. It uses no register declared outside.
    """

    body: tuple[Stmt, ...]


@dataclass(frozen=True)
class Alloc:
    """Scratch elements private to the chunk that runs (CUDA: `shared` to the block); size is a
    literal.
    """

    buffer: str
    dtype: DType
    size: int
    shared: bool = False


@dataclass(frozen=True)
class Check:
    """Where the condition is false, the call fails with `code` and `value` (int64); the run goes on
    harmlessly.
    """

    condition: Expr
    code: int
    value: Expr


@dataclass(frozen=True)
class Barrier:
    """All threads of the block reach this point (CUDA)."""


@dataclass(frozen=True)
class Prefetch:
    """The line of an element comes nearer, for a later read, or to be written soon; the element
    need not exist.
    """

    buffer: str
    index: Expr
    written: bool = False


@dataclass(frozen=True)
class Fence:
    """What was stored past the cache is seen by every thread from here on."""


@dataclass(frozen=True)
class Comment:
    """A line for whoever reads the kernel."""

    text: str


Plain = (
    Let
    | Declare
    | Assign
    | Accumulate
    | Store
    | Alloc
    | Check
    | Barrier
    | Fence
    | Prefetch
    | Comment
)
Stmt = For | While | If | Apart | Plain


@dataclass(frozen=True)
class Param:
    """A buffer that a kernel reads or writes."""

    name: str
    dtype: DType
    writes: bool = False


@dataclass(frozen=True)
class LoopKernel:
    """A kernel, ready to be spelled: buffers, sizes, the extent of its parallel loop, statements.

    `chunks` is the number of parallel chunks as an expression over the sizes (1: not parallel);
    inside the body, `var("chunk")` is the chunk at hand. The number of chunks never depends on the
    number of threads.
    """

    name: str
    buffers: tuple[Param, ...]
    sizes: tuple[str, ...]
    chunks: Expr
    body: tuple[Stmt, ...]
    notes: tuple[str, ...] = field(default=())


def children(statement: Stmt) -> tuple[tuple[Stmt, ...], ...]:
    """The bodies nested in a statement."""
    if isinstance(statement, (For, While, Apart)):
        return (statement.body,)
    if isinstance(statement, If):
        return statement.then, statement.orelse
    return ()


def walk(body: tuple[Stmt, ...]) -> Iterator[Stmt]:
    """Every statement, outer ones first."""
    left = list(reversed(body))
    while left:
        statement = left.pop()
        yield statement
        for inner in reversed(children(statement)):
            left.extend(reversed(inner))
