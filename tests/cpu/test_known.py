"""What the cache has of a graph depends on the values of those constants that were looked into."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import graphc as gc
from graphc.backends.cpu.host import host
from graphc.backends.cpu.known import Known, Reads
from graphc.executable import Executable
from graphc.ops.literal import Literal
from graphc.ops.recipes import made

ROWS = 64


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRAPHC_CACHE_DIR", str(tmp_path))
    return tmp_path


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def product(w: np.ndarray, more: np.ndarray) -> Executable:
    """A product by a matrix, which is an operand, and a table whose squares are folded."""
    x = gc.placeholder("x", ("n", ROWS))
    return gc.compile([x], x @ gc.constant(w) + gc.sum(gc.square(gc.constant(more))))


def expected(x: np.ndarray, w: np.ndarray, more: np.ndarray) -> np.ndarray:
    return x @ w + np.square(more, dtype=np.float64).sum().astype(np.float32)


def test_other_operands_share_code_and_keep_their_values() -> None:
    x, more = numbers(5, ROWS), numbers(40, 30, seed=9)
    for k in range(3):
        w = numbers(ROWS, ROWS, seed=k)
        f = product(w, more)
        assert f.from_cache == (k > 0)
        np.testing.assert_allclose(f(x), expected(x, w, more), rtol=1e-4)


def test_what_was_folded_is_told_apart() -> None:
    x, w = numbers(5, ROWS), numbers(ROWS, ROWS)
    tables = [numbers(40, 30, seed=k) for k in range(3)]
    for known in (False, True):
        for more in tables:
            f = product(w, more)
            assert f.from_cache == known
            np.testing.assert_allclose(f(x), expected(x, w, more), rtol=1e-4)


def test_equal_constants_are_another_graph_than_different_ones() -> None:
    x, a, b = numbers(3, ROWS), numbers(ROWS, ROWS, seed=1), numbers(ROWS, ROWS, seed=2)
    y = gc.placeholder("y", ("n", ROWS))
    for first, second in ((a, b), (a, a), (b, a)):
        f = gc.compile([y], y @ gc.constant(first) - gc.tanh(y) @ gc.constant(second))
        np.testing.assert_allclose(f(x), x @ first - np.tanh(x) @ second, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "look",
    [
        lambda x: x.array,
        lambda x: x.data,
        lambda x: x.digest,
        lambda x: x == Literal(x.array + 0),
        lambda x: x < Literal(x.array + 1),
        lambda x: made("arranged", gc.constant(x.array), (1, 0)).node.attrs["value"].array,
    ],
)
def test_whoever_sees_values_is_counted(look: Callable[[Literal], object]) -> None:
    literal: Literal = gc.constant(numbers(ROWS, ROWS, seed=4)).node.attrs["value"]
    assert literal.digest
    before = literal.reads
    look(literal)
    assert literal.reads > before


def test_a_read_of_what_was_made_before_counts_for_its_source() -> None:
    x = gc.constant(numbers(ROWS, ROWS, seed=5))
    source, result = (y.node.attrs["value"] for y in (x, made("arranged", x, (1, 0))))
    assert result.array.shape == (ROWS, ROWS)
    before = source.reads
    assert result.array.shape == (ROWS, ROWS)
    assert source.reads > before


def test_which_constants_were_looked_into_is_part_of_a_name() -> None:
    a, b = Literal(numbers(ROWS, ROWS, seed=6)), Literal(numbers(ROWS, ROWS, seed=7))
    one, other = Reads([a, b]), Reads([b, a])
    assert a.array.size
    first = Known("graph", host(), one)
    first.note(one)
    first.put(memoryview(b"for the first"))
    assert bytes(first.get() or b"") == b"for the first"
    second = Known("graph", host(), other)
    second.note(other)
    assert second.get() is None


def test_a_damaged_list_of_reads_is_a_miss(folder: Path) -> None:
    w, more = numbers(ROWS, ROWS), numbers(40, 30, seed=9)
    product(w, more)
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    assert not product(w, more).from_cache
    assert product(w, more).from_cache
