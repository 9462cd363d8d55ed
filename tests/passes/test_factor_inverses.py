"""Sums of rows by an inverse: which wait for it no longer; nothing but roundings changes."""

import numpy as np
import pytest

import graphc as gc
from graphc.ir.node import Tensor
from graphc.ir.walk import topological
from graphc.passes.graph import Graph
from graphc.passes.pipeline import optimise
from tests.support.run import evaluate

X = gc.placeholder("x", (5, 7), gc.float32)
Y = gc.placeholder("y", (5, 7), gc.float32)
V = gc.placeholder("v", (5,), gc.float32)


def norm(eps: float) -> Tensor:
    return gc.sqrt(gc.mean(X * X, axis=1, keepdims=True) + eps)


def softmax() -> Tensor:
    e = gc.exp(X - gc.max(X, axis=1, keepdims=True))
    return e / gc.sum(e, axis=1, keepdims=True)


def rewritten(y: Tensor) -> Tensor:
    (found,) = optimise(Graph((X, Y, V), (y,))).outputs
    return found


def waits(y: Tensor) -> bool:
    """Whether a sum needs an inverse."""
    sums = [node for node in topological([y]) if node.op.name == "sum"]
    names = {node.op.name for s in sums for node in topological(list(s.inputs))}
    return bool(names & {"rsqrt", "reciprocal", "divide"})


@pytest.mark.parametrize(
    "y",
    [
        gc.sum(Y * (X / norm(1e-5)), axis=1),
        gc.sum(Y / norm(1e-5) * (X / norm(1e-5)), axis=1),
        gc.sum(Y * softmax(), axis=1),
        gc.sum(softmax(), axis=1),
    ],
    ids=["norm", "twice", "softmax", "alone"],
)
@pytest.mark.parametrize("extreme", [False, True], ids=["ordinary", "extreme"])
def test_inverses_leave_sums(y: Tensor, extreme: bool) -> None:
    found = rewritten(y)
    assert not waits(found)
    random = np.random.default_rng(0)
    x, w = (random.normal(0, 3, (5, 7)).astype(np.float32) for _ in range(2))
    if extreme:
        x[1, 2], x[2, 3], x[3], w[4, 1] = np.nan, np.inf, 0, np.inf
    feeds = {X: x, Y: w, V: np.ones(5, np.float32)}
    with np.errstate(all="ignore"):
        wanted = evaluate([y], feeds)[0]
        for target in ("reference", "cpu"):
            got = evaluate([found], feeds, target)[0]
            np.testing.assert_allclose(got, wanted, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("columns", [7, 700])
def test_sums_overflow_where_those_of_the_softmax_do(dtype: str, columns: int) -> None:
    x, v = (gc.placeholder(name, ("n", columns), dtype) for name in "xv")
    y = gc.sum(gc.softmax(x, axis=1) * v, axis=1)
    most = float(np.finfo(dtype).max)
    rng = np.random.default_rng(0)
    values = rng.uniform(0.3, 0.6, (6, columns)).astype(dtype)
    values *= np.array([most, -most, 1, most, most, 1e-30], dtype)[:, None]
    values[2, 3], values[3, 1], values[4, 2] = np.inf, np.nan, -np.inf
    given = rng.uniform(0, 1e-3, values.shape).astype(dtype), values
    ours, theirs = (gc.compile([x, v], y, target=t)(*given) for t in ("cpu", "reference"))
    assert np.isfinite(ours[[0, 1, 5]]).all()
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)


@pytest.mark.parametrize(
    "y",
    [
        gc.sum(Y * (X / norm(0.0)), axis=1),  # infinite beside a row of zeros
        gc.sum(Y * (X / norm(1e-20)), axis=1),  # so large that products may be too small without
        gc.sum(Y * (X / gc.sqrt(V)[:, None]), axis=1),  # infinite beside a zero
        gc.sum(Y * (X / norm(1e-5)), axis=0),  # differs along the sum
    ],
    ids=["no_eps", "tiny_eps", "any_root", "other_axis"],
)
def test_other_factors_stay(y: Tensor) -> None:
    assert waits(rewritten(y))


def test_sums_of_a_short_range_wait() -> None:
    x, y = (gc.placeholder(name, ("n",), gc.float16) for name in "xy")
    e = gc.exp(x - gc.max(x))
    f = gc.compile([x, y], gc.sum(y * (e / gc.sum(e))))
    assert f(np.ones(100, np.float16), np.full(100, 1024, np.float16)) == pytest.approx(1024, 0.01)


@pytest.mark.parametrize("shape", [(3, 0), (0, 0), (0, 1), (2, 1)])
def test_a_sum_of_nothing_is_zero_beside_a_norm_of_nothing(shape: tuple[int, int]) -> None:
    x = gc.placeholder("x", ("n", "d"), gc.float32)
    norm = gc.sqrt(gc.mean(x * x, axis=1, keepdims=True) + 1e-5)
    f = gc.compile([x], gc.sum(x / norm, axis=1))
    wanted = [float(d > 0) for d in (shape[1],) * shape[0]]
    np.testing.assert_allclose(f(np.ones(shape, np.float32)), wanted, rtol=1e-5)
