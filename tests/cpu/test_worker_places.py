"""Workers that find themselves on their caller's CPU move to another one, where there is one."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from graphc.backends.cpu import pool
from graphc.backends.llvm.engine import compile_object, host_target
from graphc.backends.llvm.jit import load_object
from graphc.ir import threads
from tests.cpu.test_threads import JOBS, own_pool, run

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/task").exists() or len(threads.affinity()) < 2,
    reason="takes Linux and two CPUs",
)


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    before, cpus = pool.get_num_threads(), os.sched_getaffinity(0)
    yield
    os.sched_setaffinity(0, cpus)
    pool.set_num_threads(before)


def tasks() -> set[int]:
    return {int(task.name) for task in Path("/proc/self/task").iterdir()}


def workers_beside(cpu: int) -> list[set[int]]:
    """Where workers may be that ran jobs of a caller on `cpu`, all of them put there before."""
    pool.set_num_threads(2)
    run("who_all", 6, 6)
    with ThreadPoolExecutor(1) as caller:
        own = caller.submit(os.sched_getaffinity, 0)
        own.result()
        others = tasks() - {os.getpid()}
        for task in others:
            os.sched_setaffinity(task, {cpu})
        assert caller.submit(run, "count_all", 16, 16, 2000).result()[0] == 2000
        caller.submit(run, "who_all", 6, 6).result()
        return [os.sched_getaffinity(task) for task in others]


def test_a_worker_leaves_the_cpu_of_its_caller() -> None:
    cpu = min(os.sched_getaffinity(0))
    places = workers_beside(cpu)
    assert os.sched_getaffinity(0) - {cpu} in places


def test_a_worker_stays_where_its_starter_might_use_no_other_cpu() -> None:
    cpu = min(os.sched_getaffinity(0))
    library = own_pool()
    code = load_object(
        compile_object(JOBS, host_target()),
        {"gc_parallel": library.address("gc_parallel")},
        keep=True,
    )
    ctypes.CFUNCTYPE(None, ctypes.c_int32)(library.address("gc_set_threads"))(2)
    kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
    count_all = kind(code.address("count_all"))
    counts = np.zeros(8, np.int64)
    frame = np.array([counts.ctypes.data], np.uintp)
    with ThreadPoolExecutor(1) as caller:
        caller.submit(os.sched_setaffinity, 0, {cpu}).result()
        before = tasks()
        caller.submit(count_all, frame.ctypes.data, 8, 2000).result()
        (worker,) = tasks() - before
        assert os.sched_getaffinity(worker) == {cpu}
    ctypes.CFUNCTYPE(None)(library.address("gc_stop_threads"))()


def test_a_worker_stays_where_its_process_may_use_no_other_cpu() -> None:
    cpu = min(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cpu})
    assert all(place == {cpu} for place in workers_beside(cpu))
