"""Gradients for kernels over images whose lengths have names: as those of known lengths are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc import nn

ISAS = ("x86-64-v2", "x86-64-v3", "host")
#: Samples, height and width of images.
SIZES = ((1, 16, 16), (2, 5, 33), (1, 7, 3), (3, 2, 17), (0, 8, 8), (1, 1, 1), (2, 13, 48))
#: Channels, kernels, taps, and what differs from a plain convolution.
CASES: list[tuple[int, int, int, dict[str, int]]] = [
    (3, 16, 3, {"padding": 1}),
    (3, 16, 3, {"padding": 1, "stride": 2}),
    (5, 3, 3, {"padding": 1}),
    (16, 2, 1, {}),
    (20, 7, 3, {"padding": 2, "dilation": 2}),
    (8, 8, 3, {"padding": 1, "groups": 4}),
    (16, 16, 3, {"padding": 1, "groups": 16}),
    (16, 16, 3, {"padding": 1, "groups": 16, "stride": 2}),
    (4, 6, 2, {"padding": 1, "stride": 3}),
]


def gradient(case: Any, shape: tuple[Any, ...], isa: str = "host") -> gc.Executable:
    channels, kernels, taps, options = case
    x = gc.placeholder("x", (shape[0], channels, *shape[1:]))
    w = gc.placeholder("w", (kernels, channels // options.get("groups", 1), taps, taps))
    y = nn.conv(x, w, **options)
    g = gc.placeholder("g", y.shape)
    return gc.compile([x, w, g], gc.vjp([y], [w], [g])[0], isa=isa)


def arrays(case: Any, size: tuple[int, int, int]) -> tuple[Any, ...]:
    channels, kernels, taps, options = case
    rng = np.random.default_rng(0)
    x = rng.integers(-4, 5, (size[0], channels, *size[1:])).astype("f4")
    w = rng.integers(-4, 5, (kernels, channels // options.get("groups", 1), taps, taps))
    reach, stride = options.get("dilation", 1) * (taps - 1) + 1, options.get("stride", 1)
    out = [(d + 2 * options.get("padding", 0) - reach) // stride + 1 for d in size[1:]]
    return x, w.astype("f4"), rng.integers(-4, 5, (size[0], kernels, *out)).astype("f4")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_one_kernel_serves_every_length(case: Any) -> None:
    run = gradient(case, ("n", "h", "w"))
    for size in SIZES:
        given = arrays(case, size)
        np.testing.assert_array_equal(run(*given), wanted(case, size, given))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("case", CASES[1:6:2], ids=str)
def test_every_width_of_vectors(case: Any, isa: str) -> None:
    run, given = gradient(case, ("n", "h", "w"), isa), arrays(case, SIZES[1])
    np.testing.assert_array_equal(run(*given), wanted(case, SIZES[1], given))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("size", [(2, 1, 7), (2, 7, 1), (1, 1, 1), (0, 1, 7)], ids=str)
def test_images_with_no_place_for_a_window(size: tuple[int, int, int], isa: str) -> None:
    """No position along one axis and some along another: nothing is summed, nor divided by."""
    case = (2, 6, 3, {"stride": 2})
    given = arrays(case, size)
    found = gradient(case, ("n", "h", "w"), isa)(*given)
    np.testing.assert_array_equal(found, np.zeros_like(given[1]))


def wanted(case: Any, size: tuple[int, int, int], given: tuple[Any, ...]) -> Any:
    """By definition: small integers have one sum."""
    (x, w, g), options = given, case[3]
    pad, step, spread = (
        options.get(k, d) for k, d in (("padding", 0), ("stride", 1), ("dilation", 1))
    )
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    groups, result = options.get("groups", 1), np.zeros_like(w)
    xs, gs = np.split(x, groups, 1), np.split(g, groups, 1)
    for i, j in np.ndindex(*w.shape[2:]):
        rows, columns = (slice(k * spread, None, step) for k in (i, j))
        seen = [a[:, :, rows, columns][:, :, : g.shape[2], : g.shape[3]] for a in xs]
        parts = [np.einsum("nihw,nohw->oi", a, b) for a, b in zip(seen, gs, strict=True)]
        result[:, :, i, j] = np.concatenate(parts, 0)
    return result


@pytest.mark.parametrize("case", [CASES[k] for k in (0, 1, 2, 3, 5)], ids=str)
def test_windows_are_read_in_place(case: Any) -> None:
    assert "d.sum" in gradient(case, ("n", "h", "w")).dump("loops")


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("case", [CASES[0], (16, 48, 1, {}), (3, 17, 3, {"padding": 1})], ids=str)
def test_tiles_of_rows_fit_lines_of_any_length(case: Any, isa: str) -> None:
    """Lines shorter than a tile have a kernel of their own; what tiles share is stored once."""
    channels, kernels, taps, options = case
    x = gc.placeholder("x", ("n", channels, "h", "w"))
    w = gc.placeholder("w", (kernels, channels, taps, taps))
    total = gc.variable(np.zeros((), "f4"))
    y = gc.maximum(nn.conv(x, w, **options), 0) + x[:, :1]
    run, reference = (gc.compile([x, w], y, **o) for o in ({"isa": isa}, {"target": "reference"}))
    step = gc.compile([x, w], total, updates={total: total + gc.sum(y)}, isa=isa)
    wanted = 0
    for size in [(1, 3, length) for length in range(10)] + [(2, 1, 17), (0, 4, 4)]:
        given = arrays(case, size)[:2]
        expected = reference(*given)
        np.testing.assert_array_equal(run(*given), expected)
        step(*given)
        wanted += expected.sum()
        np.testing.assert_array_equal(total.value, wanted)


def test_rows_of_lines_of_named_lengths_share_what_they_read() -> None:
    x, w = gc.placeholder("x", ("n", 32, "h", "w")), gc.placeholder("w", (64, 32, 1, 1))
    assert "d.sum3.0.0" in gc.compile([x, w], nn.conv(x, w)).dump("loops")
