"""Sums along columns go in the loops over a row that read the same."""

import numpy as np
import pytest

import graphc as gc
from graphc import Tensor


def gradients(length: int) -> tuple[list[Tensor], list[Tensor]]:
    x, w = (gc.placeholder(name, ("n", length), gc.float32) for name in "xw")
    g, b = (gc.placeholder(name, (length,), gc.float32) for name in "gb")
    c = x - gc.mean(x, axis=1, keepdims=True)
    y = c / gc.sqrt(gc.mean(c * c, axis=1, keepdims=True) + 1e-5) * g + b
    return [x, w, g, b], gc.grad(gc.sum(y * w), [x, g, b])


@pytest.mark.parametrize("length", [256, 300, 1024])
def test_gradients_of_norms_are_as_the_reference_has_them(length: int) -> None:
    inputs, outputs = gradients(length)
    native, expected = (gc.compile(inputs, outputs, target=t) for t in ("cpu", "reference"))
    for rows in (0, 1, 2, 16, 17, 131):
        random = np.random.default_rng(rows)
        shapes = ((rows, length), (rows, length), (length,), (length,))
        data = [random.normal(size=shape).astype(np.float32) for shape in shapes]
        for ours, theirs in zip(native(*data), expected(*data), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=3e-5, atol=3e-5)


def test_a_column_leaves_the_first_loop_to_what_others_wait_for() -> None:
    loops = gc.compile(*gradients(1024)).dump("loops")
    first, *others = loops.split("for i1 in 0 .. 1024 vector")[1:]
    assert len(others) == 3
    assert "t0[" not in first


def test_a_column_that_is_read_with_the_first_values_stays() -> None:
    x = gc.placeholder("x", ("n", 1024), gc.float32)
    m = gc.sum(x, axis=1, keepdims=True)
    loops = gc.compile([x], [gc.sum(x, axis=0), gc.sum(gc.exp(x - m), axis=1)]).dump("loops")
    assert "next = " not in loops
