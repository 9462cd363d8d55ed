"""What the packages of layers export, and each of it as a loss on a sample."""

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np

import graphc as gc
from graphc import nn, probability, vision
from graphc.ir.node import Tensor
from tests.support.functions import COMPLETE, FUNCTIONS, WITHOUT_SLOPE
from tests.support.layers import LAYERS, Sample
from tests.support.models import MODELS

SAMPLES = LAYERS | MODELS | FUNCTIONS
ABSTRACT = {"Layer", "Cell"}

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


def samples_of(name: str) -> Sequence[Sample]:
    """The samples of what has this name; fails where there are none."""
    assert name in SAMPLES, f"{name} needs a sample in tests/support"
    return SAMPLES[name]
