"""How often Python's collector looks while something is compiled."""

import gc
import os
import threading
from collections.abc import Iterator

import pytest

import graphc
from graphc.ir.collector import RARE, rare_collections


@pytest.fixture(autouse=True)
def usual() -> Iterator[tuple[int, int, int]]:
    before = gc.get_threshold()
    yield before
    gc.set_threshold(*before)


def test_it_looks_as_often_as_before_afterwards(usual: tuple[int, int, int]) -> None:
    with rare_collections():
        assert gc.get_threshold() == RARE
        with rare_collections():
            assert gc.get_threshold() == RARE
        assert gc.get_threshold() == RARE
    assert gc.get_threshold() == usual
    with pytest.raises(ZeroDivisionError), rare_collections():
        _ = 1 // 0
    assert gc.get_threshold() == usual


def test_what_others_set_stands() -> None:
    with rare_collections():
        gc.set_threshold(9, 9, 9)
    assert gc.get_threshold() == (9, 9, 9)
    gc.set_threshold(0)
    with rare_collections():
        assert gc.get_threshold()[0] == 0


def test_threads_that_overlap_leave_it_as_it_was(usual: tuple[int, int, int]) -> None:
    inside, on = threading.Event(), threading.Event()

    def other() -> None:
        with rare_collections():
            inside.set()
            assert on.wait(10)

    helper = threading.Thread(target=other)
    helper.start()
    assert inside.wait(10)
    with rare_collections():
        on.set()
        helper.join()
    assert gc.get_threshold() == usual


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_looks_as_often_as_usual(usual: tuple[int, int, int]) -> None:
    with rare_collections():
        child = os.fork()
        if not child:
            os._exit(gc.get_threshold() != usual)
        assert os.waitpid(child, 0)[1] == 0


def test_compiling_leaves_it_as_it_was(usual: tuple[int, int, int]) -> None:
    x = graphc.placeholder("x", (3,))
    graphc.compile([x], graphc.tanh(x) + 0.5, target="reference")
    assert gc.get_threshold() == usual


def test_a_third_number_that_python_has_not_is_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = [(700, 10, 0)]
    monkeypatch.setattr(gc, "get_threshold", lambda: kept[-1])
    monkeypatch.setattr(
        gc, "set_threshold", lambda first, second, _: kept.append((first, second, 0))
    )
    with rare_collections():
        assert gc.get_threshold() == (*RARE[:2], 0)
    assert gc.get_threshold() == (700, 10, 0)
