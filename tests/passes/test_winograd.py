"""Convolutions by Winograd's transforms: when, and that values stay what they were."""

import functools
import itertools
from fractions import Fraction
from functools import partial

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from graphc.ir.dim_values import evaluate as value_of
from graphc.ir.dims import size
from graphc.ir.walk import topological
from graphc.ops.convolutions.winograd_matrices import POINTS, TAPS, transforms
from graphc.passes.graph import Graph
from graphc.passes.layouts.winograd_ways import ways_for
from graphc.passes.pipeline import optimise
from tests.support.run import evaluate
from tests.support.threads import assert_same_bits

OPS = ("winograd_transformed", "winograd", "winograd_kernels")
#: Of the largest value; a direct sum in float32 of so many products errs as much.
TOLERANCE = 3e-6


def ops_of(outputs, disable=()) -> set[str]:
    """The names of Winograd's ops in the optimised graph."""
    inputs = [x for n in topological(outputs) for x in n.outputs if n.op.name == "placeholder"]
    graph = optimise(Graph(tuple(inputs), tuple(outputs)), disable)
    return {n.op.name for n in topological(graph.results)} & set(OPS)


def images(*shape, dtype=gc.float32):
    return gc.placeholder("x", shape, dtype)


def kernels(*shape, dtype=gc.float32):
    return gc.placeholder("w", shape, dtype)


def drawn(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32)


def near(got, want) -> None:
    assert got.shape == want.shape
    if want.size:
        assert np.abs(got - want).max() <= TOLERANCE * max(np.abs(want).max(), 1)


def in_steps(x: gc.Tensor, k: gc.Tensor) -> gc.Tensor:
    """The convolution of each sample in a step of a loop."""
    each = x.reshape((x.shape[0], 1, *x.shape[1:]))
    _, y = gc.scan(lambda c, a: (c, nn.conv(a, k, padding=1)), gc.zeros(()), each)
    return y.reshape((x.shape[0], *y.shape[2:]))


@pytest.mark.parametrize("convolve", [partial(nn.conv, padding=1), in_steps])
def test_results_of_trained_convolutions_err_little_more_than_direct_sums(convolve):
    x, k = images(2, 64, 28, 28), kernels(64, 64, 3, 3)
    y = convolve(x, k)
    gradient = gc.grad(gc.sum(y * y), k)
    assert convolve is in_steps or set(OPS) <= ops_of([y, gradient])
    rng = np.random.default_rng(3)
    feeds = {t: drawn(rng, *t.shape) for t in (x, k)}
    wide = nn.conv(*(t.astype(gc.float64) for t in (x, k)), padding=1)
    exact = evaluate([wide], feeds)[0]

    def error(outputs, **settings) -> float:
        found, *_ = gc.compile([x, k], outputs, **settings)(*feeds.values())
        return float(np.sqrt(np.mean((found - exact) ** 2)))

    direct = error([y, gradient], disable=["winograd"])
    assert error([y, gradient]) < 1.5 * direct
    assert 2 * direct < error([y]) < 5 * direct


# The transforms


@pytest.mark.parametrize("results", POINTS)
def test_the_matrices_give_a_correlation(results):
    rng = np.random.default_rng(results)
    m = transforms(results)
    x, w = rng.integers(-9, 9, m.reach), rng.integers(-9, 9, TAPS)
    found = np.array(m.back) @ ((np.array(m.of_kernels) @ w) * (np.array(m.of_images) @ x))
    np.testing.assert_allclose(found, np.correlate(x, w, "valid"), atol=1e-11)


@pytest.mark.parametrize("results", POINTS)
def test_numbers_of_the_transforms_of_values_are_exact_in_float32(results):
    m = transforms(results)
    assert all(np.float32(x) == x for matrix in (m.back, m.of_images) for r in matrix for x in r)
    assert all(p == Fraction(float(p)) for p in POINTS[results])


# Values


SHAPES = {
    "even": (2, 64, 64, 16, 14, 1),
    "odd": (3, 32, 48, 17, 13, 1),
    "without padding": (1, 16, 64, 33, 19, 0),
    "much padding": (1, 48, 16, 12, 21, 3),
    "one side": (2, 32, 32, 15, 20, ((2, 0), (0, 1))),
    "taken away": (2, 32, 32, 20, 20, ((-1, 1), (1, -2))),
    "many channels": (2, 256, 96, 12, 12, 1),
}
#: Those whose kernels are larger than the images: their gradient is a direct sum.
DIRECT = ("even", "many channels")


@pytest.mark.parametrize("isa", ["host", "x86-64-v3", "x86-64-v2"])
@pytest.mark.parametrize("case", SHAPES)
def test_values_and_both_gradients(case, isa):
    n, c, o, h, w, padding = SHAPES[case]
    if isa != "host" and case not in ("odd", "one side"):
        pytest.skip("few shapes do for narrow vectors")
    x, k = images(n, c, h, w), kernels(o, c, 3, 3)
    y = nn.conv(x, k, padding=padding)
    z = gc.placeholder("z", y.shape, gc.float32)
    outputs = [y, *gc.grad(gc.sum(y * z), [x, k])]
    assert ops_of(outputs) == set(OPS) - ({"winograd_kernels"} if case in DIRECT else set())
    rng = np.random.default_rng(1)
    feeds = {t: drawn(rng, *t.shape) for t in (x, k, z)}
    found = gc.compile(list(feeds), outputs, isa=isa)(*feeds.values())
    for got, want in zip(found, evaluate(outputs, feeds), strict=True):
        near(got, want)


@pytest.mark.parametrize("sizes", [(0, 9, 11), (1, 1, 1), (2, 2, 3), (5, 31, 8), (1, 64, 67)])
def test_one_compilation_serves_every_size(sizes):
    x, k = images("batch", 32, "height", "width"), kernels(32, 32, 3, 3)
    y = nn.conv(x, k, padding=1)
    outputs = [gc.relu(y + 1), *gc.grad(gc.sum(y * y), [x, k])]
    assert "winograd" in ops_of(outputs)
    rng = np.random.default_rng(2)
    n, h, w = sizes
    feeds = {x: drawn(rng, n, 32, h, w), k: drawn(rng, 32, 32, 3, 3) / 10}
    for got, want in zip(evaluate(outputs, feeds, "cpu"), evaluate(outputs, feeds), strict=True):
        near(got, want)


def test_what_follows_is_part_of_the_kernel():
    x, k = images(1, 64, 28, 28), gc.constant(np.full((64, 64, 3, 3), 0.01, np.float32))
    shift = gc.placeholder("b", (64, 1, 1), gc.float32)
    f = gc.compile([x, shift], gc.relu(nn.conv(x, k, padding=1) + shift) + x)
    assert [c.name.split("_", 1)[1] for c in f.kernels if "winograd" in c.name] == ["winograd"]
    assert len(f.kernels) <= 3
    rng = np.random.default_rng(3)
    arrays = drawn(rng, 1, 64, 28, 28), drawn(rng, 64, 1, 1)
    want = gc.compile([x, shift], f.graph.outputs[0], target="reference")(*arrays)
    near(f(*arrays), want)


def test_threads_do_not_change_a_bit():
    x, k = images(2, 64, 40, 36), kernels(64, 64, 3, 3)
    y = nn.conv(x, k, padding=1)
    f = gc.compile([x, k], [y, *gc.grad(gc.sum(y * y), [x, k])])
    rng = np.random.default_rng(4)
    arrays = drawn(rng, 2, 64, 40, 36), drawn(rng, 64, 64, 3, 3)
    assert_same_bits(f, *arrays)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 3e38])
@pytest.mark.parametrize("where", ["image", "kernel", "cotangent"])
def test_what_is_not_finite_stays_where_it_was(value, where):
    """An infinity reaches the results that its taps see, and no neighbour in the same tile."""
    x, k = images(1, 32, 12, 13), kernels(32, 32, 3, 3)
    y = nn.conv(x, k, padding=1)
    z = gc.placeholder("z", y.shape, gc.float32)
    outputs = [y, *gc.grad(gc.sum(y * z), [x, k])]
    rng = np.random.default_rng(5)
    feeds = {t: drawn(rng, *t.shape) for t in (x, k, z)}
    target = {"image": x, "kernel": k, "cotangent": z}[where]
    feeds[target][(0, 3, 1, 2)] = value
    assert ops_of(outputs)
    found = evaluate(outputs, feeds, "cpu")
    wanted = evaluate(outputs, feeds, "cpu", disable=["winograd"])
    for got, want in zip(found, wanted, strict=True):
        if value != 3e38:
            np.testing.assert_array_equal(np.isfinite(got), np.isfinite(want))
        whole = np.isfinite(want) & np.isfinite(got)
        others = ~np.isfinite(want)
        np.testing.assert_array_equal(np.isnan(got[others]), np.isnan(want[others]))
        scale = np.abs(want[whole]).max()
        assert np.abs(got[whole] - want[whole]).max() <= TOLERANCE * scale


# The choice


def conv_of(x, w, **options):
    return ops_of([nn.conv(images(*x), kernels(*w), **options)])


def test_images_with_many_positions_are_transformed():
    assert conv_of((1, 64, 56, 56), (64, 64, 3, 3), padding=1)
    assert conv_of(("batch", 64, 56, 56), (64, 64, 3, 3), padding=1)


@pytest.mark.parametrize(
    ("x", "w", "options"),
    [
        ((1, 512, 3, 3), (512, 512, 3, 3), {"padding": 1}),
        ((8, 64, 56, 56), (64, 64, 5, 5), {}),
        ((8, 64, 56, 56), (64, 64, 3, 3), {"stride": 2}),
        ((8, 64, 56, 56), (64, 64, 3, 3), {"dilation": 2}),
        ((8, 64, 56, 56), (64, 16, 3, 3), {"groups": 4}),
        ((8, 3, 56, 56), (64, 3, 3, 3), {}),
    ],
    ids=["weights weigh more", "taps", "stride", "dilation", "groups", "few channels"],
)
def test_others_are_left_alone(x, w, options):
    assert not conv_of(x, w, **options)


def test_double_precision_is_left_alone():
    x, k = images(2, 64, 32, 32, dtype=gc.float64), kernels(64, 64, 3, 3, dtype=gc.float64)
    assert not ops_of([nn.conv(x, k, padding=1)])


def test_the_pass_can_be_left_out():
    y = nn.conv(images(2, 64, 32, 32), kernels(64, 64, 3, 3), padding=1)
    assert ops_of([y]) and not ops_of([y], disable=["winograd"])


def test_constant_kernels_are_transformed_beforehand():
    k = gc.constant(np.ones((64, 64, 3, 3), np.float32))
    assert ops_of([nn.conv(images(2, 64, 32, 32), k, padding=1)]) == {"winograd"}


@pytest.mark.parametrize("relaxed", [False, True])
def test_narrow_numbers_are_summed_directly_where_that_takes_half_the_time(relaxed):
    x = gc.placeholder("x", (1, 256, 14, 14), gc.bfloat16)
    k = gc.astype(gc.placeholder("k", (256, 256, 3, 3), gc.bfloat16), gc.float32)
    y = nn.conv(gc.astype(x, gc.float32), k, padding=1)
    inputs = tuple(z for n in topological([y]) for z in n.outputs if n.op.name == "placeholder")
    graph = optimise(Graph(inputs, (y,), relaxed=relaxed))
    ops = {n.op.name for n in topological(graph.results)}
    assert ("winograd" in ops) != relaxed
    assert ("convolution_packed" in ops) == relaxed


@pytest.mark.parametrize("dtype", [gc.float16, gc.bfloat16], ids=str)
def test_16_bit_floats_are_transformed_in_float32_and_rounded_once(dtype):
    rng = np.random.default_rng(9)
    shapes = ((2, 64, 17, 20), (64, 64, 3, 3))
    x, k = (gc.placeholder(n, s, dtype) for n, s in zip("xk", shapes, strict=True))
    y = nn.conv(x, k, padding=1)
    outputs = [y, *gc.grad(gc.sum(y * 0.25), [x, k])]
    assert ops_of(outputs) >= {"winograd"}
    values = [rng.standard_normal(s).astype(dtype.numpy) for s in shapes]
    f = gc.compile([x, k], outputs)
    a, b = (gc.placeholder(n, s, gc.float32) for n, s in zip("ab", shapes, strict=True))
    z = nn.conv(a, b, padding=1)
    wide = [value.astype(np.float32) for value in values]
    wanted = evaluate([z, *gc.grad(gc.sum(z * 0.25), [a, b])], dict(zip((a, b), wide, strict=True)))
    step = {gc.float16: 2.0**-11, gc.bfloat16: 2.0**-8}[dtype]
    for got, want in zip(f(*values), wanted, strict=True):
        assert got.dtype == dtype.numpy
        bound = 1.01 * step * np.abs(want) + 1e-5 * np.abs(want).max()
        assert (np.abs(got.astype(np.float32) - want) <= bound).all()


def test_named_sizes_take_the_tiles_that_their_numbers_would():
    kernel, h, w = (128, 128, 3, 3), size("h"), size("w")
    named = ways_for(kernel, (1, 128, h, w))
    assert len(named) == 2
    seen = set()
    for height, width in itertools.product((4, 7, 14, 28, 56), (6, 28, 57)):
        (taken,) = [m for m, when in named if value_of(when, {"h": height, "w": width})]
        known = ways_for(kernel, (1, 128, height, width))
        assert known in ((), ((taken, 1),))
        seen.add(taken)
    assert seen == {2, 4}


@pytest.mark.parametrize("lengths", [(3, 5), (7, 7), (14, 13), (30, 57)])
def test_all_sizes_agree_with_the_direct_sum_from_one_compilation(lengths):
    rng = np.random.default_rng(6)
    feeds = drawn(rng, 1, 32, *lengths), drawn(rng, 32, 32, 3, 3)
    function, direct = named_convolution()
    for got, want in zip(function(*feeds), direct(*feeds), strict=True):
        near(got, want)


@functools.cache
def named_convolution() -> tuple[gc.Executable, gc.Executable]:
    """A convolution with its gradients, by any way and by the direct one."""
    x, k = images(1, 32, "h", "w"), kernels(32, 32, 3, 3)
    y = nn.conv(x, k, padding=1)
    outputs = [y, *gc.grad(gc.sum(y * y), [x, k])]
    assert ops_of(outputs)
    return gc.compile([x, k], outputs), gc.compile([x, k], outputs, target="reference")
