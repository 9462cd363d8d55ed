"""Who owns what a compiled function returns, and what a call leaves behind."""

from __future__ import annotations

import gc
import resource
import sys
import tracemalloc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.cpu.callers import Make, native, x10
from tests.cpu.native import F32, increment_spec

MEBIBYTE = 1 << 20


def resident_bytes() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


@pytest.mark.parametrize("elements", [10, 100_000, 3_000_000], ids=["small", "pooled", "huge"])
def test_results_are_ordinary_writable_arrays(make: Make, elements: int) -> None:
    x = np.ones(elements, np.float32)
    y = make(increment_spec())(x)
    assert sys.getrefcount(y) == 2
    assert y.flags.writeable
    assert y.flags.c_contiguous
    assert y.flags.aligned
    y += 1
    assert (y == 3).all()
    assert y.dtype is F32


def test_large_results_are_aligned_to_a_vector() -> None:
    call = native().make(increment_spec())
    results = [call(np.ones(100_000 + 7 * i, np.float32)) for i in range(5)]
    assert all(result.ctypes.data % 64 == 0 for result in results)


def test_results_that_live_together_do_not_overlap() -> None:
    call = native().make(increment_spec())
    results = [call(np.full(50_000, i, np.float32)) for i in range(20)]
    assert all((result == i + 1).all() for i, result in enumerate(results))


def test_a_view_keeps_its_memory() -> None:
    call = native().make(increment_spec())
    view = call(np.ones(100_000, np.float32))[5:10]
    for _ in range(5):
        call(np.zeros(100_000, np.float32))
    assert view.tolist() == [2.0] * 5


def test_a_dropped_result_is_used_again() -> None:
    call = native().make(increment_spec())
    x = np.ones(100_000, np.float32)
    address = call(x).ctypes.data
    assert {call(x).ctypes.data for _ in range(10)} == {address}


def test_the_pool_stays_within_its_limit() -> None:
    caller = native()
    call = caller.make(increment_spec())
    caller.limit_pool(4 * MEBIBYTE)
    try:
        results = [call(np.ones(MEBIBYTE // 4, np.float32)) for _ in range(10)]
        del results
        assert 0 < caller.kept_bytes() <= 4 * MEBIBYTE
    finally:
        caller.limit_pool(1024 * MEBIBYTE)


def test_calls_leak_neither_objects_nor_memory(make: Make) -> None:
    call = make(increment_spec())
    small, large = x10(), np.ones(100_000, np.float32)

    def some() -> None:
        for _ in range(200):
            call(small)
            call(large)
            call([1, 2])
            with pytest.raises(ValueError, match="code 7"):
                call([-1])

    some()
    gc.collect()
    before = resident_bytes()
    tracemalloc.start()
    some()
    gc.collect()
    start, _ = tracemalloc.get_traced_memory()
    some()
    gc.collect()
    end, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert end - start < 20_000
    assert resident_bytes() - before < 8 * MEBIBYTE
    assert sys.getrefcount(small) == sys.getrefcount(large) == 2


def test_dtypes_keep_their_reference_count() -> None:
    call = native().make(increment_spec())
    before = sys.getrefcount(F32)
    results = [call(np.ones(n, np.float32)) for n in (10, 100_000) for _ in range(100)]
    del results
    assert abs(sys.getrefcount(F32) - before) < 20


def test_dropped_callers_free_their_memory() -> None:
    before = None
    for round_ in range(30):
        for _ in range(20):
            native().make(increment_spec())(x10())
        if round_ == 10:
            before = resident_bytes()
    assert before is not None
    assert resident_bytes() - before < 4 * MEBIBYTE


def test_a_cycle_through_prepare_is_collected(make: Make) -> None:
    class Owner:
        call: Callable[..., Any]

        def prepare(self, *_: object) -> tuple[Any, ...]:
            return (x10(),)

    owner = Owner()
    owner.call = make(increment_spec(prepare=owner.prepare))
    gone = weakref.ref(owner)
    owner.call(0)
    del owner
    gc.collect()
    assert gone() is None
