"""What has no value of no elements refuses sizes that leave none, where there would be a value."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphc as gc

FUNCTIONS = (gc.max, gc.min, gc.argmax, gc.argmin)


def rows(n: int, width: int) -> np.ndarray[Any, Any]:
    return np.ones((n, width), np.float32)


@pytest.mark.parametrize("target", ["cpu", "numba", "reference"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_an_extreme_of_no_elements_is_refused(function: Callable[..., Any], target: str) -> None:
    x = gc.placeholder("x", ("n", "width"))
    f = gc.compile([x], gc.cumsum(function(x, axis=-1)), target=target)
    assert f(rows(2, 3)).shape == (2,)
    assert f(rows(0, 3)).shape == f(rows(0, 0)).shape == (0,)
    wanted = r"no elements along axis 1 of f32\[n, width\], as n = 2, width = 0\n  .*elements.py"
    with pytest.raises(gc.ArgumentError, match=wanted):
        f(rows(2, 0))


def test_all_elements_may_be_none() -> None:
    x = gc.placeholder("x", ("n", "width"))
    f = gc.compile([x], [gc.max(x), gc.argmin(x), gc.max(x, axis=(0, 1))])
    assert [float(y) for y in f(rows(1, 2))] == [1, 0, 1]
    for shape in ((0, 0), (3, 0), (0, 3)):
        with pytest.raises(gc.ArgumentError, match="there are no elements"):
            f(rows(*shape))


@pytest.mark.parametrize("target", ["cpu", "numba", "reference"])
@pytest.mark.parametrize("shape", [("n", "width"), (2, 0)])
def test_a_softmax_may_have_no_elements(shape: tuple[str | int, ...], target: str) -> None:
    x = gc.placeholder("x", shape)
    y, z = gc.softmax(x), gc.logsumexp(x, axis=1)
    outputs = [y, gc.log_softmax(x), z, gc.grad(gc.sum(y * y) + gc.sum(z), x)]
    f = gc.compile([x], outputs, target=target)
    for n in (2,) if shape == (2, 0) else (0, 1, 2):
        assert [y.shape for y in f(rows(n, 0))] == [(n, 0), (n, 0), (n,), (n, 0)]
        np.testing.assert_array_equal(f(rows(n, 0))[2], [-np.inf] * n)


def test_a_maximum_beside_a_softmax_is_refused() -> None:
    x = gc.placeholder("x", ("n", "width"))
    f = gc.compile([x], [gc.softmax(x), gc.max(x, axis=1)])
    assert len(f.kernels) == 1
    with pytest.raises(gc.ArgumentError, match="there are no elements along axis 1"):
        f(rows(1, 0))


def test_attention_to_nothing_is_zero() -> None:
    q, k = gc.placeholder("q", ("n", 4)), gc.placeholder("k", ("keys", 4))
    f = gc.compile([q, k], gc.nn.attention(q, k, k))
    np.testing.assert_array_equal(f(rows(3, 4), rows(0, 4)), np.zeros((3, 4)))


@pytest.mark.parametrize("target", ["cpu", "numba", "reference"])
def test_a_loop_without_steps_needs_no_elements(target: str) -> None:
    x, y = gc.placeholder("x", ("steps",)), gc.placeholder("y", ("n",))
    scan = gc.compile([x, y], gc.scan(lambda c, v: (c + gc.max(v * y), None), 0.0, x)[0])
    ones = np.ones(2, np.float32)
    assert scan(ones, ones) == 2
    assert scan(ones[:0], ones[:0]) == 0
    with pytest.raises(gc.ArgumentError, match=r"no elements along axis 0 of f32\[n\]"):
        scan(ones, ones[:0])

    def more(c: gc.Tensor) -> gc.Tensor:
        return c < gc.sum(x)

    loop = gc.while_loop(more, lambda c: c + gc.max(gc.exp(y * 0 * c)), gc.constant(0.0))
    f = gc.compile([x, y], loop, target=target)
    assert f(ones, ones) == 2
    assert f(ones[:0], ones[:0]) == 0
    with pytest.raises(gc.ArgumentError, match=r"no elements along axis 0 of f32\["):
        f(ones, ones[:0])


@pytest.mark.parametrize("target", ["cpu", "numba", "reference"])
def test_a_branch_needs_elements_where_it_is_taken(target: str) -> None:
    x, p = gc.placeholder("x", ("n",)), gc.placeholder("p", (), gc.bool_)
    y = gc.cond(p, lambda: gc.max(gc.exp(x)), lambda: gc.constant(7.0))
    f = gc.compile([x, p], y, target=target)
    none = np.zeros(0, np.float32)
    assert f(np.zeros(3, np.float32), np.True_) == 1
    assert f(none, np.False_) == 7
    with pytest.raises(gc.ArgumentError, match=r"max: there are no elements along axis 0 of f32\["):
        f(none, np.True_)


@pytest.mark.parametrize("target", ["cpu", "numba", "reference"])
def test_a_softmax_for_one_branch_alone_may_have_no_elements(target: str) -> None:
    x, p = gc.placeholder("x", ("n", "width")), gc.placeholder("p", (), gc.bool_)
    y = gc.cond(p, lambda v: v * 2, lambda v: x, gc.softmax(x))
    f = gc.compile([x, p], y, target=target)
    for flag in (np.True_, np.False_):
        assert f(rows(3, 0), flag).shape == (3, 0)
    np.testing.assert_array_equal(f(rows(3, 1), np.True_), np.full((3, 1), 2))


def test_an_exported_extreme_of_no_elements_is_refused(tmp_path: Path) -> None:
    x, p = gc.placeholder("x", ("n",)), gc.placeholder("p", (), gc.bool_)
    plain = gc.compile([x], gc.max(x))
    branch = gc.compile([x, p], gc.cond(p, lambda: gc.max(x * 2), lambda: gc.constant(7.0)))
    gc.export({"plain": plain, "branch": branch}, path=tmp_path / "model")
    model = gc.load(tmp_path / "model")
    none = np.zeros(0, np.float32)
    assert model.plain(np.ones(3, np.float32)) == 1
    assert model.branch(none, np.False_) == 7
    with pytest.raises(
        gc.GraphError, match=r"makes a length negative.* or a maximum one of nothing"
    ):
        model.plain(none)
    with pytest.raises(gc.GraphError, match=r"max: there are no elements along axis 0 of f32\[n\]"):
        model.branch(none, np.True_)
