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
    "few channels, one row": ((2, 3, 1, 40), (16, 3, 3, 3), {"stride": (1, 2), "padding": 1}),
    "few channels, long rows": ((1, 4, 5, 301), (32, 4, 2, 3), {"padding": ((0, 3), (2, 0))}),
    "few channels, no samples": ((0, 3, 12, 10), (16, 3, 3, 3), {}),
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


def bottleneck(x, rng, outputs, **options):
    """A convolution channel by channel, a function of it, and a product of one tap with that."""
    channels = x.shape[1]
    each = gc.constant(drawn(rng, channels, 1, 3, 3))
    y = nn.conv(x, each, groups=channels, **options)
    y = gc.clip(y * gc.constant(drawn(rng, channels, 1, 1)) + 1, 0, 6)
    return y, nn.conv(y, gc.constant(drawn(rng, outputs, channels, 1, 1)))


NARROW = {
    "one block": ((1, 32, 7, 7), 32, {"padding": 1}),
    "steps": ((2, 48, 15, 18), 24, {"padding": 1, "stride": 2}),
    "dilation": ((1, 20, 12, 9), 40, {"padding": 2, "dilation": 2}),
    "edges everywhere": ((3, 16, 2, 1), 8, {"padding": 1}),
    "no edges": ((1, 37, 19, 23), 48, {}),
    "no samples": ((0, 32, 7, 7), 32, {"padding": 1}),
}


@pytest.mark.parametrize("isa", ["host", "x86-64-v3", "x86-64-v2"])
@pytest.mark.parametrize("case", NARROW)
def test_images_are_computed_as_they_are_taken_in(case, isa):
    shape, outputs, options = NARROW[case]
    rng = np.random.default_rng(4)
    x = gc.placeholder("x", shape, gc.float32)
    _, y = bottleneck(x, rng, outputs, **options)
    value = drawn(rng, *shape)
    f = gc.compile([x], gc.relu(y), isa=isa)
    assert [k.kind for k in f.kernels if "depthwise" in k.ops] == ["contraction"]
    (want,) = evaluate([gc.relu(y)], {x: value})
    np.testing.assert_allclose(f(value), want, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("sizes", [(0, 9, 11), (1, 1, 1), (5, 31, 8), (1, 16, 67)])
def test_images_of_any_size_are_computed_as_they_are_taken_in(sizes):
    rng = np.random.default_rng(5)
    x = gc.placeholder("x", ("batch", 32, "height", "width"), gc.float32)
    _, y = bottleneck(x, rng, 16, padding=1)
    n, h, w = sizes
    feeds = {x: drawn(rng, n, 32, h, w)}
    (got,), (want,) = evaluate([y], feeds, "cpu"), evaluate([y], feeds)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)


def test_what_others_read_too_is_not_computed_twice():
    rng = np.random.default_rng(6)
    x = gc.placeholder("x", (1, 32, 18, 18), gc.float32)
    y, z = bottleneck(x, rng, 32, padding=1)
    f = gc.compile([x], [y, z])
    assert [k.kind for k in f.kernels if "depthwise" in k.ops] == ["nest"]


def test_what_is_beyond_the_edge_is_zero_among_values_that_are_not_numbers():
    rng = np.random.default_rng(7)
    x = gc.placeholder("x", (1, 32, 12, 13), gc.float32)
    _, y = bottleneck(x, rng, 32, padding=1)
    value = drawn(rng, 1, 32, 12, 13)
    value[0, 3, 0, 0], value[0, 5, 11, 12], value[0, 9, 6, 0] = np.nan, np.nan, np.nan
    (got,), (want,) = evaluate([y], {x: value}, "cpu"), evaluate([y], {x: value})
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))


def test_sums_over_many_channels_are_taken_in_short_chains() -> None:
    rng = np.random.default_rng(3)
    w, a = rng.standard_normal((64, 2048, 1, 1)), rng.standard_normal((1, 2048, 7, 7))
    x = gc.placeholder("x", (1, 2048, 7, 7), gc.float32)
    run = gc.compile([x], nn.conv(x, gc.constant(w.astype(np.float32))))
    kernels = w.astype(np.float32).astype(np.float64)[:, :, 0, 0]
    images = a.astype(np.float32)
    wanted = np.einsum("oc,ncyx->noyx", kernels, images.astype(np.float64))
    assert np.linalg.norm(run(images) - wanted) < 3.5e-7 * np.linalg.norm(wanted)


FOLLOWING = {
    "nothing": lambda y, z: y,
    "an image": lambda y, z: gc.relu(y + z),
    "a number for each row": lambda y, z: y * z[:, :, :, :1],
    "a number for each column": lambda y, z: y * z[:, :, :1],
    "a number for each sample": lambda y, z: y * z[:, :1, :1, :1],
    "much": lambda y, z: gc.gelu(y) * gc.tanh(z),
    "neighbours": lambda y, z: y + gc.pad(z, ((0, 0), (0, 0), (1, 0), (0, 1)))[:, :, :-1, 1:],
}


@pytest.mark.parametrize("following", FOLLOWING)
@pytest.mark.parametrize("channels", [3, 32])
@pytest.mark.parametrize("samples", [1, 3])
def test_what_follows_is_computed_at_each_position(following, channels, samples):
    rng = np.random.default_rng(8)
    x = gc.placeholder("x", (samples, channels, 13, 18), gc.float32)
    z = gc.placeholder("z", (samples, 24 if channels == 32 else 32, 13, 18), gc.float32)
    if channels == 32:
        _, y = bottleneck(x, rng, 24, padding=1)
    else:
        y = nn.conv(x, gc.constant(drawn(rng, 32, channels, 3, 3)), padding=1)
    y = FOLLOWING[following](y, z)
    feeds = {x: drawn(rng, *x.shape), z: drawn(rng, *z.shape)}
    (got,), (want,) = evaluate([y], feeds, "cpu"), evaluate([y], feeds)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("taps", "padding"), [(1, 0), (1, 1), (3, 1)])
def test_few_channels_that_a_product_has_left_last(taps, padding):
    rng = np.random.default_rng(0)
    x, first, second = (
        drawn(rng, 2, 8, 10, 9),
        drawn(rng, 8, 8, 3, 3),
        drawn(rng, 16, 8, taps, taps),
    )
    a = gc.placeholder("a", ("n", 8, "h", "w"))
    y = nn.conv(nn.conv(a, gc.constant(first), padding=1), gc.constant(second), padding=padding)
    (found,), (expected,) = (evaluate([y], {a: x}, target) for target in ("cpu", "reference"))
    np.testing.assert_allclose(found, expected, atol=TOLERANCE * np.abs(expected).max())
