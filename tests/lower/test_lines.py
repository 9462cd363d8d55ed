"""Reductions along middle axes take in whole lines, and give what the reference gives."""

import numpy as np
import pytest

import graphc as gc
from graphc.backends.lower.kernel import Schedule
from graphc.backends.lower.nests import accumulators, lines
from graphc.backends.reference import evaluate
from graphc.ir.node import Tensor
from tests.lower.scheduled import function, program_of

SHAPES = (
    (3, 70, 1030),
    (2, 7, 64),
    (1, 9, 4100),
    (4, 0, 100),
    (2, 3, 4, 100),
    (5, 6, 3),
    (2, 24, 70),
)


def reductions(x: Tensor, dtype: str) -> list[Tensor]:
    axes = tuple(range(1, x.ndim - 1))
    found = [gc.sum(x, axis=axes), gc.prod(x * 0.1, axis=axes).astype(dtype)]
    if 0 not in x.shape:
        found += [gc.max(x, axis=axes), gc.var(x, axis=axes), gc.logsumexp(x, axis=axes)]
        found += [gc.argmax(x, axis=1), gc.argmin(gc.round(x), axis=1)]
    return found


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int32"])
def test_values_are_the_references(shape: tuple[int, ...], dtype: str) -> None:
    value = np.random.default_rng(shape).uniform(-3, 3, shape).astype(dtype)
    rtol = {"float16": 4e-3, "float64": 1e-12}.get(dtype, 1e-5)
    for sizes in (shape, tuple("abcd"[: len(shape)])):
        if sizes != shape and 0 in shape:
            continue  # the reference has no largest of nothing
        x = gc.placeholder("x", sizes, dtype)
        outputs = reductions(x, dtype)
        for got, want in zip(
            function([x], outputs, Schedule())(value), evaluate(outputs, {x: value}), strict=True
        ):
            a, b = np.asarray(got, np.float64), np.asarray(want, np.float64)
            np.testing.assert_allclose(a, b, rtol, 10 * rtol)


@pytest.mark.parametrize("shape", [(40, 100), (1, 9, 70), (70, 3)])
def test_an_extreme_of_nan_is_nan_wherever_it_is(shape: tuple[int, ...]) -> None:
    x = gc.placeholder("x", shape)
    outputs = [op(x, axis=axis) for op in (gc.max, gc.min) for axis in (len(shape) - 2, -1, None)]
    compiled = function([x], outputs, Schedule())
    rng = np.random.default_rng(1)
    for _ in range(30):
        value = rng.normal(size=shape).astype(np.float32)
        value[tuple(map(rng.integers, shape))] = np.nan
        for got, want in zip(compiled(value), evaluate(outputs, {x: value}), strict=True):
            np.testing.assert_array_equal(got, want)


def kernel_text(x: Tensor, y: Tensor, schedule: Schedule) -> str:
    return "".join(repr(call.kernel) for call in program_of([x], [y], schedule).calls)  # type: ignore[union-attr]


def test_lines_are_for_vectors_of_many_columns() -> None:
    for sizes, schedule, wanted in (
        ((9, 8, 640), Schedule(), True),
        ((9, 8, "m"), Schedule(), True),
        ((9, 8, lines.NARROW_LINE - 1), Schedule(), False),
        ((9, 8, 640), Schedule(vector_bits=0), False),
    ):
        x = gc.placeholder("x", sizes)
        assert ("tile" in kernel_text(x, gc.max(x, axis=1), schedule)) == wanted


def test_a_variance_takes_in_lines_whatever_is_known_of_its_sizes() -> None:
    for sizes in ((4096, 1024), ("n", 1024), ("n", "m")):
        x = gc.placeholder("x", sizes)
        assert "tile" in gc.compile([x], [gc.var(x, axis=0)]).dump("loops")


@pytest.mark.parametrize(
    ("rows", "together"), [(2000, accumulators.EVENLY), (2001, accumulators.TOGETHER)]
)
def test_what_is_taken_in_once_is_asked_for_some_lines_before(rows: int, together: int) -> None:
    x = gc.placeholder("x", ("n", rows, 1024))
    text = gc.compile([x], [gc.sum(x, axis=1), gc.sum(x * x, axis=1)]).dump("loops")
    left = rows % together != 0  # lines that are taken in one by one
    assert text.count("prefetch a0") == together + left
    assert text.count(f"+ {accumulators.LINES_AHEAD}) * 1024") == together + left


def test_whole_lines_are_asked_for_in_the_order_in_which_they_lie() -> None:
    for width, asked in ((1024, "i1 * 8) + 112"), (lines.WIDE_TILE + 64, "+ 7) + 8)")):
        x = gc.placeholder("x", ("n", 2000, width))
        text = gc.compile([x], [gc.sum(x, axis=1)]).dump("loops")
        assert asked.replace("i1", "i2") in text
        assert text.count("prefetch a0") == accumulators.EVENLY
