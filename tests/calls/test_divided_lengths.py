"""Lengths may be divided by sizes with names, of which one of 0 is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.ir.node import Tensor

TARGETS = ("cpu", "numba", "reference")


def matrix(n: int, m: int) -> np.ndarray[Any, Any]:
    return np.ones((n, m), np.float32)


def placed() -> tuple[Tensor, Any, Any]:
    x = gc.placeholder("x", ("n", "m"))
    return x, *x.shape


MADE: dict[str, Callable[[Tensor, Any, Any], Tensor]] = {
    "a length": lambda x, n, m: gc.zeros((n // m,)) + 1,
    "a remainder": lambda x, n, m: gc.zeros((n % m,)),
    "where a slice begins": lambda x, n, m: x[n // m :],
    "a number": lambda x, n, m: gc.as_tensor(n // m) * 2,
    "a divisor's divisor": lambda x, n, m: gc.zeros((n // (5 // m + 1),)),
    "a step": lambda x, n, m: gc.scan(lambda s, r: (s, gc.zeros((n // m,))), 0.0, x)[1],
}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", MADE)
def test_a_divisor_of_zero_is_refused(name: str, target: str) -> None:
    x, n, m = placed()
    f = gc.compile([x], MADE[name](x, n, m), target=target)
    assert np.isfinite(f(matrix(6, 3))).all()
    with pytest.raises(gc.ArgumentError, match=r"a length is divided by m, as m = 0"):
        f(matrix(6, 0))


@pytest.mark.parametrize("target", TARGETS)
def test_a_divisor_below_zero_is_refused(target: str) -> None:
    x, n, m = placed()
    f = gc.compile([x], gc.as_tensor(n // (m - 3)), target=target)
    assert f(matrix(7, 5)) == 3
    with pytest.raises(gc.ArgumentError, match=r"a length is divided by -3 \+ m, as m = 1"):
        f(matrix(6, 1))


def test_arguments_may_have_divided_lengths() -> None:
    x, n, m = placed()
    y = gc.placeholder("y", (n // m,))
    f = gc.compile([x, y], [y * 2, x])
    assert f(matrix(6, 3), matrix(2, 2)[0])[0].shape == (2,)
    for length in (0, 6):
        with pytest.raises(gc.GraphError, match="divided by"):
            f(matrix(6, 0), np.ones(length, np.float32))


@pytest.mark.parametrize("target", TARGETS)
def test_a_branch_alone_refuses_its_divisor(target: str) -> None:
    x, n, m = placed()
    p = gc.placeholder("p", (), gc.bool_)
    f = gc.compile(
        [x, p],
        gc.cond(p, lambda: gc.sum(gc.ones((n // m,))) + gc.sum(x), lambda: gc.sum(x)),
        target=target,
    )
    assert f(matrix(6, 0), False) == 0
    with pytest.raises(gc.GraphError, match=r"length .*is divided by"):
        f(matrix(6, 0), True)


def test_zero_itself_divides_no_length() -> None:
    _, n, _ = placed()
    for divide in (lambda: n // 0, lambda: n % 0):
        with pytest.raises(gc.ShapeError, match="the length n is divided by zero"):
            divide()


def test_guarded_divisors_need_no_check() -> None:
    x = gc.placeholder("x", ("n",))
    f = gc.compile([x], gc.roll(x, 3))
    assert not [d for d in f.stages.graph.lengths if "divided" in d.what]
    assert f(np.zeros(0, np.float32)).shape == (0,)


@pytest.mark.parametrize("n", [1, 4, 6])
def test_lengths_are_divided_by_negative_numbers_as_in_python(n: int) -> None:
    x = gc.placeholder("x", ("n",))
    size = x.shape[0]
    divided = (size // -3, size % -3, (2 - size) // -3, (2 - size) % -3)
    run = gc.compile([x], [gc.sum(x) * d for d in divided])
    found = [int(y) for y in run(np.eye(1, n, dtype=np.float32)[0])]
    assert found == [n // -3, n % -3, (2 - n) // -3, (2 - n) % -3]
