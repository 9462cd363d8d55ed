"""Calling a compiled function natively and in Python: arguments, outputs and errors."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from graphc.backends.cpu.caller import make_caller
from graphc.backends.cpu.callspec import InputSpec
from graphc.backends.cpu.native_call import layout_holds
from tests.cpu.callers import Make, native, never, x10
from tests.cpu.native import F32, fail, increment_spec, library, prepare, two_spec


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


def frozen() -> np.ndarray[Any, Any]:
    array = x10()
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    "answer",
    [
        None, (), (x10(),) * 3, (np.zeros(3),), [x10()],
        *((x10(), out) for out in (x10()[:3], np.zeros(10), np.zeros((10, 1), F32), frozen(), 3.0)),
    ],
)  # fmt: skip
def test_an_unfit_answer_of_prepare_is_an_error(make: Make, answer: object) -> None:
    call = make(increment_spec(prepare=lambda arguments, keywords: answer))
    with pytest.raises(RuntimeError, match="do not fit"):
        call(0)


def test_prepare_may_say_where_results_go(make: Make) -> None:
    out = x10()
    assert make(increment_spec(prepare=lambda arguments, keywords: (x10(), out)))(0) is out
    np.testing.assert_array_equal(out, x10() + 1)


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
    with pytest.raises(ValueError, match=r"code 0 value .* sizes \(13,\)"):
        make(increment_spec())(np.zeros(13, np.float32))


def test_an_error_code_of_run_is_reported(make: Make) -> None:
    with pytest.raises(ValueError, match=r"code 7 value 2 sizes \(4,\)"):
        make(increment_spec())([5, 5, -1, 5])


def test_a_fail_that_does_not_raise_is_an_error(make: Make) -> None:
    with pytest.raises(RuntimeError, match="no error was raised"):
        make(increment_spec(fail=lambda *_: None))([-1])


@pytest.mark.parametrize(
    ("plan", "code"),
    [("plan_absurd", "code -2 "), ("plan_vast", f"code -1 value {1 << 60}")],
)
def test_memory_that_is_out_is_reported(make: Make, plan: str, code: str) -> None:
    call = make(increment_spec(plan=library().address(plan)))
    for _ in range(2):
        with pytest.raises(ValueError, match=rf"{code}.* sizes \(10,\)"):
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


def test_a_spec_that_uses_a_size_before_it_is_bound_is_refused() -> None:
    with pytest.raises(AssertionError, match="size 0 is used before it is bound"):
        increment_spec(inputs=(InputSpec("x", F32, (("same", 0),)),))


def test_make_caller_serves_this_interpreter() -> None:
    call = make_caller(increment_spec(prepare=prepare, fail=fail))
    np.testing.assert_array_equal(call(x10()), x10() + 1)
