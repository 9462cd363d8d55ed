"""Values of rows and columns in bands: the same values and gradients, memory that grows with the
rows alone, and no columns that a mask hides.
"""

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from graphc.backends.reference import evaluate
from graphc.ir.dims import size
from graphc.ir.node import Node, Tensor
from graphc.ir.walk import topological
from graphc.nn.attention import (
    attention,
    causal_mask,
    kernel_regression,
    masked_softmax,
    padding_mask,
    scaled_dot_score,
)
from graphc.passes.bands import form
from graphc.passes.bands import loops as band_loops
from graphc.passes.graph import Graph
from graphc.passes.pipeline import optimise
from tests.support.threads import assert_same_bits

RNG = np.random.default_rng(0)
T, S, D = 100, 72, 8


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small values go by bands too."""
    for name in ("LEAST", "LEAST_MATRIX", "LEAST_SEEN", "ROW_SHARE", "COLUMN_SHARE"):
        monkeypatch.setattr(band_loops, name, 0)
    for name in ("LEAST_SEEN", "ROW_SHARE", "COLUMN_SHARE"):
        monkeypatch.setattr(form, name, 0)


def draw(*shape: int, dtype: str = "float64") -> np.ndarray:
    return RNG.uniform(-1, 1, shape).astype(dtype)


def loops(inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> list[Node]:
    nodes = topological(optimise(Graph(tuple(inputs), tuple(outputs))).results)
    return [node for node in nodes if node.op.name == "bands"]


def alike(
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor],
    given: Sequence[np.ndarray],
    count: int,
    without: bool = False,
    **options: Any,
) -> None:
    """With so many loops over bands: with them, by the reference of the written graph and of the
    one with loops, and if so asked, without them.
    """
    graph = optimise(Graph(tuple(inputs), tuple(outputs)))
    assert sum(n.op.name == "bands" for n in topological(graph.results)) == count
    known = dict(zip(inputs, given, strict=True))
    wanted = evaluate(outputs, known)
    runs = [
        gc.compile(inputs, outputs, **options)(*given),
        evaluate(graph.results, known),
    ]
    if without:
        runs.append(gc.compile(inputs, outputs, disable="bands")(*given))
    for found in runs:
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9)


def symbols(
    lead: tuple[int | str, ...] = (2, 3), t: int | str = T, s: int | str = S
) -> list[Tensor]:
    return [
        gc.placeholder(name, (*lead, length, D), gc.float64)
        for name, length in (("q", t), ("k", s), ("v", s))
    ]


def feed(inputs: Sequence[Tensor], **sizes: int) -> list[np.ndarray]:
    return [draw(*(d if isinstance(d, int) else sizes[str(d)] for d in x.shape)) for x in inputs]


def with_gradients(y: Tensor, inputs: Sequence[Tensor], mixed: bool = True) -> list[Tensor]:
    """y and gradients of a loss that mixes all rows, or is a sum over them."""
    loss = gc.sum(gc.sin(gc.sum(y, -2))) if mixed else gc.sum(y * y)
    return [y, *gc.grad(loss, list(inputs))]


@pytest.mark.parametrize(("lead", "mixed"), [((), True), ((1,), False), ((2, 3), True)])
def test_attention_and_its_gradients(lead: tuple[int, ...], mixed: bool) -> None:
    inputs = symbols(lead)
    outputs = with_gradients(attention(*inputs), inputs, mixed)
    alike(inputs, outputs, feed(inputs), 1 + mixed, without=True)


@pytest.mark.parametrize("first", [-100, -3, 0, 100])
def test_causal_attention_sees_no_more_columns_than_it_needs(first: int) -> None:
    inputs = symbols((2,))
    outputs = with_gradients(attention(*inputs, causal_mask(T, S, first)), inputs)
    assert all(node.attrs["columns"] == ("_seen", S) for node in loops(inputs, outputs))
    alike(inputs, outputs, feed(inputs), 2)


@pytest.mark.parametrize(("name", "hidden"), [("_band", False), ("_seen", True)])
def test_sizes_may_have_the_names_of_bands(name: str, hidden: bool) -> None:
    inputs = symbols((), name, name)
    mask = causal_mask(size(name)) if hidden else None
    outputs = with_gradients(attention(*inputs, mask), inputs)
    alike(inputs, outputs, feed(inputs, **{name: 300}), 2)


def test_rows_alone_go_apart_where_columns_are_hidden() -> None:
    inputs = symbols((2,))
    outputs = with_gradients(attention(*inputs, causal_mask(T, S)), inputs, mixed=False)
    alike(inputs, outputs, feed(inputs), 2)


@pytest.mark.parametrize(("which", "value"), [(0, np.nan), (1, np.inf), (2, np.nan), (2, -np.inf)])
def test_what_is_not_finite_is_not_hidden(value: float, which: int) -> None:
    inputs = symbols((2,))
    outputs = with_gradients(attention(*inputs, causal_mask(T, S)), inputs)
    given = feed(inputs)
    given[which][1, 60, 2] = value
    alike(inputs, outputs, given, 2)


@pytest.mark.parametrize("causal", [False, True])
def test_lengths_of_sequences_hide_columns(causal: bool) -> None:
    inputs, lengths = symbols((4, 2)), gc.placeholder("lengths", (4,), gc.int64)
    mask = gc.expand_dims(padding_mask(lengths, S), 1)
    mask = gc.logical_and(mask, causal_mask(T, S)) if causal else mask
    outputs = with_gradients(attention(*inputs, mask), inputs)
    assert all(node.attrs["columns"] is not None for node in loops([*inputs, lengths], outputs))
    alike([*inputs, lengths], outputs, [*feed(inputs), np.array([S, 0, 5, 31])], 2)


@pytest.mark.parametrize("shape", [(T, S), (3, T, S), (2, 1, T, S), (2, 3, 1, S)], ids=str)
def test_masks_and_biases_that_are_given(shape: tuple[int, ...]) -> None:
    inputs = symbols()
    mask, bias = gc.placeholder("mask", shape, gc.bool_), gc.placeholder("bias", shape, gc.float64)
    scores = gc.matmul(inputs[0], gc.swapaxes(inputs[1], -1, -2)) + bias
    y = gc.matmul(masked_softmax(scores, gc.broadcast_to(mask, scores.shape)), inputs[2])
    given = [*feed(inputs), RNG.random(shape) < 0.5, draw(*shape)]
    alike([*inputs, mask, bias], with_gradients(y, inputs), given, 2, without=len(shape) == 2)


def test_a_bias_of_columns_has_a_gradient() -> None:
    inputs = [*symbols(), gc.placeholder("bias", (3, 1, S), gc.float64)]
    q, k, v, bias = inputs
    y = gc.matmul(gc.softmax(scaled_dot_score(q, k) + bias), v)
    alike(inputs, with_gradients(y, inputs), feed(inputs), 2)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dropout_draws_the_same_numbers(dtype: str) -> None:
    inputs, key = symbols(), gc.random.key(3)
    weights = gc.softmax(scaled_dot_score(*inputs[:2]))
    kept = gc.random.uniform(key, weights.shape, dtype=dtype) < 0.9
    y = gc.matmul(gc.where(kept, weights / 0.9, 0), inputs[2])
    alike(inputs, with_gradients(y, inputs), feed(inputs), 2, without=True)


def test_any_function_between_the_products() -> None:
    inputs = symbols()
    q, k, v = inputs
    scores = gc.matmul(q, gc.swapaxes(k, -1, -2))
    for weights in (gc.sigmoid(scores), gc.relu(scores) ** 2, gc.exp(-gc.square(scores))):
        outputs = with_gradients(gc.matmul(weights, v), inputs)
        alike(inputs, outputs, feed(inputs), len(loops(inputs, outputs)))


@pytest.mark.parametrize("n", [0, 37, 64])
def test_distances_to_centres(n: int) -> None:
    x, c = gc.placeholder("x", ("n", D), gc.float64), gc.placeholder("c", (S, D), gc.float64)
    far = gc.sum(x * x, -1, keepdims=True) - 2 * x @ c.T + gc.sum(c * c, -1)
    soft = gc.logsumexp(-far, 1)
    outputs = [gc.argmin(far, 1), soft, *gc.grad(gc.sum(soft), [x, c])]
    alike([x, c], outputs, [draw(n, D), draw(S, D)], 1, without=True)


@pytest.mark.parametrize("n", [1, 64, 130])
def test_cross_entropy_of_many_classes(n: int) -> None:
    x, w = gc.placeholder("x", ("n", D), gc.float64), gc.placeholder("w", (D, 500), gc.float64)
    t = gc.placeholder("t", ("n",), gc.int64)
    loss = nn.cross_entropy(x @ w, t)
    given = [draw(n, D), draw(D, 500), RNG.integers(0, 500, n)]
    alike([x, w, t], [loss, *gc.grad(loss, [x, w])], given, 1, without=True)


@pytest.mark.parametrize(("b", "t"), [(0, 5), (1, 1), (2, 37), (1, 130)])
@pytest.mark.parametrize("causal", [False, True])
def test_sizes_that_are_not_known(b: int, t: int, causal: bool) -> None:
    x = gc.placeholder("x", ("b", "t", D), gc.float64)
    mask = causal_mask(x.shape[1]) if causal else None
    outputs = with_gradients(attention(x, x, x, mask), [x])
    alike([x], outputs, [draw(b, t, D)], 2)


@pytest.mark.parametrize("isa", ["x86-64-v2", "x86-64-v3"])
def test_narrow_vectors(isa: str) -> None:
    inputs = symbols()
    outputs = with_gradients(attention(*inputs, causal_mask(T, S)), inputs)
    alike(inputs, outputs, feed(inputs), 2, isa=isa)


def test_the_number_of_threads_changes_no_bit() -> None:
    inputs = symbols()
    outputs = with_gradients(attention(*inputs, causal_mask(T, S)), inputs)
    assert_same_bits(gc.compile(inputs, outputs), *feed(inputs), threads=(1, 2, 3, 5))


def test_loops_in_loops() -> None:
    x = gc.placeholder("x", (3, T, D), gc.float64)
    last, _ = gc.scan(lambda c, z: (attention(c, z, z, causal_mask(T)), gc.sum(c)), x[0], x)
    outputs = [last, *gc.grad(gc.sum(last * last), [x])]
    runs = [gc.compile([x], outputs, disable=d) for d in ("bands", ())]
    assert "= bands(" in runs[1].dump("optimised")
    given = draw(3, T, D)
    for a, b in zip(*(run(given) for run in runs), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


def test_indices_are_checked_in_bands() -> None:
    x, w = gc.placeholder("x", (T, D), gc.float64), gc.placeholder("w", (D, S), gc.float64)
    t = gc.placeholder("t", (T,), gc.int64)
    run = gc.compile([x, w, t], nn.cross_entropy(x @ w, t))
    with pytest.raises(gc.IndexRangeError):
        run(draw(T, D), draw(D, S), np.full(T, S))


def test_weights_that_are_asked_for_are_stored() -> None:
    inputs = symbols()
    weights = gc.softmax(scaled_dot_score(*inputs[:2]))
    assert not loops(inputs, [weights, gc.matmul(weights, inputs[2])])


def test_numba_has_no_bands() -> None:
    inputs = symbols()
    run = gc.compile(inputs, attention(*inputs), target="numba")
    assert "= bands(" not in run.dump("optimised")


def test_kernel_regression() -> None:
    inputs = [gc.placeholder(n, (size,), gc.float64) for n, size in (("x", T), ("p", S), ("y", S))]
    outputs = with_gradients(kernel_regression(*inputs)[:, None], inputs)
    alike(inputs, outputs, feed(inputs), len(loops(inputs, outputs)))


@pytest.mark.parametrize("seed", range(12))
def test_random_regions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lead = [(), (2,), (2, 2)][rng.integers(3)]
    inputs = symbols(lead, int(rng.integers(20, 90)), int(rng.integers(20, 90)))
    q, k, v = inputs
    t, s = q.shape[-2], k.shape[-2]
    big = gc.matmul(q, gc.swapaxes(k, -1, -2))
    for _ in range(rng.integers(1, 6)):
        way = rng.integers(7)
        if way == 0:
            big = gc.tanh(big)
        elif way == 1:
            big = gc.where(causal_mask(t, s, int(rng.integers(-9, 9))), big, -np.inf)
            big = gc.softmax(big) if rng.random() < 0.5 else gc.exp(big)
        elif way == 2:
            big = masked_softmax(big, causal_mask(t, s, int(rng.integers(-9, 9))))
        elif way == 3:
            big = big - gc.mean(big, -1, keepdims=True)
        elif way == 4:
            big = big * gc.matmul(q, gc.swapaxes(k, -1, -2))
        elif way == 5:
            big = gc.where(gc.random.bernoulli(gc.random.key(seed), 0.7, big.shape), big, 0)
        else:
            big = gc.softmax(big + gc.iota((s,)) * 0.1)
    made = [gc.matmul(big, v), gc.sum(big, -2), gc.max(big, -1)]
    outputs = [made[k] for k in sorted({0, int(rng.integers(3))})]
    loss = sum((gc.sum(gc.sin(gc.sum(y, -1))) for y in outputs), gc.constant(0.0, gc.float64))
    outputs += gc.grad(loss, inputs)
    alike(inputs, outputs, feed(inputs), len(loops(inputs, outputs)))


@pytest.mark.parametrize("causal", [False, True])
def test_memory_grows_with_the_rows_alone(causal: bool) -> None:
    def arena(t: int | str) -> Any:
        inputs = [gc.placeholder(n, (4, t, 32)) for n in "qkv"]
        y = attention(*inputs, causal_mask(inputs[0].shape[1]) if causal else None)
        return gc.compile(inputs, with_gradients(y, inputs)).memory

    least, most = (arena(t).arena for t in (2048, 8192))
    assert most < 5 * least
    assert most < 4 * 8192 * 8192 // 2


@pytest.mark.parametrize(
    ("heads", "t", "causal", "count"),
    [(8, 2048, False, 2), (8, 128, False, 0), (2, 128, True, 0), (32, 512, True, 2)],
)
def test_what_stays_in_a_cache_is_stored(
    monkeypatch: pytest.MonkeyPatch, heads: int, t: int, causal: bool, count: int
) -> None:
    monkeypatch.undo()
    inputs = [gc.placeholder(n, (heads, t, 64)) for n in "qkv"]
    y = attention(*inputs, causal_mask(t) if causal else None)
    assert len(loops(inputs, with_gradients(y, inputs))) == count


def test_an_artefact_has_the_same_bits(tmp_path: Path) -> None:
    inputs = symbols((2,))
    outputs = with_gradients(attention(*inputs, causal_mask(T, S)), inputs)
    made, given = gc.compile(inputs, outputs, name="attend"), feed(inputs)
    assert "= bands(" in made.dump("optimised")
    library = ctypes.CDLL(str(gc.export({"attend": made}, path=tmp_path / "net").library))
    library.net_create.restype = ctypes.c_void_p
    net = ctypes.c_void_p(library.net_create())
    wanted = made(*given)
    found = [np.empty_like(y) for y in wanted]
    arrays = [ctypes.c_void_p(x.ctypes.data) for x in (*given, *found)]
    assert library.net_attend(net, *arrays, None) == 0
    library.net_destroy(net)
    assert [y.tobytes() for y in found] == [y.tobytes() for y in wanted]


@pytest.mark.parametrize(
    ("dtype", "limit"), [("int64", 2**63 - 1), ("int32", 2**31 - 1), ("uint64", 2**64 - 1)]
)
def test_a_limit_may_be_the_greatest_of_all_numbers(dtype: str, limit: int) -> None:
    inputs = [*symbols(()), gc.placeholder("last", (T,), dtype)]
    mask = gc.iota((S,), 0, dtype) <= inputs[3][:, None]
    given = [*feed(inputs[:3]), np.full(T, limit, dtype)]
    alike(inputs, [attention(*inputs[:3], mask)], given, 1)


def test_numbers_of_columns_may_begin_again() -> None:
    inputs = [*symbols((), s=300), gc.placeholder("last", (T,), "uint8")]
    mask = gc.iota((300,), 0, "uint8") <= inputs[3][:, None]
    given = [*feed(inputs[:3]), np.arange(T, dtype=np.uint8) % 7]
    alike(inputs, [attention(*inputs[:3], mask)], given, 1)
