"""Gradients for images of convolutions in steps, phase by phase, against the reference."""

from itertools import zip_longest
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from graphc.ops.convolutions.axes import Line
from graphc.ops.convolutions.phases import (
    Phase,
    _by_phase,
    _is_one_product,
    has_phases,
    phases_of,
)
from graphc.ops.source import constant_value

#: Images, kernels, steps, padding: steps over all taps, fewer taps than steps, odd lengths.
CASES: list[tuple[tuple[int, ...], tuple[int, ...], Any, Any]] = [
    ((2, 5, 17, 19), (7, 5, 3, 3), 2, 1), ((3, 4, 16, 16), (6, 4, 2, 2), 2, 0),
    ((2, 3, 15, 33), (5, 3, 1, 1), 2, 0), ((2, 3, 20, 21), (20, 3, 5, 5), 3, 2),
    ((1, 16, 14, 14), (32, 16, 3, 3), 2, 1), ((2, 3, 12, 13), (4, 3, 3, 2), (1, 2), 1),
    ((2, 2, 50), (3, 2, 7), 4, 3), ((1, 2, 40, 9), (2, 2, 6, 2), (5, 1), 0),
    ((1, 3, 35, 35), (20, 3, 11, 11), 4, 0), ((2, 3, 32, 32), (17, 3, 16, 16), 16, 0),
    ((2, 4, 21, 21), (18, 4, 8, 8), 4, 2), ((1, 20, 13, 17), (9, 20, 3, 3), 2, 1),
    ((1, 20, 13, 17), (9, 20, 2, 3), (4, 3), 0), ((2, 1, 203), (8, 1, 10), 5, 1),
    ((1, 3, 9, 8, 7), (4, 3, 2, 3, 1), 2, 0), ((1, 4, 12, 9), (8, 4, 1, 1), 4, 0),
    ((2, 24, 16, 17), (24, 1, 3, 3), 2, 1), ((2, 6, 16, 17), (4, 3, 4, 4), 2, 1),
    ((1, 17, 10, 11), (5, 17, 3, 3), 2, "same"), ((1, 2, 12, 12), (3, 2, 3, 3), 3, -1),
    ((2, 17, 12), (17, 1, 2), 2, 1), ((2, 16, 18), (4, 8, 4), 2, 1),
    ((2, 32, 9, 8), (6, 16, 2, 2), 2, 0),
    ((1, 18, 9, 8), (4, 9, 6, 3), (3, 2), 1),
]  # fmt: skip


#: Which lengths of images are names.
NAMES = {"fixed": (), "samples": ("n",), "all": ("n", None, "a", "b", "c")}


#: Every case with known lengths, and with one of the two ways to name some.
NAMED_CASES = [
    (case, names) for k, case in enumerate(CASES) for names in ("fixed", ("samples", "all")[k % 2])
]


@pytest.mark.parametrize(("case", "names"), NAMED_CASES, ids=str)
def test_gradients_equal_the_reference(case: Any, names: str) -> None:
    shape, kernel, stride, padding = case
    x = gc.placeholder("x", [a or d for a, d in zip_longest(NAMES[names][: len(shape)], shape)])
    w = gc.placeholder("w", kernel)
    y = nn.conv(x, w, stride, padding, groups=shape[1] // kernel[1])
    outputs = gc.grad(gc.sum(y * y), [x, w])
    rng = np.random.default_rng(0)
    given = [(rng.integers(-4, 5, s) / 4).astype("f4") for s in (shape, kernel)]
    found = gc.compile([x, w], outputs)(*given)
    wanted = gc.compile([x, w], outputs, target="reference")(*given)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5 * np.abs(b).max())


def test_each_phase_is_seen_by_every_nth_tap() -> None:
    assert phases_of(Line(2, 1, 1), 3) == [Phase(1, 1, 2, 0), Phase(0, 2, 2, 1)]
    assert phases_of(Line(3, 1, 0), 2) == [Phase(0, 1, 3, 0), Phase(1, 1, 3, 0), Phase(2, 0, 3, 0)]


def test_the_taps_of_all_phases_are_the_kernel() -> None:
    for stride in (1, 2, 3, 4):
        for taps in range(1, 9):
            found = [
                tap
                for p in phases_of(Line(stride, 1, 2), taps)
                for tap in range(p.first, taps, p.step)
            ]
            assert sorted(found) == list(range(taps))


def test_kernels_of_all_phases_are_those_of_each_with_zeros() -> None:
    w = np.arange(1, 6, dtype="f4").reshape((1, 1, 5))
    found = constant_value(_by_phase(gc.constant(w), [5], [(2, 3)], last=False))
    assert found is not None
    assert found.tolist() == [[[1, 3, 5], [2, 4, 0]]]


def test_many_phases_or_few_zeros_are_one_product() -> None:
    def found(taps: int, stride: int, each: int = 32, before: Any = 1, length: Any = 9) -> bool:
        shape = (1, max(each, 3), length, length)
        return _is_one_product([Line(stride, 1, before)] * 2, [taps] * 2, shape, each)

    (name,) = gc.placeholder("x", ("n",)).shape
    assert not found(3, 2)
    assert not found(3, 2, each=3)
    assert not found(3, 2, length=name)
    assert found(3, 2, each=3, length=name)
    assert found(3, 2, before=name)
    assert found(4, 2)
    assert not found(4, 2, each=1)
    assert found(16, 16)
    assert found(1, 2)


def test_only_wide_steps_between_neighbours_have_phases() -> None:
    def found(taps: int, stride: int, dilation: int = 1, spread: int = 1) -> bool:
        x, w = gc.placeholder("x", (1, 3, 64, "width")), gc.placeholder("w", (8, 3, taps, taps))
        y = nn.conv(x, w, stride, dilation=dilation, spread=spread)
        return has_phases(gc.grad(gc.sum(y), x).node, w)

    assert found(3, 2)
    assert not found(3, 1)
    assert not found(3, 2, dilation=2)
    assert not found(3, 2, spread=2)


def test_single_channels_that_fill_vectors_take_few_steps_as_they_are() -> None:
    def found(channels: int, stride: int) -> bool:
        x = gc.placeholder("x", (1, channels, 64, 64))
        w = gc.placeholder("w", (channels, 1, 3, 3))
        return has_phases(gc.grad(gc.sum(nn.conv(x, w, stride, groups=channels)), x).node, w)

    assert not found(16, 2)
    assert not found(16, 4)
    assert found(16, 5)
    assert found(4, 2)
