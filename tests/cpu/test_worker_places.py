"""Workers that find themselves on their caller's CPU move to another one, where there is one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from graphc.backends.cpu import pool
from graphc.ir import threads
from tests.cpu.test_threads import run

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


def test_a_worker_stays_where_its_process_may_use_no_other_cpu() -> None:
    cpu = min(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cpu})
    assert all(place == {cpu} for place in workers_beside(cpu))
