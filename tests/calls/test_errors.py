"""Errors say what came, what was expected and where it was written."""

from collections.abc import Callable
from gc import collect

import numpy as np
import pytest

import graphc as gc
from tests.mistakes import calls, graphs, habits, layers, newcomers  # noqa: F401  # fill MISTAKES
from tests.mistakes.given import MISTAKES


def test_errors_read_as_they_did(golden: Callable[[str, str], None]) -> None:
    parts = []
    for name, make in MISTAKES.items():
        collect()  # equal tensors are one, and have the name of the first that is still there
        with pytest.raises(gc.GraphError) as caught:
            make()
        parts.append(f"{name}\n\n{type(caught.value).__name__}: {caught.value}\n")
    golden("errors", "\n\n".join(parts))


@pytest.mark.parametrize("name", MISTAKES)
def test_an_error_is_short_and_free_of_internals(name: str) -> None:
    with pytest.raises(gc.GraphError) as caught:
        MISTAKES[name]()
    text = str(caught.value)
    assert len(text.splitlines()) <= 6
    assert "object at 0x" not in text
    assert "graphc/" not in text


@pytest.mark.parametrize(
    ("kind", "python"),
    [
        (gc.ShapeError, ValueError),
        (gc.DTypeError, TypeError),
        (gc.ArgumentError, ValueError),
        (gc.IndexRangeError, IndexError),
        (gc.MissingExtraError, ImportError),
        (gc.UnsupportedError, NotImplementedError),
    ],
)
def test_errors_are_also_those_that_python_users_expect(kind: type, python: type) -> None:
    assert issubclass(kind, python)
    assert issubclass(kind, gc.GraphError)


def test_a_failed_call_can_be_repeated_rightly() -> None:
    x = gc.placeholder("x", ("n",))
    f = gc.compile([x], x + 1)
    for _ in range(3):
        with pytest.raises(gc.ArgumentError):
            f(np.zeros(3))
        np.testing.assert_array_equal(f(np.zeros(3, np.float32)), np.ones(3))


@pytest.mark.parametrize("name", ["item", "numpy", "tolist", "eval"])
def test_a_method_of_arrays_elsewhere_is_explained(name: str) -> None:
    x = gc.placeholder("x", (3,))
    assert not hasattr(x, name)
    with pytest.raises(AttributeError, match=f"no '{name}'\n  hint: it has no value while"):
        getattr(x, name)


def test_a_function_that_is_no_method_is_named() -> None:
    with pytest.raises(AttributeError, match=r"no 'softmax'\n  hint: gc\.softmax\(x\) is"):
        gc.placeholder("x", (3,)).softmax()  # type: ignore[attr-defined]


def test_unknown_arguments_show_how_a_function_is_called() -> None:
    x = gc.placeholder("x", (3, 4))
    with pytest.raises(TypeError, match=r"'dim'\n  hint: sum\(x, axis=None, dtype=None, keep"):
        gc.sum(x, dim=1)  # type: ignore[call-arg]


def test_a_function_that_takes_other_arguments_hears_what_it_is_given() -> None:
    with pytest.raises(TypeError, match=r"positional argument.*\n.*of a scan takes \(carry, x\)$"):
        gc.scan(lambda h: (h, h), gc.zeros((3,)), gc.ones((2, 3)))
    with pytest.raises(TypeError, match=r"missing 1 .*\n.*while loop takes the carry"):
        gc.while_loop(lambda i, j: i < j, lambda i, j: (i + 1, j), (gc.zeros(()), gc.ones(())))


def test_a_type_error_inside_of_a_function_that_a_user_gives_is_left_as_it_is() -> None:
    with pytest.raises(TypeError, match=r"^unsupported operand type[^\n]*$"):
        gc.scan(lambda h, x: (h, {} + []), gc.zeros((3,)), gc.ones((2, 3)))  # type: ignore[operator]
