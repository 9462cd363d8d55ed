"""Convolutions by constant kernels, laid out beforehand."""

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from graphc.ir.walk import topological
from graphc.passes.graph import Graph
from graphc.passes.pipeline import optimise
from tests.support.run import evaluate

#: Of the largest value.
TOLERANCE = 3e-6


def drawn(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32)


def is_packed(y, disable=()) -> bool:
    inputs = [x for n in topological([y]) for x in n.outputs if n.op.name == "placeholder"]
    graph = optimise(Graph(tuple(inputs), (y,)), disable)
    return any(n.op.name == "convolution_packed" for n in topological(graph.results))


CASES = {
    "steps": ((2, 64, 15, 17), (96, 64, 3, 3), {"stride": 2, "padding": 1}),
    "one tap": ((2, 32, 9, 9), (48, 32, 1, 1), {"stride": 2}),
    "many summands": ((1, 512, 13, 13), (64, 512, 3, 3), {"stride": 2, "padding": 1}),
    "few channels": ((2, 3, 30, 31), (64, 3, 7, 7), {"stride": 2, "padding": 3}),
    "one channel": ((3, 1, 11, 12), (16, 1, 5, 5), {"padding": 2}),
    "odd channels": ((2, 20, 9, 10), (48, 20, 3, 2), {"padding": ((0, 2), (1, 0))}),
    "taken away": ((2, 20, 12, 10), (16, 20, 2, 3), {"padding": ((-1, 2), (1, -2))}),
    "no samples": ((0, 20, 12, 10), (16, 20, 2, 3), {}),
}


@pytest.mark.parametrize("isa", ["host", "x86-64-v3", "x86-64-v2"])
@pytest.mark.parametrize("case", CASES)
def test_values(case, isa):
    shape, kernels, options = CASES[case]
    rng = np.random.default_rng(0)
    x, shift = gc.placeholder("x", shape, gc.float32), gc.placeholder("b", (kernels[0], 1, 1))
    y = nn.conv(x, gc.constant(drawn(rng, *kernels)), **options) + shift
    assert is_packed(y)
    feeds = {x: drawn(rng, *shape), shift: drawn(rng, kernels[0], 1, 1)}
    (got,) = gc.compile(list(feeds), [y], isa=isa)(*feeds.values())
    (want,) = evaluate([y], feeds)
    assert got.shape == want.shape
    assert got.size == 0 or np.abs(got - want).max() <= TOLERANCE * np.abs(want).max()


@pytest.mark.parametrize("channels", [2, 32])
@pytest.mark.parametrize("sizes", [(0, 9, 11), (1, 1, 1), (5, 31, 8), (1, 64, 67)])
def test_one_compilation_serves_every_size(sizes, channels):
    rng = np.random.default_rng(1)
    x = gc.placeholder("x", ("batch", channels, "height", "width"), gc.float32)
    k = gc.constant(drawn(rng, 32, channels, 3, 3))
    y = gc.relu(nn.conv(x, k, stride=2, padding=1))
    n, h, w = sizes
    feeds = {x: drawn(rng, n, channels, h, w)}
    (got,), (want,) = evaluate([y], feeds, "cpu"), evaluate([y], feeds)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)


def test_an_infinity_reaches_what_its_taps_see_alone():
    rng = np.random.default_rng(2)
    x, k = gc.placeholder("x", (1, 32, 12, 13), gc.float32), drawn(rng, 32, 32, 3, 3)
    y = nn.conv(x, gc.constant(k), stride=2, padding=1)
    value = drawn(rng, 1, 32, 12, 13)
    value[0, 3, 4, 5] = np.inf
    (got,), (want,) = evaluate([y], {x: value}, "cpu"), evaluate([y], {x: value})
    np.testing.assert_array_equal(np.isinf(got), np.isinf(want))


@pytest.mark.parametrize(
    ("kernels", "options", "dtype"),
    [
        ((32, 32, 3, 3), {"dilation": 2}, gc.float32),
        ((32, 8, 3, 3), {"groups": 4}, gc.float32),
        ((30, 32, 3, 3), {}, gc.float32),
        ((32, 32, 3, 3), {}, gc.float64),
    ],
    ids=["dilation", "groups", "uneven channels", "double precision"],
)
def test_others_are_left_alone(kernels, options, dtype):
    x, k = gc.placeholder("x", (1, 32, 12, 13), dtype), np.ones(kernels, dtype.numpy)
    assert not is_packed(nn.conv(x, gc.constant(k), **options))


def test_kernels_that_change_are_laid_out_by_each_call():
    x, k = gc.placeholder("x", (2, 32, 12, 13)), gc.placeholder("k", (48, 32, 3, 2))
    y = nn.conv(x, k, stride=2)
    assert is_packed(y)
    rng = np.random.default_rng(3)
    feeds = {x: drawn(rng, *x.shape), k: drawn(rng, *k.shape)}
    outputs = [y, *gc.grad(gc.sum(y * y), [x, k])]
    for got, want in zip(evaluate(outputs, feeds, "cpu"), evaluate(outputs, feeds), strict=True):
        assert np.abs(got - want).max() <= TOLERANCE * np.abs(want).max()


def test_the_pass_can_be_left_out():
    x, k = gc.placeholder("x", (1, 32, 12, 13)), gc.constant(np.ones((32, 32, 3, 3), np.float32))
    y = nn.conv(x, k, stride=2)
    assert is_packed(y) and not is_packed(y, disable=["pack_kernels"])
