"""Second derivatives of every layer: products with the Hessian are differences of the gradient."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.ir.node import Tensor
from tests.support.exported import (
    Feeds,
    built,
    exported,
    exported_functions,
    exported_layers,
    samples_of,
)
from tests.support.layers import Sample
from tests.support.run import evaluate

STEP = 2e-5


def check(sample: Sample, cls: Any) -> None:
    loss, feeds, wrt = built(sample, cls)
    assert loss.dtype == gc.float64 and wrt
    rng = np.random.default_rng(13)
    ways = {x: rng.normal(size=feeds[x].shape) for x in wrt}
    vectors = {x: gc.placeholder(f"v{k}", x.shape, x.dtype) for k, x in enumerate(wrt)}
    slopes = gc.grad(loss, wrt)
    products = evaluate(
        gc.hvp(loss, wrt, list(vectors.values())),
        feeds | {v: ways[x] for x, v in vectors.items()},
    )
    scale = max(np.abs(h).max() for h in products)
    assert scale > 1e-6
    for x, h, expected in zip(wrt, products, differences(slopes, feeds, ways), strict=True):
        np.testing.assert_allclose(h, expected, rtol=0, atol=1e-7 * scale, err_msg=str(x))


def differences(slopes: Sequence[Tensor], feeds: Feeds, ways: Feeds) -> list[np.ndarray]:
    """How fast the slopes change along `ways`: central differences of fourth order."""

    def at(steps: int) -> list[np.ndarray]:
        there = {x: feeds[x] + steps * STEP * way for x, way in ways.items()}
        return evaluate(slopes, feeds | there)

    points = zip(at(-2), at(-1), at(1), at(2), strict=True)
    return [(a - 8 * b + 8 * c - d) / (12 * STEP) for a, b, c, d in points]


@pytest.mark.parametrize("name", exported_layers())
def test_second_derivatives_pass_through_the_layer(name: str) -> None:
    for sample in samples_of(name):
        check(sample, exported()[name])


@pytest.mark.parametrize("name", exported_functions())
def test_second_derivatives_pass_through_the_function(name: str) -> None:
    for sample in samples_of(name):
        check(sample, exported()[name])
