"""Depthwise convolutions by groups of positions, against the reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc import nn

#: Images, taps, steps, padding: lines shorter than a group, with a rest, without an inner part, and
#: so long that chunks end within them.
CASES: list[tuple[tuple[int, ...], tuple[int, int], int, int]] = [
    ((1, 16, 1, 1), (3, 3), 1, 1), ((2, 17, 5, 3), (3, 3), 1, 1), ((1, 32, 9, 13), (3, 3), 1, 1),
    ((1, 33, 12, 15), (3, 3), 2, 1), ((2, 48, 4, 6), (7, 7), 1, 3), ((0, 16, 8, 8), (3, 3), 1, 1),
    ((3, 20, 11, 10), (2, 3), 1, 0), ((1, 24, 40, 41), (5, 5), 2, 2),
    ((1, 128, 9, 2), (3, 1), 1, 1), ((1, 16, 3, 1200), (3, 5), 1, 2),
]  # fmt: skip


def ways(cases: Sequence[Any]) -> list[tuple[Any, bool, str]]:
    """Every case with known and with named lengths, one of these for each of two instruction sets,
    the other way round for the next case.
    """
    isas = "host", "x86-64-v3"
    return [
        (c, named, isas[(k + named) % 2]) for k, c in enumerate(cases) for named in (False, True)
    ]


@pytest.mark.parametrize(("case", "named", "isa"), ways(CASES), ids=str)
def test_groups_give_what_the_reference_gives(case: Any, named: bool, isa: str) -> None:
    shape, taps, stride, padding = case
    x = gc.placeholder("x", ("n", shape[1], "h", "w") if named else shape)
    w = gc.placeholder("w", (shape[1], 1, *taps))
    b = gc.placeholder("b", (shape[1], 1, 1))
    y = gc.relu(nn.conv(x, w, stride, padding, groups=shape[1]) + b)
    rng = np.random.default_rng(0)
    given = [(rng.integers(-8, 9, s) / 8).astype("f4") for s in (shape, w.shape, b.shape)]
    found = gc.compile([x, w, b], y, isa=isa)(*given)
    wanted = gc.compile([x, w, b], y, target="reference")(*given)
    np.testing.assert_array_equal(found, wanted)


def test_what_is_not_finite_stays_where_it_is_seen() -> None:
    x, w = gc.placeholder("x", (1, 16, 9, 18)), gc.placeholder("w", (16, 1, 3, 3))
    y = nn.conv(x, w, padding=1, groups=16)
    image = np.ones((1, 16, 9, 18), np.float32)
    image[0, 3, 4, 9], image[0, 5, 0, 0] = np.nan, np.inf
    kernels = np.ones((16, 1, 3, 3), np.float32)
    found = gc.compile([x, w], y)(image, kernels)
    wanted = gc.compile([x, w], y, target="reference")(image, kernels)
    np.testing.assert_array_equal(found, wanted)
    assert np.isnan(found).sum() == 9
    assert np.isinf(found).sum() == 4


#: Images, taps, steps, padding: steps that differ, that are no divisor of a group, lines that lie
#: between lines, edges that no tap reaches.
SPREAD: list[tuple[tuple[int, ...], tuple[int, ...], int, int]] = [
    ((1, 16, 12, 13), (3, 3), 2, 1), ((2, 17, 9, 40), (5, 3), 3, 1), ((0, 16, 8, 8), (3, 3), 2, 1),
    ((1, 32, 16, 17), (4, 4), 4, 0), ((3, 20, 1, 30), (1, 2), 2, 0), ((1, 16, 9, 9), (2, 2), 3, 0),
    ((2, 16, 6, 5, 8), (3, 2, 3), 2, 1), ((1, 16, 21, 23), (3, 3), 5, 1),
]  # fmt: skip


@pytest.mark.parametrize(("case", "named", "isa"), ways(SPREAD), ids=str)
def test_gradients_of_steps_leave_out_what_lies_between(case: Any, named: bool, isa: str) -> None:
    shape, taps, stride, padding = case
    x = gc.placeholder("x", ("n", shape[1], *"hwd"[: len(taps)]) if named else shape)
    w = gc.placeholder("w", (shape[1], 1, *taps))
    y = nn.conv(x, w, stride, padding, groups=shape[1])
    slope = gc.grad(gc.sum(gc.square(y)), x)
    rng = np.random.default_rng(0)
    given = [(rng.integers(-8, 9, s) / 8).astype("f4") for s in (shape, w.shape)]
    found = gc.compile([x, w], slope, isa=isa)(*given)
    wanted = gc.compile([x, w], slope, target="reference")(*given)
    np.testing.assert_array_equal(found, wanted)


def test_a_tap_between_elements_adds_nothing() -> None:
    x, w = gc.placeholder("x", (1, 16, 12, 18)), gc.placeholder("w", (16, 1, 3, 3))
    slope = gc.grad(gc.sum(nn.conv(x, w, stride=2, groups=16)), x)
    kernels = np.ones((16, 1, 3, 3), np.float32)
    kernels[:, 0, 1, 1] = np.inf
    image = np.zeros((1, 16, 12, 18), np.float32)
    found = gc.compile([x, w], slope)(image, kernels)
    wanted = gc.compile([x, w], slope, target="reference")(image, kernels)
    np.testing.assert_array_equal(found[..., :11, :17], wanted[..., :11, :17])
    np.testing.assert_array_equal(np.unique(np.isinf(wanted).nonzero()[2] % 2), 1)


def test_taps_that_see_nothing_of_an_image_give_zeros() -> None:
    x, w = gc.placeholder("x", (1, 16, 8, 8)), gc.placeholder("w", (16, 1, 1, 1))
    y = nn.conv(x, w, stride=(1, 2), padding=1, groups=16, spread=(1, 2))
    found = gc.compile([x, w], y)(np.ones(x.shape, "f4"), np.ones(w.shape, "f4"))
    np.testing.assert_array_equal(found, np.zeros((1, 16, 10, 9)))


def test_every_phase_of_a_gradient_is_one_kernel() -> None:
    x, w = gc.placeholder("x", (2, 32, 40, 41)), gc.placeholder("w", (32, 1, 3, 3))
    f = gc.compile([x, w], gc.grad(gc.sum(gc.square(nn.conv(x, w, 2, 1, groups=32))), x))
    assert not any("concat" in kernel.ops for kernel in f.kernels)
    lines = f.dump("loops").splitlines()
    assert sum("t.past.i" in line and " if " in line for line in lines) == 2 + 4
