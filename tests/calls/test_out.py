"""Results written to arrays of the caller's."""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.backends.cpu import caller

X, Y = gc.placeholder("x", ("n", 3)), gc.placeholder("y", ("n", 3))
A = np.arange(12, dtype=np.float32).reshape(4, 3)


@pytest.fixture(params=["cpu", "reference", "numba", "python"])
def target(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "python":
        monkeypatch.setattr(caller, "native_caller", lambda: None)
        return "cpu"
    return str(request.param)


def test_the_result_is_the_array_that_was_given(target: str) -> None:
    f = gc.compile([X], X * 2.0, target=target)
    out = np.empty((4, 3), np.float32)
    assert f(A, out=out) is out
    np.testing.assert_array_equal(out, A * 2)
    assert f(x=A + 1, out=out) is out
    np.testing.assert_array_equal(out, (A + 1) * 2)
    assert f(A, out=None) is not out


def python_functions(call: Callable[[], object]) -> list[str]:
    """The functions of graphc that a call runs in Python."""
    found: list[str] = []

    def note(frame: Any, event: str, _: object) -> None:
        if event == "call" and str(frame.f_globals.get("__name__")).startswith("graphc."):
            found.append(frame.f_code.co_name)

    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
    return found


@pytest.mark.parametrize("kind", [None, tuple, list])
def test_no_python_runs_where_arrays_are_as_they_shall_be(kind: Any) -> None:
    outputs = X * 2.0 if kind is None else kind([X + Y, gc.sum(Y, axis=0), gc.exp(X)])
    f = gc.compile([X, Y], outputs)
    given = f(A, A + 1)
    wanted = f(A, A + 1)
    places, values = ([y] if kind is None else list(y) for y in (given, wanted))
    for place in places:
        place[...] = 0
    assert python_functions(lambda: f(A, A + 1, out=given)) == []
    for place, value in zip(places, values, strict=True):
        np.testing.assert_array_equal(place, value)
    assert python_functions(lambda: f(out=given, y=A, x=A)) == []
    assert python_functions(lambda: f(A, y=A[::-1], out=given))


def test_no_python_runs_for_arguments_by_name() -> None:
    f = gc.compile([X, Y], X - Y)
    np.testing.assert_array_equal(f(y=A, x=A * 3), A * 2)
    for call in (lambda: f(y=A, x=A), lambda: f(A, y=A), lambda: f(x=A, y=A)):
        assert python_functions(call) == []
    for wrong in (lambda: f(A, x=A), lambda: f(y=A), lambda: f(A, A, z=A), lambda: f(A, A, A, y=A)):
        with pytest.raises(gc.ArgumentError):
            wrong()


@pytest.mark.parametrize("first", range(5))
def test_results_beside_arguments_and_over_them(first: int) -> None:
    f = gc.compile([X], X[::-1] * 2.0)
    memory = np.arange(36, dtype=np.float32)
    a, out = memory[12:24].reshape(4, 3), memory[6 * first :][:12].reshape(4, 3)
    wanted = a[::-1] * 2
    called = python_functions(lambda: f(a, out=out))
    np.testing.assert_array_equal(out, wanted)
    assert (called == []) == (first in (0, 4))  # those that share no byte


def test_structures_of_arrays_are_like_those_of_outputs(target: str) -> None:
    outputs = {"sum": gc.sum(X), "parts": [X + 1.0, (X > 2.0,)]}
    f = gc.compile([X], outputs, target=target)
    out = {"parts": [np.empty_like(A), (np.empty(A.shape, bool),)], "sum": np.empty((), "f4")}
    found = f(A, out=out)
    assert found["sum"] is out["sum"]
    assert found["parts"][1][0] is out["parts"][1][0]
    np.testing.assert_array_equal(out["parts"][0], A + 1)
    assert out["sum"] == A.sum()


@pytest.mark.parametrize("outputs", [(X, X + Y), [X + Y, X]], ids=["tuple", "list"])
def test_what_is_read_may_be_what_is_written(outputs: Any, target: str) -> None:
    f = gc.compile([X, Y], outputs, target=target)
    a, b = A.copy(), A * 10
    found = f(a, b, out=type(outputs)([b, a]))
    assert type(found) is type(outputs)
    wanted = {X: A, outputs[0] if outputs[0] is not X else outputs[1]: A * 11}
    for y, place in zip(outputs, (b, a), strict=True):
        np.testing.assert_array_equal(place, wanted[y])


def test_an_array_turned_into_itself() -> None:
    x = gc.placeholder("x", ("n",))
    f = gc.compile([x], x[::-1] + 1.0)
    a = np.arange(100_000, dtype=np.float32)
    f(a, out=a)
    np.testing.assert_array_equal(a, np.arange(100_000, dtype=np.float32)[::-1] + 1)


@pytest.mark.parametrize("first", [0, 1, 3, 16])
@pytest.mark.parametrize("n", [0, 1, 7, 100_003, 9_000_001])
def test_results_begin_anywhere_and_nothing_around_them_changes(n: int, first: int) -> None:
    x = gc.placeholder("x", ("n",))
    f = gc.compile([x], gc.exp(x))
    a = np.linspace(-1, 1, n, dtype=np.float32)
    around = np.full(first + n + 5, 7, np.float32)
    f(a, out=around[first : first + n])
    np.testing.assert_array_equal(around[first : first + n], f(a))
    assert (around[:first] == 7).all()
    assert (around[first + n :] == 7).all()


def test_references_are_neither_lost_nor_kept() -> None:
    i = gc.placeholder("i", (2,), gc.int64)
    f = gc.compile([X, i], (X + 1.0, gc.take(X, i, axis=0)))
    out = (np.empty_like(A), np.empty((2, 3), np.float32))
    before = [sys.getrefcount(x) for x in (*out, A)]
    for _ in range(100):
        f(A, np.array([0, 3]), out=out)
        with pytest.raises(IndexError):
            f(A, np.array([0, 4]), out=out)
    assert [sys.getrefcount(x) for x in (*out, A)] == before


def test_a_step_returns_and_updates(target: str) -> None:
    count = gc.variable(np.zeros(3, np.float32))
    f = gc.compile([X], count + gc.sum(X, axis=0), {count: count + 1.0}, target=target)
    out = np.empty(3, np.float32)
    for k in range(3):
        np.testing.assert_array_equal(f(A, out=out), A.sum(0) + k)


def test_an_argument_of_that_name_stays_one() -> None:
    out = gc.placeholder("out", (3,))
    f = gc.compile([out], out + 1.0)
    np.testing.assert_array_equal(f(out=np.ones(3, np.float32)), np.full(3, 2))


def test_another_name_of_the_dtype_will_do() -> None:
    i = gc.placeholder("i", (3,), gc.int64)
    out = np.empty(3, np.longlong)
    gc.compile([i], i + 1)(np.arange(3), out=out)
    np.testing.assert_array_equal(out, [1, 2, 3])


FROZEN = np.empty((4, 3), np.float32)
FROZEN.flags.writeable = False
SHARED = np.empty((5, 3), np.float32)


@pytest.mark.parametrize(
    ("outputs", "out", "text"),
    [
        (X + 1.0, np.empty((3, 4), "f4"), "out is f32[3, 4], the result is f32[4, 3]"),
        (X + 1.0, np.empty((4, 3)), "out is f64[4, 3], the result is f32[4, 3]"),
        (X + 1.0, np.empty((4, 3), "c8"), "out is complex64[4, 3], the result is f32[4, 3]"),
        (X + 1.0, np.empty((3, 4), "f4").T, "out does not lie in C order"),
        (X + 1.0, FROZEN, "out cannot be written"),
        (X + 1.0, [0.0], "out is no plain NumPy array: list"),
        ((X, X + 1.0), np.empty((4, 3), "f4"), "out must be a tuple of 2, like the outputs"),
        ([X, X + 1.0], [A.copy()], "out must be a list of 2"),
        ((X, X + 1.0), (SHARED[:4], SHARED[1:]), "out[1] and out[0] share memory"),
        ({"a": X + 1.0}, {"b": A.copy()}, "out must be a dict with the keys 'a'"),
        ({"a": X + 1.0}, {"a": A[:2].copy()}, "out['a'] is f32[2, 3]"),
    ],
)
def test_what_does_not_fit_is_refused(outputs: Any, out: Any, text: str) -> None:
    with pytest.raises(gc.ArgumentError) as found:
        gc.compile([X], outputs)(A, out=out)
    assert text in str(found.value)


@pytest.mark.parametrize("dtype", [gc.float32, gc.bfloat16, gc.bool_, gc.int8], ids=str)
def test_what_errors_advise_fits(dtype: Any) -> None:
    x = gc.placeholder("x", (2, 3), dtype)
    f, a = gc.compile([x], x.T), np.zeros((2, 3), dtype.numpy)
    with pytest.raises(gc.ArgumentError) as found:
        f(a, out=np.zeros_like(a).T)
    hint = str(found.value).partition("hint: ")[2].removesuffix(" gives one that fits")
    f(a, out=eval(hint))
    with pytest.raises(gc.ArgumentError, match=r"hint: np.asarray\(out\) is one"):
        f(a, out=np.zeros((3, 2), dtype.numpy).view(np.ma.MaskedArray))


def test_functions_without_outputs_have_nothing_to_write() -> None:
    total = gc.variable(np.zeros((), np.float32))
    f = gc.compile([X], updates={total: gc.sum(X)})
    with pytest.raises(gc.ArgumentError, match="no outputs"):
        f(A, out=np.empty(()))
