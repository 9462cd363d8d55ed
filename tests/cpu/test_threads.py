"""The thread pool: every chunk once, whoever calls, forks or ends."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from graphc.backends.cpu import pool
from graphc.backends.cpu.runtime import library_runtime_ir, runtime_ir
from graphc.backends.llvm.engine import compile_object, host_target
from graphc.backends.llvm.jit import Library, load_object
from graphc.ir import threads

JOBS = """
declare void @gc_parallel(ptr, ptr, i64)
declare i32 @usleep(i32)
declare i64 @pthread_self()

; One frame: where the counts lie, then the number of chunks of a nested job.
define internal void @count(ptr %frame, i64 %chunk) {
  %counts = load ptr, ptr %frame
  %p = getelementptr i64, ptr %counts, i64 %chunk
  %old = load i64, ptr %p
  %new = add i64 %old, 1
  store i64 %new, ptr %p
  ret void
}

define void @count_all(ptr %frame, i64 %chunks, i64 %times) {
entry:
  br label %next
next:
  %i = phi i64 [ 0, %entry ], [ %i.next, %next ]
  call void @gc_parallel(ptr @count, ptr %frame, i64 %chunks)
  %i.next = add i64 %i, 1
  %more = icmp ult i64 %i.next, %times
  br i1 %more, label %next, label %done
done:
  ret void
}

; Each chunk runs a job of 8 chunks over its own counts.
define internal void @nest(ptr %frame, i64 %chunk) {
  %inner = alloca ptr
  %counts = load ptr, ptr %frame
  %at = shl i64 %chunk, 3
  %p = getelementptr i64, ptr %counts, i64 %at
  store ptr %p, ptr %inner
  call void @gc_parallel(ptr @count, ptr %inner, i64 8)
  ret void
}

define void @nest_all(ptr %frame, i64 %chunks, i64 %times) {
  call void @gc_parallel(ptr @nest, ptr %frame, i64 %chunks)
  ret void
}

; Which thread ran the chunk, each chunk long enough for a sleeper to wake, the first one longer.
define internal void @who(ptr %frame, i64 %chunk) {
  %counts = load ptr, ptr %frame
  %p = getelementptr i64, ptr %counts, i64 %chunk
  %self = call i64 @pthread_self()
  store i64 %self, ptr %p
  %first = icmp eq i64 %chunk, 0
  %long = select i1 %first, i32 200000, i32 20000
  %r = call i32 @usleep(i32 %long)
  ret void
}

define void @who_all(ptr %frame, i64 %chunks, i64 %times) {
  call void @gc_parallel(ptr @who, ptr %frame, i64 %chunks)
  ret void
}

; Whether subnormal numbers are flushed to zero, as seen by each chunk; the caller flushes.
declare void @llvm.x86.sse.stmxcsr(ptr)
declare void @llvm.x86.sse.ldmxcsr(ptr)
define internal void @mode(ptr %frame, i64 %chunk) {
  %slot = alloca i32
  call void @llvm.x86.sse.stmxcsr(ptr %slot)
  %mode = load i32, ptr %slot
  %flush = and i32 %mode, 32768
  %wide = zext i32 %flush to i64
  %counts = load ptr, ptr %frame
  %p = getelementptr i64, ptr %counts, i64 %chunk
  store i64 %wide, ptr %p
  ret void
}

define void @mode_all(ptr %frame, i64 %chunks, i64 %times) {
  %slot = alloca i32
  %flushing = alloca i32
  call void @llvm.x86.sse.stmxcsr(ptr %slot)
  %mode = load i32, ptr %slot
  %flush = or i32 %mode, 32768
  store i32 %flush, ptr %flushing
  call void @llvm.x86.sse.ldmxcsr(ptr %flushing)
  call void @gc_parallel(ptr @mode, ptr %frame, i64 %chunks)
  call void @llvm.x86.sse.ldmxcsr(ptr %slot)
  ret void
}
"""


@functools.cache
def jobs() -> Library:
    return load_object(compile_object(JOBS, host_target()), pool.pool_symbols(), keep=True)


def run(name: str, slots: int, chunks: int, times: int = 1) -> np.ndarray:
    """The counts after running a job over them."""
    counts = np.zeros(slots, np.int64)
    frame = np.array([counts.ctypes.data], np.uintp)
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
    function(jobs().address(name))(frame.ctypes.data, chunks, times)
    return counts


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    before = pool.get_num_threads()
    yield
    pool.set_num_threads(before)


@pytest.mark.parametrize("count", [1, 2, 3, 7])
@pytest.mark.parametrize("chunks", [0, 1, 2, 3, 8, 100])
def test_every_chunk_runs_once_a_job(count: int, chunks: int) -> None:
    pool.set_num_threads(count)
    counts = run("count_all", 101, chunks, times=200)
    assert counts.tolist() == [200] * chunks + [0] * (101 - chunks)


@pytest.mark.parametrize("count", [1, 3])
def test_a_job_of_less_than_no_chunks_runs_none(count: int) -> None:
    pool.set_num_threads(count)
    assert run("count_all", 8, -3).tolist() == [0] * 8


def test_the_threads_asked_for_take_part() -> None:
    pool.set_num_threads(3)
    assert len(set(run("who_all", 6, 6).tolist())) == 3


def test_each_thread_begins_with_neighbouring_chunks() -> None:
    pool.set_num_threads(2)
    owners = run("who_all", 6, 6).tolist()
    assert owners[3] == owners[4] != owners[0]


def test_others_take_what_a_slow_thread_leaves() -> None:
    pool.set_num_threads(2)
    owners = run("who_all", 8, 8).tolist()
    assert len(set(owners[1:])) == 1 and owners[1] != owners[0]


def test_fewer_threads_may_be_asked_for_later() -> None:
    pool.set_num_threads(4)
    run("who_all", 8, 8)
    pool.set_num_threads(2)
    assert len(set(run("who_all", 8, 8).tolist())) == 2


@pytest.mark.parametrize("count", [2, 5])
def test_sleeping_workers_wake(count: int) -> None:
    pool.set_num_threads(count)
    for _ in range(5):
        assert run("count_all", 16, 16).tolist() == [1] * 16
        time.sleep(0.01)


def test_a_chunk_may_call_the_pool() -> None:
    pool.set_num_threads(3)
    assert run("nest_all", 80, 10).tolist() == [1] * 80


@pytest.mark.parametrize("count", [2, 4])
def test_concurrent_callers_get_their_own_work_done(count: int) -> None:
    pool.set_num_threads(count)
    with ThreadPoolExecutor(4) as callers:
        futures = [callers.submit(run, "count_all", 32, 32, 500) for _ in range(8)]
        results = [future.result(timeout=60) for future in futures]
    assert all((result == 500).all() for result in results)


def test_a_worker_rounds_as_its_caller() -> None:
    if "x86_64" not in host_target().triple:
        pytest.skip("the caller's mode is carried over on x86-64 only")
    pool.set_num_threads(3)
    run("count_all", 8, 8)
    assert run("mode_all", 9, 9).tolist() == [32768] * 9


def test_workers_leave_signals_to_python() -> None:
    pool.set_num_threads(3)
    run("count_all", 8, 8)
    masks = [
        next(line.split()[1] for line in status.read_text().splitlines() if "SigBlk" in line)
        for status in Path("/proc/self/task").glob("*/status")
    ]
    interrupt = 1 << (signal.SIGINT - 1)
    assert sum(bool(int(mask, 16) & interrupt) for mask in masks) >= 2


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")  # what is tested
def test_a_child_has_its_own_workers() -> None:
    pool.set_num_threads(3)
    run("count_all", 8, 8)
    with ThreadPoolExecutor(1) as other:
        busy = other.submit(run, "count_all", 16, 16, 20_000)
        statuses = [_status_of_child() for _ in range(10)]
        busy.result(timeout=60)
    assert statuses == [0] * 10
    assert run("count_all", 8, 8).tolist() == [1] * 8


def _status_of_child() -> int:
    """0 if a forked child could use the pool with three threads, once and again."""
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        with contextlib.suppress(BaseException):
            counted = all(run("count_all", 8, 8).tolist() == [1] * 8 for _ in range(20))
            owners = set(run("who_all", 6, 6).tolist())
            os._exit(0 if counted and len(owners) == 3 else 1)
        os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


ENDING = """
from tests.cpu import test_threads
test_threads.pool.set_num_threads(2)
test_threads.run("count_all", 8, 8, 100)
"""


def test_a_process_ends_while_workers_spin() -> None:
    root = Path(__file__).resolve().parents[2]
    for _ in range(5):
        command = [sys.executable, "-c", ENDING]
        done = subprocess.run(command, cwd=root, capture_output=True, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (0, b"")


def own_pool() -> Library:
    """A second pool, as an artefact would bring it."""
    text = runtime_ir(host_target().triple)
    return load_object(compile_object(text, host_target()), {}, keep=True)


def thread_count() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


def threads_become(count: int) -> bool:
    """Whether there are soon so many threads; a joined one is listed a little longer."""
    end = time.monotonic() + 10
    while thread_count() != count and time.monotonic() < end:
        time.sleep(0.001)
    return thread_count() == count


SMALL_STACKS = """
import threading
import numpy as np
import graphc as gc

def multiply():
    done.append(float(f(np.ones((600, 600), np.float32)).sum()))

a, done = gc.placeholder("a", ("n", "n")), []
f = gc.compile([a], a @ a)
gc.set_num_threads(4)
threading.stack_size(1 << 22)
caller = threading.Thread(target=multiply)
caller.start()
caller.join()
assert done == [600.0**3]
"""


@pytest.mark.skipif(sys.platform != "linux", reason="stacks of threads follow this limit on Linux")
def test_workers_have_stacks_of_their_own_size() -> None:
    """A system's default may be less than a kernel takes: 128 KiB with musl."""
    import resource

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_STACK, (256 << 10, 256 << 10))

    command = [sys.executable, "-c", SMALL_STACKS]
    subprocess.run(command, check=True, timeout=60, preexec_fn=limit)


def test_stopped_workers_end_and_new_ones_start() -> None:
    library = own_pool()
    symbols = {"gc_parallel": library.address("gc_parallel")}
    code = load_object(compile_object(JOBS, host_target()), symbols, keep=True)
    ctypes.CFUNCTYPE(None, ctypes.c_int32)(library.address("gc_set_threads"))(4)
    stop = ctypes.CFUNCTYPE(None)(library.address("gc_stop_threads"))
    counts = np.zeros(8, np.int64)
    frame = np.array([counts.ctypes.data], np.uintp)
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
    count_all = function(code.address("count_all"))
    before = thread_count()
    for round_ in range(1, 4):
        count_all(frame.ctypes.data, 8, 1)
        assert threads_become(before + 3)
        stop()
        assert threads_become(before)
        assert counts.tolist() == [round_] * 8
    stop()


def test_a_pool_that_nobody_configures_has_the_threads_of_its_cpus() -> None:
    library = own_pool()
    count = ctypes.CFUNCTYPE(ctypes.c_int32)(library.address("gc_get_threads"))()
    assert count == len(threads.affinity())


@pytest.mark.parametrize("triple", ["aarch64-unknown-linux-gnu", "arm64-apple-macosx13.0.0"])
def test_the_pool_compiles_for_other_machines(triple: str) -> None:
    target = replace(host_target(), triple=triple, cpu="", features="")
    assert compile_object(runtime_ir(triple), target)


@pytest.mark.skipif(shutil.which("cc") is None, reason="links with the system's C compiler")
def test_an_unloaded_artefact_ends_its_workers(tmp_path: Path) -> None:
    before = thread_count()
    library = ctypes.CDLL(str(artefact(tmp_path)))
    library.gc_set_threads(3)
    counts = np.zeros(8, np.int64)
    frame = np.array([counts.ctypes.data], np.uintp)
    library.count_all(ctypes.c_void_p(frame.ctypes.data), ctypes.c_int64(8), ctypes.c_int64(5))
    assert counts.tolist() == [5] * 8
    assert threads_become(before + 2)
    ctypes.CDLL(None).dlclose(ctypes.c_void_p(library._handle))
    assert threads_become(before)


def artefact(folder: Path) -> Path:
    """A shared library with the jobs and a pool of its own."""
    objects = {"pool.o": library_runtime_ir(host_target()), "jobs.o": JOBS}
    for name, text in objects.items():
        (folder / name).write_bytes(compile_object(text, host_target()))
    command = ["cc", "-shared", "-Wl,-z,defs", "-o", "artefact.so", *objects, "-lpthread"]
    subprocess.run(command, cwd=folder, check=True)
    return folder / "artefact.so"


def test_the_number_of_threads_can_be_set() -> None:
    pool.set_num_threads(3)
    assert pool.get_num_threads() == 3


@pytest.mark.parametrize("count", [0, -1, 1.5])
def test_no_threads_at_all_is_an_error(count: float) -> None:
    with pytest.raises(ValueError, match=f"is an int of at least 1, not {count}"):
        pool.set_num_threads(count)
