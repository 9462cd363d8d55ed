"""Convolutions of narrow numbers, several summands at a time, against NumPy's integers and
float64.
"""

from functools import cache
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from graphc.backends.cpu.host import host
from graphc.ir.dtypes import DType
from graphc.ops.convolutions.word_kernels import kernels_of_words, word_kernels, words_shape
from tests.support.extremes import extremes
from tests.support.run import evaluate

PAIRS = [(gc.uint8, gc.int8), (gc.int8, gc.int8), (gc.int8, gc.uint8), (gc.int16, gc.int16)]
ISAS = ["host", "x86-64-v4", "x86-64-v3", "x86-64-v2"]
CASES: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "plain": ((2, 32, 9, 11), (48, 32, 3, 3), {"padding": 1}),
    "steps": ((1, 64, 15, 17), (32, 64, 3, 3), {"stride": 2, "padding": 1}),
    "one tap": ((2, 32, 9, 9), (16, 32, 1, 1), {"stride": 2}),
    "uneven channels": ((1, 21, 9, 10), (16, 21, 3, 2), {"padding": ((0, 2), (1, 0))}),
    "many summands": ((1, 1030, 9, 13), (32, 1030, 3, 3), {"padding": 1}),
    "few channels": ((2, 3, 30, 31), (32, 3, 7, 7), {"stride": 2, "padding": 3}),
    "few channels, long rows": ((1, 9, 6, 3001), (32, 9, 5, 3), {"padding": ((0, 3), (2, 0))}),
    "one channel": ((3, 1, 11, 12), (16, 1, 5, 2), {}),
    "taken away": ((2, 20, 12, 10), (16, 20, 2, 3), {"padding": ((-1, 2), (1, -2))}),
    "no samples": ((0, 20, 12, 10), (16, 20, 2, 3), {}),
}


def wide(x: gc.Tensor, w: gc.Tensor, dtype: DType = gc.int32, **options: Any) -> gc.Tensor:
    return nn.conv(gc.astype(x, dtype), gc.astype(w, dtype), **options)


def wanted(x: np.ndarray, w: np.ndarray, **options: Any) -> np.ndarray:
    """The sums, exactly."""
    a = gc.placeholder("a", x.shape, gc.int64)
    y = nn.conv(a, gc.constant(w.astype(np.int64)), **options)
    (found,) = evaluate([y], {a: x.astype(np.int64)})
    return found


@cache
def operands_and_sums(case: str, pair: tuple[DType, DType]) -> tuple[np.ndarray, ...]:
    """Pictures and kernels of a case, and what they give."""
    shape, kernels, conv = CASES[case]
    x, w = extremes(pair[0], shape, 0), extremes(pair[1], kernels, 1)
    return x, w, wanted(x, w, **conv)


def check(case: str, pair: tuple[DType, DType], *, constant: bool, **options: Any) -> None:
    shape, kernels, conv = CASES[case]
    x, w, want = operands_and_sums(case, pair)
    a, b = gc.placeholder("a", shape, pair[0]), gc.placeholder("b", kernels, pair[1])
    y = wide(a, gc.constant(w) if constant else b, **conv)
    f = gc.compile([a] if constant else [a, b], y + 1, **options)
    assert any("convolution_packed" in kernel.ops for kernel in f.kernels)
    found = f(x) if constant else f(x, w)
    assert np.array_equal(found, (want + 1).astype(np.int32))


#: Everything on this machine, and half on each of the levels: all pairs of a case, a pair of dtypes
#: and a level are there.
CONSTANT = [
    (case, pair, isa)
    for c, case in enumerate(CASES)
    for p, pair in enumerate(PAIRS)
    for i, isa in enumerate(ISAS)
    if isa == "host" or (c + p + i) % 2 == 0
]


@pytest.mark.parametrize(("case", "pair", "isa"), CONSTANT, ids=str)
def test_constant_kernels(case: str, pair: tuple[DType, DType], isa: str) -> None:
    check(case, pair, constant=True, isa=isa)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
@pytest.mark.parametrize("case", [c for c in CASES if c != "one tap"])
def test_kernels_that_change(case: str, pair: tuple[DType, DType]) -> None:
    check(case, pair, constant=False)


@pytest.mark.parametrize("case", ["plain", "uneven channels", "few channels"])
def test_scalar_code(case: str) -> None:
    shape, kernels, conv = CASES[case]
    x, w = extremes(gc.int8, shape, 0), extremes(gc.int8, kernels, 1)
    a = gc.placeholder("a", shape, gc.int8)
    f = gc.compile([a], wide(a, gc.constant(w), **conv), target="numba")
    assert np.array_equal(f(x), wanted(x, w, **conv).astype(np.int32))


@pytest.mark.parametrize("channels", [2, 32])
@pytest.mark.parametrize("sizes", [(0, 9, 11), (1, 1, 1), (5, 31, 8), (1, 64, 67)])
def test_one_compilation_serves_every_size(sizes: tuple[int, int, int], channels: int) -> None:
    x = gc.placeholder("x", ("batch", channels, "height", "width"), gc.int8)
    w = extremes(gc.int8, (32, channels, 3, 3), 2)
    n, h, v = sizes
    value = extremes(gc.int8, (n, channels, h, v), 3)
    f = gc.compile([x], wide(x, gc.constant(w), stride=2, padding=1))
    assert np.array_equal(f(value), wanted(value, w, stride=2, padding=1).astype(np.int32))


def test_sums_as_narrow_as_the_numbers_wrap() -> None:
    x, w = extremes(gc.int8, (1, 32, 9, 9), 0), extremes(gc.int8, (32, 32, 3, 3), 1)
    a = gc.placeholder("a", x.shape, gc.int8)
    f = gc.compile([a], nn.conv(a, gc.constant(w)))
    assert any("convolution_packed" in kernel.ops for kernel in f.kernels)
    np.testing.assert_array_equal(f(x), wanted(x, w).astype(np.int8), strict=True)


def test_channels_may_be_last_and_kernels_small() -> None:
    x, w = extremes(gc.uint8, (2, 9, 8, 16), 0), extremes(gc.int8, (16, 16, 3, 3), 1)
    a = gc.placeholder("a", x.shape, gc.uint8)
    y = gc.moveaxis(wide(gc.moveaxis(a, -1, 1), gc.constant(w), padding=1), 1, -1)
    f = gc.compile([a], y)
    assert any("convolution_packed" in kernel.ops for kernel in f.kernels)
    found = wanted(np.moveaxis(x, -1, 1), w, padding=1)
    assert np.array_equal(f(x), np.moveaxis(found, 1, -1).astype(np.int32))


def quantised(x: gc.Tensor, seed: int, outputs: int, **options: Any) -> gc.Tensor:
    """A layer of a network of int8."""
    w = extremes(gc.int8, (outputs, x.shape[1], 3, 3), seed)
    sums = wide(x, gc.constant(w), **options)
    scaled = gc.rint(gc.astype(sums, gc.float32) * (0.01 / 64) + 0.5)
    return gc.astype(gc.clip(scaled, 0, 255), gc.uint8)


def test_layers_of_a_network_follow_each_other() -> None:
    a = gc.placeholder("a", ("n", 3, 20, 21), gc.uint8)
    y = quantised(quantised(a, 0, 32, stride=2), 1, 48, padding=1)
    f = gc.compile([a], y)
    assert sum("convolution_packed" in kernel.ops for kernel in f.kernels) == 2
    x = extremes(gc.uint8, (2, 3, 20, 21), 4)
    (want,) = evaluate([y], {a: x})
    assert np.array_equal(f(x), want)
    assert 0 < (want > 0).mean() < 1


@cache
def floats_and_sums(case: str) -> tuple[np.ndarray, ...]:
    """Pictures and kernels of a case as bfloat16, what they give in float64, and what sizes do."""
    shape, kernels, conv = CASES[case]
    rng = np.random.default_rng(5)
    x, w = (rng.standard_normal(s).astype(gc.bfloat16.numpy) for s in (shape, kernels))
    big = gc.placeholder("b", shape, gc.float64)
    sums = [nn.conv(big, gc.constant(z), **conv) for z in (w.astype(float), abs(w).astype(float))]
    (want,) = evaluate(sums[:1], {big: x.astype(float)})
    (size,) = evaluate(sums[1:], {big: abs(x).astype(float)})
    return x, w, want, size


BFLOATS = ["plain", "steps", "one tap", "many summands", "few channels", "no samples"]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("relaxed", [False, True])
@pytest.mark.parametrize("case", BFLOATS)
def test_bfloat16_sums_in_float32(case: str, relaxed: bool, isa: str) -> None:
    x, w, want, size = floats_and_sums(case)
    a = gc.placeholder("a", x.shape, gc.bfloat16)
    y = wide(a, gc.constant(w), gc.float32, **CASES[case][2])
    f = gc.compile([a], y, relaxed=relaxed, isa=isa, disable=["winograd"])
    assert (np.abs(f(x) - want) <= 2.0**-22 * size).all()


def test_bfloat16_is_rounded_once() -> None:
    rng = np.random.default_rng(6)
    x, w = (
        rng.standard_normal(s).astype(gc.bfloat16.numpy) for s in ((1, 32, 8, 9), (32, 32, 3, 3))
    )
    a = gc.placeholder("a", x.shape, gc.bfloat16)
    y = nn.conv(a, gc.constant(w))
    f = gc.compile([a], y)
    assert any("convolution_packed" in kernel.ops for kernel in f.kernels)
    (want,) = evaluate([y], {a: x})
    assert f(x).dtype == want.dtype
    np.testing.assert_allclose(f(x).astype(float), want.astype(float), rtol=2.0**-7, atol=1e-3)


@pytest.mark.parametrize("padding", [0, 1, ((0, 2), (1, 0))])
def test_gradients_of_bfloat16_for_images_are_convolutions(padding: Any) -> None:
    rng = np.random.default_rng(9)
    shapes = ((2, 48, 9, 8), (32, 48, 3, 2))
    x, w = (rng.standard_normal(s).astype(gc.bfloat16.numpy) for s in shapes)
    a, b = (gc.placeholder(n, v.shape, gc.bfloat16) for n, v in (("a", x), ("b", w)))
    y = nn.conv(a, b, padding=padding)
    slope = gc.grad(gc.sum(gc.astype(y, gc.float32) ** 2), a)
    f = gc.compile([a, b], slope, relaxed=True)
    assert sum("convolution_packed" in kernel.ops for kernel in f.kernels) == 2
    (want,) = evaluate([slope], {a: x, b: w})
    error = np.abs(f(x, w).astype(float) - want.astype(float))
    assert error.max() <= 2.0**-7 * np.abs(want.astype(float)).max()


def test_an_infinity_reaches_what_its_taps_see_alone() -> None:
    rng = np.random.default_rng(7)
    x, w = (
        rng.standard_normal(s).astype(gc.bfloat16.numpy) for s in ((1, 30, 8, 9), (32, 30, 3, 3))
    )
    x[0, 29, 4, 4], x[0, 0, 0, 8] = np.inf, np.nan
    a = gc.placeholder("a", x.shape, gc.bfloat16)
    y = wide(a, gc.constant(w), gc.float32, padding=1)
    (want,) = evaluate([y], {a: x})
    found = gc.compile([a], y, relaxed=True, disable=["winograd"])(x)
    assert np.array_equal(np.isfinite(found), np.isfinite(want))


@pytest.mark.parametrize(
    ("dtype", "relaxed", "name"),
    [(gc.int8, False, "u8i8"), (gc.int16, False, "i16"), (gc.bfloat16, True, "bf16")],
    ids=str,
)
def test_the_machine_s_instructions_are_used(dtype: DType, relaxed: bool, name: str) -> None:
    x, w = gc.placeholder("x", (1, 64, 9, 9), dtype), gc.placeholder("w", (64, 64, 3, 3), dtype)
    text = gc.compile([x, w], nn.conv(x, w, stride=2), relaxed=relaxed).dump("loops")
    assert (f"dot.{name}(" in text) == (name in host().dots(relaxed=relaxed))


def test_subnormal_bfloat16_numbers_count_unless_relaxed() -> None:
    x = gc.placeholder("x", (1, 64, 9, 9), gc.bfloat16)
    ones = gc.constant(np.ones((64, 64, 3, 3), gc.bfloat16.numpy))
    small = np.full(x.shape, 1e-39, gc.bfloat16.numpy)
    assert (gc.compile([x], nn.conv(x, ones))(small) > 0).all()


@pytest.mark.parametrize("threads", [1, 2])
def test_any_number_of_threads_gives_the_same(threads: int) -> None:
    before = gc.get_num_threads()
    gc.set_num_threads(threads)
    try:
        check("many summands", PAIRS[1], constant=True)
    finally:
        gc.set_num_threads(before)


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("group", [2, 4])
def test_words_of_kernels_are_laid_back(group: int, first: bool) -> None:
    w = extremes(gc.int8, (48, 5, 3, 7), 8)
    words = word_kernels(w, first, group)
    assert words.shape == words_shape(w.shape, first, group)
    np.testing.assert_array_equal(kernels_of_words(words, w.shape, first, group), w)
