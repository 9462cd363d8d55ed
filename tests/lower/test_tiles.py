"""Left operands whose rows lie side by side, in tiles that are laid out once for all blocks."""

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.backends.loops.stmt import Prefetch, walk
from graphc.backends.lower.kernel import Call, Schedule
from graphc.backends.lower.products import left_place
from graphc.ir.dim_values import evaluate
from tests.lower.scheduled import function, program_of
from tests.support.products import assert_close
from tests.support.threads import assert_same_bits

LAID_OUT = ["dot_tiles", "dot"]
#: Summands, rows and columns: of one tile and of many, of no vector and of some.
SHAPES = [(1, 1, 1), (0, 5, 7), (5, 0, 3), (9, 17, 33), (130, 97, 70), (517, 61, 20), (3, 300, 513)]


def draw(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    return np.random.default_rng(shape).standard_normal(shape).astype(dtype)


def across(k: Any, m: Any, n: Any, dtype: Any = gc.float32) -> tuple[Any, Any, Any]:
    x, y = gc.placeholder("x", (k, m), dtype), gc.placeholder("y", (k, n), dtype)
    return x, y, x.T @ y


def kernels(k: Any, m: Any, n: Any) -> list[str]:
    x, y, z = across(k, m, n)
    return [c.kernel.name for c in program_of([x, y], [z]).calls if isinstance(c, Call)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_compile_multiplies_what_lies_side_by_side_for_all_sizes(dtype: str) -> None:
    x, y, z = across("k", "m", "n", getattr(gc, dtype))
    run = gc.compile([x, y], z)
    for k, m, n in SHAPES:
        a, b = draw(k, m, dtype=dtype), draw(k, n, dtype=dtype)
        assert_close(run(a, b), a.T, b)


@pytest.mark.parametrize("bits", [0, 128, 256, 512])
@pytest.mark.parametrize("shape", [s for s in SHAPES if 0 not in s], ids=str)
def test_tiles_of_known_sizes_hold_all_rows(
    shape: tuple[int, int, int], bits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LAID_OUT", "LAID_OUT_COLUMNS", "LEAST_HEIGHT"):
        monkeypatch.setattr(left_place, name, 1)
    k, m, n = shape
    x, y, z = across(k, m, n)
    a, b = draw(k, m), draw(k, n)
    (result,) = function([x, y], [z], Schedule(vector_bits=bits, few=0, direct=False))(a, b)
    assert_close(result, a.T, b)


def test_nan_in_a_row_stays_in_it() -> None:
    x, y, z = across(600, 500, 520)
    a, b = draw(600, 500), draw(600, 520)
    a[7, 499] = np.nan
    result = gc.compile([x, y], z)(a, b)
    assert np.isnan(result[499]).all()
    assert np.isfinite(result[:499]).all()


def test_the_number_of_threads_changes_no_bit_of_what_is_laid_out() -> None:
    x, y, z = across("k", 130, 600)
    assert_same_bits(gc.compile([x, y], gc.tanh(z)), draw(700, 130), draw(700, 600))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((1024, 1024, 1024), LAID_OUT),
        (("k", 512, 512), LAID_OUT),
        ((1024, 1024, 64), ["dot"]),
        ((1024, 64, 1024), ["dot"]),
        ((64, 128, 1024), ["dot"]),
    ],
    ids=str,
)
def test_rows_that_are_read_for_many_columns_are_laid_out_once(
    shape: tuple[Any, Any, Any], expected: list[str]
) -> None:
    assert kernels(*shape) == expected


def test_no_tiles_are_laid_out_for_few_rows() -> None:
    x, y, z = across("k", "m", "n")
    memory = gc.compile([x, y], z).memory
    lengths = [{"k": 1000, "m": m, "n": 1000} for m in (4, 400)]
    assert [evaluate(memory.arena, known) > 10**6 for known in lengths] == [False, True]


def test_tiles_ask_for_rows_that_lie_far_apart() -> None:
    x, y, z = across(1024, 1024, 1024)
    (call, _) = (c for c in program_of([x, y], [z]).calls if isinstance(c, Call))
    assert [s for s in walk(call.kernel.body) if isinstance(s, Prefetch) and s.buffer == "a0"]
