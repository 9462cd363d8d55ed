"""Gradients of each sample through every layer: vmap gives what samples give one by one."""

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.ir.node import Tensor
from graphc.ir.walk import substitute
from tests.support.exported import built, exported, exported_functions, exported_layers, samples_of
from tests.support.layers import Sample
from tests.support.run import evaluate


def check(sample: Sample, cls: Any) -> None:
    loss, feeds, wrt = built(sample, cls)
    slopes = gc.grad(loss, wrt)
    xs = [x for x in feeds if x.node.op.name == "placeholder"]
    if not xs:
        return
    others = {x: a for x, a in feeds.items() if x not in set(xs)}
    rows = [(feeds[x], feeds[x] * 0.7 if x.dtype.is_float else feeds[x][::-1]) for x in xs]
    stacks = [gc.placeholder(f"many{k}", (2, *x.shape), x.dtype) for k, x in enumerate(xs)]

    def one(*given: Tensor) -> list[Tensor]:
        return substitute([loss, *slopes], dict(zip(xs, given, strict=True)))

    given = {x: np.stack(pair) for x, pair in zip(stacks, rows, strict=True)}
    found = evaluate(gc.vmap(one)(*stacks), others | given)
    for k in range(2):
        feed = {x: pair[k] for x, pair in zip(xs, rows, strict=True)}
        for ours, theirs in zip(found, evaluate([loss, *slopes], others | feed), strict=True):
            scale = max(1.0, np.abs(theirs).max())
            np.testing.assert_allclose(ours[k], theirs, rtol=0, atol=1e-11 * scale)


@pytest.mark.parametrize("name", [*exported_layers(), *exported_functions()])
def test_gradients_of_each_sample_are_those_of_samples_one_by_one(name: str) -> None:
    for sample in samples_of(name):
        check(sample, exported()[name])
