"""Rows of few elements, which vectors hold several of, against the reference."""

from typing import Any

import numpy as np
import pytest

import graphc as gc
from tests.support.threads import assert_same_bits

SPECIAL = np.array([np.nan, np.inf, -np.inf, -0.0, 1e18, 1e-40], np.float32)


def results(x: gc.Tensor) -> list[gc.Tensor]:
    shifted = x - gc.mean(x, axis=1, keepdims=True)
    return [
        gc.softmax(x, axis=1),
        gc.logsumexp(x, axis=1),
        gc.argmax(x, axis=1),
        gc.max(x, axis=1),
        shifted / gc.sqrt(gc.mean(shifted * shifted, axis=1, keepdims=True) + 1e-5),
    ]


def drawn(rows: int, width: int) -> np.ndarray:
    rng = np.random.default_rng([rows, width])
    values = rng.normal(0, 3, (rows, width)).astype(np.float32)
    at = rng.integers(0, max(values.size, 1), values.size // 40)
    values.reshape(-1)[at] = rng.choice(SPECIAL, at.size)
    return values


@pytest.mark.parametrize("width", [1, 2, 5, 7, 8, 10, 11, 13, 16, 17, 33, 48, 49])
def test_rows_of_few_elements(width: int) -> None:
    x = gc.placeholder("x", ("n", width))
    run = gc.compile([x], results(x))
    reference = gc.compile([x], results(x), target="reference")
    for rows in (0, 1, 3, 16, 37, 301):
        given = drawn(rows, width)
        for ours, theirs in zip(run(given), reference(given), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("isa", ["x86-64-v2", "x86-64-v3"])
def test_narrower_vectors(isa: str) -> None:
    x = gc.placeholder("x", ("n", 7))
    given = drawn(53, 7)
    found = gc.compile([x], results(x), isa=isa)(given)
    wanted: Any = gc.compile([x], results(x), target="reference")(given)
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("width", [5, 8])
def test_rows_with_functions_gather_nothing(width: int) -> None:
    x = gc.placeholder("x", ("n", width))
    text = gc.compile([x], gc.softmax(x, axis=1), isa="x86-64-v4").dump("llvm")
    assert "masked.gather" not in text and "masked.scatter" not in text


@pytest.mark.parametrize("width", [13, "k"])
def test_rows_that_may_fill_no_vector_are_turned(width: int | str) -> None:
    x = gc.placeholder("x", ("n", width))
    text = gc.compile([x], gc.softmax(x, axis=1), isa="x86-64-v4").dump("llvm")
    assert "shufflevector" in text
    assert "masked.gather" not in text and "masked.scatter" not in text


def test_what_is_not_side_by_side_along_rows_is_read_one_by_one() -> None:
    x, y = gc.placeholder("x", ("n", "k")), gc.placeholder("y", ("k", "n"))
    z = gc.softmax(x * gc.transpose(y), axis=1)
    run, reference = (gc.compile([x, y], z, target=target) for target in ("cpu", "reference"))
    for width in (1, 3, 5, 20):
        given = drawn(37, width), drawn(width, 37)
        with np.errstate(all="ignore"):
            np.testing.assert_allclose(run(*given), reference(*given), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("isa", ["x86-64-v2", "x86-64-v3", "host"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_that_turn_out_to_have_few_elements(isa: str, dtype: str) -> None:
    x, g = gc.placeholder("x", ("n", "k"), dtype), gc.placeholder("g", ("k",), dtype)
    outputs = [*results(x), gc.softmax(x * g, axis=1) * x]
    run = gc.compile([x, g], outputs, isa=isa)
    reference = gc.compile([x, g], outputs, target="reference")
    for width in (1, 2, 3, 4, 5, 8, 9, 10, 16, 17, 24, 33, 40, 41, 48, 49):
        for rows in (0, 1, 16, 37):
            given = drawn(rows, width).astype(dtype)
            scale = np.arange(1, width + 1).astype(dtype) / width
            with np.errstate(all="ignore"):
                wanted = reference(given, scale)
            for ours, theirs in zip(run(given, scale), wanted, strict=True):
                np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-6)


def test_the_number_of_threads_changes_no_bit_of_few_elements() -> None:
    x = gc.placeholder("x", ("n", "k"))
    for width in (1, 3, 4, 5, 17, 33):
        assert_same_bits(gc.compile([x], gc.softmax(x, axis=1)), drawn(40000, width))


def test_lanes_are_rows_where_few_elements_are_gone_through_several_times() -> None:
    x = gc.placeholder("x", ("n", "k"))
    kernels = {"softmax": 2, "sum": 1}
    for name, count in kernels.items():
        program = gc.compile([x], getattr(gc, name)(x, axis=1)).program
        assert program is not None and len(program.calls) == count
