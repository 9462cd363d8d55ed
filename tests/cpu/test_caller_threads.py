"""Compiled functions called by several threads, and in children."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.cpu.callers import Make, native, x10
from tests.cpu.native import increment_spec, library


def in_threads(count: int, work: Callable[[int], None]) -> list[BaseException]:
    """What the calls of work(0), work(1), ... in as many threads raised."""
    with ThreadPoolExecutor(count) as threads:
        outcomes = [threads.submit(work, index) for index in range(count)]
        errors = [outcome.exception(timeout=60) for outcome in outcomes]
    return [error for error in errors if error is not None]


def test_concurrent_calls_have_their_own_memory(make: Make) -> None:
    call = make(increment_spec(plan=library().address("plan_long")))

    def work(index: int) -> None:
        x = np.full(20_000 + index, index, np.float32)
        for _ in range(50):
            y = call(x)
            assert y.shape == x.shape
            assert (y == index + 1).all()

    assert in_threads(4, work) == []


@pytest.mark.parametrize("plan", ["plan", "plan_long"])
def test_stateful_calls_run_one_at_a_time(make: Make, plan: str) -> None:
    code = library()
    spec = increment_spec(stateful=True, plan=code.address(plan), run=code.address("run_alone"))
    calls = [make(spec), make(spec)]

    def work(index: int) -> None:
        for _ in range(20):
            calls[index % 2](x10())

    assert in_threads(4, work) == []


def test_long_work_lets_other_threads_run() -> None:
    """Calls that sleep half a millisecond together, where they need not be alone, overlap."""
    code = library()
    call = native().make(
        increment_spec(plan=code.address("plan_long"), run=code.address("run_alone"))
    )

    def work(index: int) -> None:
        for _ in range(50):
            call(x10())

    errors = in_threads(4, work)
    assert errors
    assert all("code 9" in str(error) for error in errors)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")  # what is tested
def test_a_child_is_not_locked_by_its_parents_threads() -> None:
    code = library()
    call = native().make(
        increment_spec(stateful=True, plan=code.address("plan_long"), run=code.address("run_alone"))
    )
    stop = threading.Event()

    def busy() -> None:
        while not stop.is_set():
            call(x10())

    thread = threading.Thread(target=busy)
    thread.start()
    try:
        statuses = [_status_of_child(lambda: call(x10())) for _ in range(10)]
    finally:
        stop.set()
        thread.join(60)
    # `entered` is copied too, so a child may see its parent's thread inside: that is code 9.
    assert set(statuses) <= {0, 9}


def _status_of_child(work: Callable[[], object]) -> int:
    child = os.fork()
    if child == 0:
        import signal

        signal.alarm(20)
        try:
            work()
            os._exit(0)
        except ValueError as error:
            os._exit(9 if "code 9" in str(error) else 1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
