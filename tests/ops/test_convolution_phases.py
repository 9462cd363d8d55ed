"""Gradients for images of convolutions in steps, phase by phase, against the reference."""

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from graphc.ops.convolution_axes import Line
from graphc.ops.convolution_phases import Phase, has_phases, phases_of

#: Images, kernels, steps, padding: steps over all taps, fewer taps than steps, odd lengths.
CASES: list[tuple[tuple[int, ...], tuple[int, ...], Any, Any]] = [
    ((2, 5, 17, 19), (7, 5, 3, 3), 2, 1), ((3, 4, 16, 16), (6, 4, 2, 2), 2, 0),
    ((2, 3, 15, 33), (5, 3, 1, 1), 2, 0), ((2, 3, 20, 21), (20, 3, 5, 5), 3, 2),
    ((1, 16, 14, 14), (32, 16, 3, 3), 2, 1), ((2, 3, 12, 13), (4, 3, 3, 2), (1, 2), 1),
    ((2, 2, 50), (3, 2, 7), 4, 3), ((1, 2, 40, 9), (2, 2, 6, 2), (5, 1), 0),
]  # fmt: skip


@pytest.mark.parametrize("symbolic", [False, True], ids=["fixed", "symbolic"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradients_equal_the_reference(case: Any, symbolic: bool) -> None:
    shape, kernel, stride, padding = case
    x = gc.placeholder("x", ("n", *shape[1:]) if symbolic else shape)
    w = gc.placeholder("w", kernel)
    y = nn.conv(x, w, stride, padding)
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


def test_wide_steps_and_unknown_lengths_stay_one_product() -> None:
    def found(shape: Any, taps: int, stride: int) -> bool:
        x, w = gc.placeholder("x", shape), gc.placeholder("w", (8, 3, taps, taps))
        node = gc.grad(gc.sum(nn.conv(x, w, stride)), x).node
        return has_phases(node, w.shape[2:])

    assert found((1, 3, 64, 64), 3, 2)
    assert not found((1, 3, 64, 64), 16, 16)
    assert not found((1, 3, 64, "width"), 3, 2)
    assert not found((1, 3, 64, 64), 3, 1)
