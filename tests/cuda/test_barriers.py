"""Barriers stand where threads could otherwise touch one element unordered, and nowhere else."""

from graphc.backends.cuda.barriers import fenced
from graphc.backends.cuda.device import THREAD
from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import Alloc, Barrier, For, If, Let, Stmt, Store, walk
from graphc.ir.dtypes import float32, int64

INDEX, J = e.var("i"), e.var("j")
ZERO, SIZE = e.const(0, int64), e.const(9, int64)


def dealt(*body: Stmt, var: str = "i") -> For:
    return For(var, ZERO, SIZE, body, "thread")


def copied(target: str, source: str, at: Expr = INDEX, to: Expr = INDEX) -> Store:
    return Store(target, to, e.load(source, at, float32))


def kinds(*body: Stmt) -> list[str]:
    return [type(s).__name__ for s in fenced(body)]


def test_loops_over_other_buffers_need_none() -> None:
    assert kinds(dealt(copied("b", "a")), dealt(copied("c", "a"))) == ["For", "For"]


def test_a_thread_reads_what_it_wrote_itself() -> None:
    assert kinds(dealt(copied("b", "a")), dealt(copied("c", "b"))) == ["For", "For"]


def test_reading_a_neighbour_waits_for_it() -> None:
    body = dealt(copied("b", "a")), dealt(copied("c", "b", at=INDEX + 1))
    assert kinds(*body) == ["For", "Barrier", "For"]


def test_overwriting_waits_for_readers() -> None:
    body = dealt(copied("b", "a", at=INDEX + 1)), dealt(copied("a", "c"))
    assert kinds(*body) == ["For", "Barrier", "For"]


def test_what_one_thread_stores_all_wait_for() -> None:
    first = If(e.equal(THREAD, 0), (Store("b", ZERO, e.const(1, float32)),))
    assert kinds(first, Let("x", e.load("b", ZERO, float32))) == ["If", "Barrier", "Let"]


def test_a_loop_waits_for_its_last_turn() -> None:
    loop = For("j", ZERO, SIZE, (dealt(copied("b", "a")), dealt(copied("a", "b", at=INDEX + 1))))
    (found,) = fenced((loop,))
    assert isinstance(found, For)
    assert [type(s).__name__ for s in found.body] == ["For", "Barrier", "For", "Barrier"]


def test_buffers_that_may_be_one_count_as_one() -> None:
    body = (dealt(copied("c", "a", at=ZERO)), dealt(copied("b", "d")))
    assert not any(isinstance(s, Barrier) for s in walk(fenced(body)))
    assert any(isinstance(s, Barrier) for s in walk(fenced(body, frozenset("ab"))))


def test_a_threads_own_memory_needs_none() -> None:
    body = (Alloc("mine", float32, 9), Store("mine", J, e.const(0, float32)))
    assert kinds(*body, dealt(copied("b", "mine", at=INDEX + 1))) == ["Alloc", "Store", "For"]
