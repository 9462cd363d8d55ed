"""Calling a compiled function: results, errors, ownership and threads, natively and in Python."""

from __future__ import annotations

import gc
import inspect
import os
import resource
import sys
import threading
import tracemalloc
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from graphc.backends.cpu.caller import make_caller
from graphc.backends.cpu.callspec import CallSpec, InputSpec
from graphc.backends.cpu.native_call import NativeCaller, layout_holds, native_caller
from graphc.backends.cpu.python_call import python_caller
from tests.cpu.native import F32, fail, increment_spec, library, prepare, two_spec

Make = Callable[[CallSpec], Callable[..., Any]]

MEBIBYTE = 1 << 20


@pytest.fixture(params=["native", "python"])
def make(request: pytest.FixtureRequest) -> Make:
    if request.param == "python":
        return python_caller
    return native().make


def native() -> NativeCaller:
    caller = native_caller()
    if caller is None:
        pytest.skip("this interpreter has only the Python caller")
    return caller


def resident_bytes() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


def x10() -> np.ndarray[Any, Any]:
    return np.arange(10, dtype=np.float32)


def never(*_: object) -> Any:
    raise AssertionError("the fast path was not taken")


def test_the_native_caller_knows_this_interpreter() -> None:
    assert sys.implementation.name != "cpython" or layout_holds()


def test_an_exact_array_is_passed_as_it_is(make: Make) -> None:
    call = make(increment_spec(prepare=never))
    np.testing.assert_array_equal(call(x10()), x10() + 1)


@pytest.mark.parametrize(
    "argument",
    [
        list(range(10)),
        np.arange(10),
        np.repeat(x10(), 2)[::2],
        np.arange(10, dtype=">f4"),
        np.frombuffer(b"\0" + x10().tobytes(), np.float32, offset=1),
        np.arange(10, dtype=np.float32).view(np.recarray),
    ],
    ids=["list", "dtype", "strided", "byte order", "unaligned", "subclass"],
)
def test_any_other_argument_is_prepared(make: Make, argument: object) -> None:
    prepared = []

    def watch(arguments: tuple[Any, ...], keywords: dict[str, Any] | None) -> tuple[Any, ...]:
        prepared.append((arguments, keywords))
        return (np.array(arguments[0], np.float32),)

    np.testing.assert_array_equal(make(increment_spec(prepare=watch))(argument), x10() + 1)
    assert len(prepared) == 1
    assert prepared[0][0][0] is argument
    assert prepared[0][1] is None


def test_keywords_reach_prepare(make: Make) -> None:
    np.testing.assert_array_equal(make(increment_spec())(x=x10()), x10() + 1)


def test_a_wrong_number_of_arguments_is_for_prepare_to_judge(make: Make) -> None:
    call = make(increment_spec())
    with pytest.raises(TypeError, match="expected 1 argument, got 0"):
        call()
    with pytest.raises(TypeError, match="expected 1 argument, got 3"):
        call(1, 2, y=3)


@pytest.mark.parametrize("answer", [None, (), (x10(), x10()), (np.zeros(3),), [x10()]])
def test_an_unfit_answer_of_prepare_is_an_error(make: Make, answer: object) -> None:
    call = make(increment_spec(prepare=lambda arguments, keywords: answer))
    with pytest.raises(RuntimeError, match="do not fit"):
        call(0)


def test_extents_are_checked(make: Make) -> None:
    def dims(*specs: tuple[str, int]) -> Callable[..., Any]:
        inputs = (InputSpec("x", F32, specs),)
        return make(increment_spec(inputs=inputs, prepare=lambda arguments, keywords: ()))

    square = np.ones((4, 4), np.float32)
    assert dims(("bind", 0), ("same", 0))(square).shape == (4,)
    assert dims(("bind", 0), ("const", 4))(square).shape == (4,)
    for unfit in (dims(("bind", 0), ("same", 0)), dims(("bind", 0), ("const", 4))):
        with pytest.raises(RuntimeError, match="do not fit"):
            unfit(np.ones((4, 3), np.float32))
    with pytest.raises(RuntimeError, match="do not fit"):
        dims(("bind", 0))(square)


def test_an_empty_array_is_fine(make: Make) -> None:
    assert make(increment_spec(prepare=never))(np.zeros(0, np.float32)).shape == (0,)


@pytest.mark.parametrize(("structure", "kind"), [("tuple", tuple), ("list", list)])
def test_several_outputs_have_their_structure(make: Make, structure: str, kind: type) -> None:
    call = make(two_spec(structure))
    result = call(np.zeros((2, 3), np.float32), np.zeros(4, np.float32))
    assert type(result) is kind
    np.testing.assert_array_equal(result[0], np.arange(8, dtype=np.float32).reshape(2, 4))
    assert (result[1].shape, float(result[1])) == ((), 8.0)


def test_no_outputs_give_none(make: Make) -> None:
    code = library()
    run = code.address("run_alone")
    call = make(increment_spec(outputs=(), structure="none", run=run))
    assert call(np.zeros(0, np.float32)) is None


def test_an_error_code_of_plan_is_reported(make: Make) -> None:
    with pytest.raises(ValueError, match=r"code 5 value 13 sizes \(13,\)"):
        make(increment_spec())(np.zeros(13, np.float32))


def test_an_error_code_of_run_is_reported(make: Make) -> None:
    with pytest.raises(ValueError, match=r"code 7 value 2 sizes \(4,\)"):
        make(increment_spec())([5, 5, -1, 5])


def test_a_fail_that_does_not_raise_is_an_error(make: Make) -> None:
    with pytest.raises(RuntimeError, match="no error was raised"):
        make(increment_spec(fail=lambda *_: None))([-1])


def test_outputs_beyond_memory_are_a_memory_error() -> None:
    call = native().make(increment_spec(plan=library().address("plan_absurd")))
    with pytest.raises(MemoryError):
        call(x10())


def test_a_caller_works_after_an_error(make: Make) -> None:
    call = make(increment_spec())
    for _ in range(3):
        with pytest.raises(ValueError, match="code 7"):
            call([-1])
        np.testing.assert_array_equal(call(x10()), x10() + 1)


def test_prepare_may_call_the_caller(make: Make) -> None:
    def again(arguments: tuple[Any, ...], keywords: dict[str, Any] | None) -> tuple[Any, ...]:
        return (call(np.array(arguments[0], np.float32)),)

    call = make(increment_spec(prepare=again))
    np.testing.assert_array_equal(call([1, 2]), [3, 4])


def test_a_caller_has_a_name_and_a_signature() -> None:
    call = native().make(two_spec("tuple"))
    assert call.__name__ == "two"
    assert list(inspect.signature(call).parameters) == ["a", "b"]


def test_a_class_can_be_called_through_a_static_builtin() -> None:
    call = native().make(increment_spec())
    executable = type("Executable", (), {"__call__": staticmethod(call)})()
    np.testing.assert_array_equal(executable(x10()), x10() + 1)


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


def test_a_spec_that_uses_a_size_before_it_is_bound_is_refused() -> None:
    with pytest.raises(AssertionError, match="size 0 is used before it is bound"):
        increment_spec(inputs=(InputSpec("x", F32, (("same", 0),)),))


def test_make_caller_serves_this_interpreter() -> None:
    call = make_caller(increment_spec(prepare=prepare, fail=fail))
    np.testing.assert_array_equal(call(x10()), x10() + 1)
