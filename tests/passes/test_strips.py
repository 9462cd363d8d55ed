"""Scans by strips of rows: the same values, and none where rows meet or too little is gained."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from graphc.backends.reference import evaluate
from graphc.ir.dim_values import evaluate as evaluate_dim
from graphc.ir.errors import IndexRangeError
from graphc.ir.node import Node, Tensor
from graphc.ir.walk import topological
from graphc.passes.graph import Graph
from graphc.passes.loops import strips
from graphc.passes.pipeline import optimise
from tests.support.threads import assert_same_bits

RNG = np.random.default_rng(0)
Step = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small loops go by strips too."""
    monkeypatch.setattr(strips, "WORK", 0)


def draw(*shape: int, dtype: str = "float64") -> np.ndarray:
    return RNG.uniform(-1, 1, shape).astype(dtype)


def nodes(inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> list[Node]:
    return topological(optimise(Graph(tuple(inputs), tuple(outputs))).results)


def names(inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> list[str]:
    return [node.op.name for node in nodes(inputs, outputs)]


def symbols(length: int | str, height: int | str) -> tuple[Tensor, Tensor, Tensor]:
    return (
        gc.placeholder("x", (length, height, 4), gc.float64),
        gc.placeholder("w", (4, 4), gc.float64),
        gc.placeholder("c", (height, 4), gc.float64),
    )


def feed(inputs: Sequence[Tensor], length: int = 7, height: int = 0) -> list[np.ndarray]:
    sizes = {"time": length, "batch": height}
    return [draw(*(d if isinstance(d, int) else sizes[str(d)] for d in x.shape)) for x in inputs]


def recurrent(inputs: Sequence[Tensor], reverse: bool = False) -> list[Tensor]:
    """The last and all states of h = tanh(h w + x), and gradients."""
    x, w, c = inputs

    def step(h: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        new = gc.tanh(h @ w + z)
        return new, gc.concat([new * h, h[:, 1:]], 1)

    last, rows = gc.scan(step, c, x, reverse=reverse)
    return [last, rows, *gc.grad(gc.sum(last * last) + gc.sum(gc.sin(rows)), [*inputs])]


def alike(
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor],
    *feeds: Any,
    without: bool = False,
    **options: Any,
) -> None:
    """One compilation against the reference, and if so asked, against one without strips."""
    ours = gc.compile(inputs, outputs, **options)
    others = [gc.compile(inputs, outputs, target="reference")]
    if without:
        others.append(gc.compile(inputs, outputs, disable=["strips", "straighten"]))
    for given in feeds:
        found = ours(*given)
        for theirs in others:
            for a, b in zip(found, theirs(*given), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize(
    ("length", "height", "rows"),
    [
        (7, 32, 8),
        (7, 10, 5),
        (7, 96, 16),
        (7, 26, 13),
        (7, 35, 7),
        (0, 10, 5),
        (0, 32, 8),
        (1, 26, 13),
        (1, 35, 7),
    ],
)
def test_strips_change_no_value_and_no_gradient(
    length: int, height: int, rows: int, reverse: bool
) -> None:
    inputs = symbols(length, height)
    outputs = recurrent(inputs, reverse)
    found = [n for n in nodes(inputs, outputs) if n.op.name == "strips"]
    assert [n.attrs["most"] for n in found] == [rows] * 2
    alike(inputs, outputs, feed(inputs), without=length == 7)


def test_numba_runs_all_rows_at_once() -> None:
    inputs = symbols(5, 10)
    run = gc.compile(inputs, recurrent(inputs), target="numba")
    assert "strips(" not in run.dump("optimised")
    alike(inputs, recurrent(inputs), feed(inputs), target="numba")


@pytest.mark.parametrize("height", [16, "batch"])
@pytest.mark.parametrize("isa", ["x86-64-v2", "x86-64-v3"])
def test_narrow_vectors(isa: str, height: int | str) -> None:
    inputs = symbols(5, height)
    alike(inputs, recurrent(inputs), feed(inputs, height=21), isa=isa)


def test_any_number_of_steps() -> None:
    inputs = symbols("time", 16)
    outputs = recurrent(inputs)
    assert names(inputs, outputs).count("strips") == 2
    alike(inputs, outputs, *(feed(inputs, length) for length in (0, 1, 40)), without=True)


@pytest.mark.parametrize("length", [7, "time"])
def test_any_number_of_rows(length: int | str) -> None:
    inputs = symbols(length, "batch")
    outputs = recurrent(inputs)
    assert names(inputs, outputs).count("strips") == 2
    heights = (0, 1, 2, 5, 6, 7, 11, 19, 20, 33, 65, 131)
    alike(inputs, outputs, *(feed(inputs, height=height) for height in heights), without=True)


def _of_named_units(height: int | str) -> tuple[Tensor, Tensor, Tensor]:
    return (
        gc.placeholder("x", (6, height, "units"), gc.float64),
        gc.placeholder("w", ("units", "units"), gc.float64),
        gc.placeholder("c", (height, "units"), gc.float64),
    )


def _units_given(height: int, units: int) -> list[np.ndarray]:
    return [draw(6, height, units), draw(units, units), draw(height, units)]


@pytest.mark.parametrize("height", [19, "batch"])
def test_any_number_of_units(height: int | str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strips, "IN_CACHE", 100)
    inputs = _of_named_units(height)
    outputs = recurrent(inputs)
    found = [n for n in nodes(inputs, outputs) if n.op.name == "strips"]
    counts = [
        [evaluate_dim(n.attrs["count"], {"units": units, "batch": 19}) for units in (1, 10, 11)]
        for n in found
    ]
    assert counts == [[4, 4, 1], [4, 4, 1]]
    alike(inputs, outputs, *(_units_given(19, units) for units in (1, 9, 10, 11, 33)))


def test_a_scan_of_small_work_and_named_units_is_one_strip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strips, "WORK", 1 << 21)
    inputs = _of_named_units("batch")
    found = [n for n in nodes(inputs, recurrent(inputs)) if n.op.name == "strips"]
    values = [{"units": units, "batch": 32} for units in (10, 100)]
    assert [[evaluate_dim(n.attrs["count"], at) for at in values] for n in found] == [[1, 4]] * 2


def test_the_number_of_threads_changes_no_bit_of_named_units() -> None:
    inputs = _of_named_units("batch")
    run = gc.compile(inputs, recurrent(inputs))
    for height, units in ((51, 40), (0, 3), (21, 400)):
        assert_same_bits(run, *_units_given(height, units), threads=(1, 2, 3))


@pytest.mark.parametrize("units", [8, 12])
def test_the_reference_of_strips_of_named_units(
    units: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strips, "IN_CACHE", 100)
    inputs = _of_named_units("batch")
    outputs = recurrent(inputs)
    optimised = optimise(Graph(tuple(inputs), tuple(outputs))).results
    given = dict(zip(inputs, _units_given(13, units), strict=True))
    for a, b in zip(evaluate(optimised, given), evaluate(outputs, given), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


def test_memory_and_cost_of_strips_of_named_units_are_known() -> None:
    given = _units_given(32, 40)
    known = [gc.placeholder(n, a.shape, gc.float64) for n, a in zip("xwc", given, strict=True)]
    inputs = _of_named_units("batch")
    run, fixed = gc.compile(inputs, recurrent(inputs)), gc.compile(known, recurrent(known))
    assert run.memory.at(batch=32, units=40).peak <= 1.5 * fixed.memory.peak
    flops = run.cost.at(batch=32, units=40).flops
    assert flops == pytest.approx(fixed.cost.flops, rel=1e-3)


def test_a_size_may_have_the_name_of_a_strips_height() -> None:
    inputs = symbols("_strip0", "_strip")
    outputs = recurrent(inputs)
    assert names(inputs, outputs).count("strips") == 2
    given = [draw(5, 19, 4), draw(4, 4), draw(19, 4)]
    alike(inputs, outputs, given)


def test_named_rows_are_shared_out_evenly() -> None:
    (strip, _) = [n for n in nodes(*_named()) if n.op.name == "strips"]
    heights = (0, 1, 5, 6, 16, 17, 32, 33, 64, 65, 1000)
    count, most = strip.attrs["count"], strip.attrs["most"]
    counts = {h: evaluate_dim(count, {"batch": h}) for h in (*heights, *range(200))}
    assert [counts[h] for h in heights] == [1, 1, 2, 2, 2, 4, 4, 8, 8, 12, 128]
    assert all(-(-h // k) <= most for h, k in counts.items())


def _named() -> tuple[Sequence[Tensor], Sequence[Tensor]]:
    inputs = symbols(6, "batch")
    return inputs, recurrent(inputs)


def test_what_fails_in_a_strip_of_named_rows_is_told() -> None:
    x, w, c = symbols(6, "batch")
    at = gc.placeholder("at", (), gc.int64)

    def step(h: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        return gc.tanh(h @ w + z) * gc.take(w[0], at), h

    run = gc.compile([x, w, c, at], gc.scan(step, c, x))
    given = feed([x, w, c], height=13)
    run(*given, np.int64(3))
    with pytest.raises(IndexRangeError, match="4"):
        run(*given, np.int64(4))


@pytest.mark.parametrize("height", [12, "batch"])
def test_the_reference_of_a_scan_by_strips(height: int | str) -> None:
    inputs = symbols(6, height)
    outputs = recurrent(inputs)
    optimised = optimise(Graph(tuple(inputs), tuple(outputs))).results
    given = dict(zip(inputs, feed(inputs, height=13), strict=True))
    for a, b in zip(evaluate(optimised, given), evaluate(outputs, given), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("cell", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("norm", [False, True], ids=["plain", "norm"])
def test_recurrent_layers(cell: Any, norm: bool) -> None:
    x = gc.placeholder("x", (9, 20, 6), gc.float64)
    layer = cell(6, 8, dtype=gc.float64)
    h = layer(x)[0]
    h = nn.LayerNorm(8, dtype=gc.float64)(h) if norm else h
    outputs = [h, *gc.grad(gc.sum(h * h), [x, *layer.parameters()])]
    assert names([x], outputs).count("strips") == 2
    alike([x], outputs, feed([x]))


def test_sums_within_rows_stay_within_strips() -> None:
    x, w, c = inputs = symbols(6, 12)

    def step(h: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        new = gc.softmax(h @ w + z, axis=1) - gc.mean(h, axis=1, keepdims=True)
        return new, new

    last, rows = gc.scan(step, c, x)
    outputs = [last, rows, *gc.grad(gc.sum(rows * rows), [*inputs])]
    assert names(inputs, outputs).count("strips") == 2
    alike(inputs, outputs, feed(inputs))


def whole(step: Step, length: int | str = 6, height: int | str = 12) -> bool:
    """Whether a scan of this step stays as it is; its values are right in any case."""
    x, w, c = inputs = symbols(length, height)
    last, rows = gc.scan(lambda h, z: step(gc.tanh(h @ w) + z, z), c, x)
    if isinstance(height, int):
        alike(inputs, [last, rows], feed(inputs))
    return "strips" not in names(inputs, [last, rows])


def test_rows_that_meet_stay_together() -> None:
    assert not whole(lambda h, z: (h, h))
    assert whole(lambda h, z: (h - gc.mean(h, axis=0), h))
    assert whole(lambda h, z: (h, h[1:]))
    assert whole(lambda h, z: (h, gc.sum(h)))
    assert whole(lambda h, z: (h[::-1], h))
    assert whole(lambda h, z: (gc.concat([h[6:], h[:6]], 0), h))
    assert whole(lambda h, z: (h, h @ z.T))
    assert whole(lambda h, z: (h, h.T))
    assert whole(lambda h, z: (h + gc.cumsum(h, axis=0), h))


@pytest.mark.parametrize("height", [9, 11, 37])
def test_rows_that_are_no_whole_strips_go_by_uneven_ones(height: int) -> None:
    assert not whole(lambda h, z: (h, h), height=height)


@pytest.mark.parametrize("height", [1, 2, 3])
def test_few_rows_stay_together(height: int) -> None:
    assert whole(lambda h, z: (h, h), height=height)


def test_a_scan_of_small_work_stays_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strips, "WORK", 6 * 12 * 1000)
    assert whole(lambda h, z: (h, h))


def test_a_scan_without_products_or_with_large_ones_stays_whole() -> None:
    x, _, c = symbols(6, 12)
    assert "strips" not in names([x, c], gc.scan(lambda h, z: (h * z, h), c, x))
    big = gc.placeholder("w", (512, 512), gc.float64)
    x, c = gc.placeholder("x", (6, 12, 512), gc.float64), gc.zeros((12, 512), gc.float64)
    assert "strips" not in names([x, big], gc.scan(lambda h, z: (h @ big + z, h), c, x))


def test_a_scan_by_strips_inside_a_loop() -> None:
    x, w, c = inputs = symbols(6, 12)

    def outer(k: Tensor, _: None) -> tuple[Tensor, Tensor]:
        last, rows = gc.scan(lambda h, z: (gc.tanh(h @ w) + z * k, h), c, x)
        return k + gc.sum(last), gc.sum(rows)

    last, sums = gc.scan(outer, gc.sum(w), length=3)
    outputs = [last, sums, *gc.grad(last + gc.sum(sums), [*inputs])]
    alike(inputs, outputs, feed(inputs))


@pytest.mark.parametrize("height", [48, "batch"])
def test_the_number_of_threads_changes_no_bit(height: int | str) -> None:
    inputs = symbols(20, height)
    run, given = gc.compile(inputs, recurrent(inputs)), feed(inputs, height=51)
    assert_same_bits(run, *given, threads=(1, 2, 3, 5))
