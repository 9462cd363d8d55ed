"""Second derivatives of every layer: products with the Hessian are differences of the gradient."""

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc import nn, probability, vision
from graphc.ir.node import Tensor
from tests.support.functions import COMPLETE, FUNCTIONS, WITHOUT_SLOPE
from tests.support.layers import LAYERS, Sample
from tests.support.models import MODELS
from tests.support.run import evaluate

SAMPLES = LAYERS | MODELS
ABSTRACT = {"Layer", "Cell"}
STEP = 2e-5

Feeds = dict[Tensor, np.ndarray]


def exported() -> dict[str, Any]:
    """Everything public in the packages of layers."""
    packages = (nn, probability, vision)
    return {name: getattr(package, name) for package in packages for name in package.__all__}


def exported_layers() -> list[str]:
    """The names of all layers that a user can make."""
    found = {n: x for n, x in exported().items() if inspect.isclass(x) and issubclass(x, nn.Layer)}
    return sorted(found.keys() - ABSTRACT)


def exported_functions() -> list[str]:
    """The names of all functions with a sample, and of those that need one."""
    functions = {n: f for n, f in exported().items() if inspect.isfunction(f)}
    needed = {n for n, f in functions.items() if f.__module__ in COMPLETE} - WITHOUT_SLOPE
    return sorted(needed | (FUNCTIONS.keys() & exported().keys()))


def listed(result: Any) -> list[Tensor]:
    """The tensors of a result."""
    if isinstance(result, Tensor):
        return [result]
    return [x for part in result for x in listed(part)]


def curved(results: Sequence[Tensor]) -> Tensor:
    """A scalar that depends on every element, each with a weight of its own, and not linearly."""
    total: Any = 0.0
    for y in results:
        flat = gc.reshape(y, (-1,))
        weights = gc.cos(gc.iota((flat.shape[0],)).astype(y.dtype)) + 1.5
        total = total + gc.sum(gc.sin(flat) * weights)
    return total


def built(sample: Sample, cls: Any) -> tuple[Tensor, Feeds, list[Tensor]]:
    """(a loss, values of what it reads, for which of these to differentiate)."""
    layer, arrays = sample.make(cls), sample.arrays()
    xs = [gc.placeholder(f"x{k}", a.shape, a.dtype) for k, a in enumerate(arrays)]
    params = layer.parameters() if isinstance(layer, nn.Layer) else []
    rng = np.random.default_rng(11)
    feeds = dict(zip(xs, arrays, strict=True))
    feeds |= {p: p.value + 0.1 * rng.normal(size=p.shape) for p in params}
    wrt = [x for k, x in enumerate(xs) if x.dtype.is_float and k not in sample.fixed]
    return curved(listed(sample.call(layer, *xs))), feeds, wrt + params * sample.trained


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
    assert name in SAMPLES, f"{name} has no sample in tests/support/layers.py"
    for sample in SAMPLES[name]:
        check(sample, exported()[name])


@pytest.mark.parametrize("name", exported_functions())
def test_second_derivatives_pass_through_the_function(name: str) -> None:
    assert name in FUNCTIONS, f"{name} has no sample in tests/support/functions.py"
    for sample in FUNCTIONS[name]:
        check(sample, exported()[name])
