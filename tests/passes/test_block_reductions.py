"""Reductions that wait for others of the same elements go by blocks, and keep their values."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

import graphc as gc
from graphc.ir.node import Tensor
from graphc.ir.walk import topological
from graphc.passes.block_reductions import blocks
from graphc.passes.graph import Graph
from graphc.passes.pipeline import optimise
from tests.support.run import evaluate

Reduce = Callable[..., Tensor]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of a few lines, for small arrays too."""
    monkeypatch.setattr(blocks, "LINES", 6)
    monkeypatch.setattr(blocks, "LINES_OF_SQUARES", 6)
    monkeypatch.setattr(blocks, "LONG", 1)
    monkeypatch.setattr(blocks, "FEW", 0)
    monkeypatch.setattr(blocks, "FEW_EXPONENTIALS", 0)


def found(*outputs: Tensor) -> list[Tensor]:
    inputs = [n.outputs[0] for n in topological(outputs) if n.op.name == "placeholder"]
    return list(optimise(Graph(tuple(inputs), outputs)).outputs)


def ndims(outputs: list[Tensor]) -> set[int]:
    """The number of axes of what reductions read."""
    return {n.inputs[0].ndim for n in topological(outputs) if n.op.lowering == "reduce"}


def draws(shape: tuple[int, ...], dtype: str) -> list[np.ndarray]:
    rng = np.random.default_rng(shape)
    x = rng.normal(3, 2, shape).astype(dtype)
    specials = [x, x * 1e-3 + 100]
    for value in (np.inf, -np.inf, np.nan):
        y = x.copy()
        y[rng.random(shape) < 0.02] = value
        if y.ndim > 1:
            y[:, 0] = value
        specials.append(y)
    return [*specials, np.full_like(x, -np.inf), np.full_like(x, np.inf), np.zeros_like(x)]


@pytest.mark.parametrize("shape", [(24, 4), (25, 4), (97, 3), (13, 11), (7, 1), (1, 9), (60, 5, 2)])
@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_values_are_those_of_whole_columns(
    shape: tuple[int, ...], symbolic: bool, dtype: str
) -> None:
    check_values(shape, symbolic, dtype, ("reference", "cpu"))


@pytest.mark.parametrize("shape", [(70, 1), (97, 3), (101, 8), (40, 2, 3), (13, 11), (333,)])
@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_values_are_those_of_whole_columns_where_short_lines_count_as_one(
    shape: tuple[int, ...], symbolic: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "LONG", 16)
    check_values(shape, symbolic, "float32", ("reference", "cpu"))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_few_elements_of_named_sizes_are_in_no_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    few = gc.placeholder("few", ("n", "m"))
    outputs = [gc.logsumexp(few, axis=0), gc.var(few, axis=0), gc.logsumexp(few)]
    number = min(blocks.FEW, blocks.FEW_EXPONENTIALS)
    call = gc.compile([few], outputs)
    for shape in [(1, 1), (97, 3), (3, 40), (0, 2)]:
        assert shape[0] * shape[1] < number
        value = np.random.default_rng(shape).normal(3, 2, shape).astype(np.float32)
        wanted = evaluate(outputs, {few: value})
        for found_values in (call(value), evaluate(found(*outputs), {few: value})):
            for got, want in zip(found_values, wanted, strict=True):
                np.testing.assert_allclose(got, want, 1e-5, 1e-6)


def check_values(
    shape: tuple[int, ...], symbolic: bool, dtype: str, targets: Sequence[str]
) -> None:
    """Holds that reductions give, by way of blocks, what they give without."""
    x = gc.placeholder("x", ("n", "m", "k")[: len(shape)] if symbolic else shape, dtype)
    outputs = [gc.logsumexp(x, axis=0), gc.var(x, axis=0), gc.mean(x, axis=0)]
    outputs += [gc.logsumexp(x), gc.var(x), gc.std(x, axis=0, correction=1)]
    outputs += [gc.max(x, axis=0)] if shape[0] else []
    better = found(*outputs)
    scale = 1e-5 if dtype == "float32" else 1e-12
    for value in draws(shape, dtype):
        wanted = evaluate(outputs, {x: value.astype(dtype)})
        for target in targets:
            for got, want in zip(evaluate(better, {x: value}, target), wanted, strict=True):
                size = np.nanmax(np.abs(want[np.isfinite(want)]), initial=1e-30)
                np.testing.assert_allclose(got, want, 20 * scale, 20 * scale * size)


def test_of_no_elements_the_values_are_as_before() -> None:
    x = gc.placeholder("x", ("n", "m"), gc.float64)
    outputs = [gc.sum((x - gc.mean(x, axis=0)) ** 2, axis=0), gc.logsumexp(x, axis=0)]
    assert ndims(found(*outputs)) == {3, 2}
    squares, sums = evaluate(outputs, {x: np.zeros((0, 3))}, "cpu")
    np.testing.assert_array_equal(squares, [0, 0, 0])
    np.testing.assert_array_equal(sums, [-np.inf] * 3)


def test_maxima_of_blocks_are_those_that_fusion_looks_for() -> None:
    x = gc.placeholder("x", ("n", 256))
    graph = gc.compile([x], gc.logsumexp(x, axis=0)).stages.graph
    maxima = [node for node in topological(graph.results) if node.op.name == "max"]
    assert len(maxima) > 1
    assert all(node.attrs.keys() == {"axes", "empty"} for node in maxima)


@pytest.mark.parametrize("reduce", [gc.var, gc.logsumexp])
def test_columns_are_read_once(reduce: Reduce) -> None:
    x = gc.placeholder("x", (48, 8))
    assert ndims(found(reduce(x, axis=0))) == {3, 2}
    assert ndims(found(reduce(x))) == {2, 1}


def test_all_and_columns_share_the_squares() -> None:
    x = gc.placeholder("x", (48, 8))
    better = found(gc.var(x), gc.var(x, axis=0))
    squares = [n for n in topological(better) if n.op.name == "square"]
    assert [n.types[0].ndim for n in squares].count(3) == 1


def test_rows_stay() -> None:
    x = gc.placeholder("x", (48, 8))
    assert ndims(found(gc.var(x, axis=1))) == {2}


def test_short_lines_count_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "LONG", 16)
    x = gc.placeholder("x", ("n", 3))
    (y,) = found(gc.logsumexp(x, axis=0))
    shapes = [n.types[0].shape for n in topological([y]) if n.op.name == "line_blocks"]
    assert [shape[2:] for shape in shapes] == [(5, 3)]


def test_what_one_block_holds_stays() -> None:
    x = gc.placeholder("x", (6, 4))
    assert ndims(found(gc.var(x, axis=0))) == {2}


def test_exponentials_that_are_wanted_stay() -> None:
    x = gc.placeholder("x", (48, 8))
    assert ndims(found(gc.softmax(x, axis=0))) == {2}


def test_squares_about_something_else_stay() -> None:
    x, y = gc.placeholder("x", (48, 8)), gc.placeholder("y", (8,))
    assert ndims(found(gc.sum((x - y) ** 2, axis=0))) == {2}
    assert ndims(found(gc.sum((x - gc.mean(x, axis=0) * 2) ** 2, axis=0))) == {2}


@pytest.mark.parametrize("first", [0.0, 1000.0, -3e4])
def test_squares_do_not_cancel_though_a_blocks_first_lines_are_odd(
    first: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "LINES_OF_SQUARES", 128)
    value = np.random.default_rng(1).normal(5, 0.01, (512, 8)).astype(np.float32)
    value[::128] = first
    x = gc.placeholder("x", ("n", 8))
    outputs = [gc.var(x, axis=0), gc.var(x)]
    wanted = [value.var(0, dtype=np.float64), value.var(dtype=np.float64)]
    for got, want in zip(evaluate(found(*outputs), {x: value}, "cpu"), wanted, strict=True):
        np.testing.assert_allclose(got, want, 2e-5)


def test_squares_of_blocks_round_hardly_more_than_their_sum_must(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rounding alone is 2.7e-8; about the mean of two lines it was 3.8e-8."""
    monkeypatch.setattr(blocks, "LINES_OF_SQUARES", 128)
    value = np.random.default_rng(1).normal(0.5, 1, (4096, 1024)).astype(np.float32)
    x = gc.placeholder("x", value.shape)
    (got,) = evaluate(found(gc.var(x, axis=0)), {x: value}, "cpu")
    want = value.var(0, dtype=np.float64)
    assert np.linalg.norm(got - want) < 3.3e-8 * np.linalg.norm(want)
