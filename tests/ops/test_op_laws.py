"""The laws that every op keeps, tried on the samples that the op itself names.

An op's inferred types are those of its values (the reference evaluator asserts it), its lowering
computes its reference on every backend, its gradient is the limit of differences, also that of its
gradient, and its batching rule is a loop over the items of a batch.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

import graphc.ops  # noqa: F401  # registers the ops
from graphc.ir.dtypes import float64
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import Op, Sample
from graphc.ops.reduction import sum as total_of
from graphc.ops.source import constant
from graphc.passes.derivatives.differentiate import pullback
from tests.support.laws import agree, check_lowering, seeded, symbols, where_written
from tests.support.run import NATIVE, evaluate

OPS = [op for op in Op.registry.values() if op.samples()]
ITEMS = 3  # in a batch: unlike the sides of the samples, which are 1, 2, 4 or 5 for the most part
STEP = 1e-5
by_op = pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)


def distinct(samples: Sequence[Sample]) -> Iterator[Sample]:
    """Samples of which no two agree in attributes and shapes; float64 stands for its likes."""
    found: dict[Any, Sample] = {}
    for sample in samples:
        arrays = seeded(sample)
        key = (repr(sorted(sample.attrs.items())), tuple(a.shape for a in arrays))
        if key not in found or any(a.dtype == np.float64 for a in arrays):
            found[key] = sample
    yield from found.values()


# The lowering


@pytest.mark.parametrize("target", NATIVE)
@by_op
def test_a_backend_computes_the_reference(op: Op, target: str) -> None:
    check_lowering(op, op.samples(), target)


# Gradients


def differentiable(op: Op, sample: Sample) -> list[int]:
    """The inputs along which differences of float64 can be taken."""
    arrays = seeded(sample)
    named = range(len(arrays)) if sample.differentiable is None else sample.differentiable
    floats = [k for k in named if arrays[k].dtype == np.float64]
    outputs = apply(op, *symbols(arrays), **sample.attrs).types
    return floats if any(t.dtype is float64 for t in outputs) else []


def weighted(xs: Sequence[Tensor], rng: np.random.Generator) -> Tensor:
    """The sum of the tensors' elements with random weights: a scalar that each element shows in."""
    terms = [total_of(x * constant(rng.uniform(0.5, 1.5, x.shape))) for x in xs]
    return sum(terms[1:], start=terms[0])


def check_gradient(
    scalar: Tensor, gradients: list[Tensor], xs: list[Tensor], feeds: Any, note: str
) -> None:
    """The gradients along a random direction against a central difference."""
    rng = np.random.default_rng(5)
    direction = {x: rng.uniform(-1, 1, x.shape) for x in xs}
    values = evaluate(gradients, feeds)
    slope = sum(np.sum(g * direction[x]) for g, x in zip(values, xs, strict=True))
    ahead, behind = (
        evaluate([scalar], feeds | {x: feeds[x] + s * STEP * v for x, v in direction.items()})[0]
        for s in (1, -1)
    )
    size = sum(np.sum(np.abs(g)) for g in values)
    np.testing.assert_allclose(
        slope, (ahead - behind) / (2 * STEP), rtol=1e-6, atol=1e-7 * (1 + size), err_msg=note
    )


@by_op
def test_the_gradient_is_the_limit_of_differences(op: Op) -> None:
    samples = [s for s in distinct(op.samples()) if differentiable(op, s)]
    if not samples:
        pytest.skip("nothing to differentiate")
    for sample in samples:
        arrays, rng = seeded(sample), np.random.default_rng(3)
        inputs = symbols(arrays)
        feeds = dict(zip(inputs, arrays, strict=True))
        xs = [inputs[k] for k in differentiable(op, sample)]
        outputs = apply(op, *inputs, **sample.attrs).outputs
        value = weighted([y for y in outputs if y.dtype is float64], rng)
        gradients = pullback([value], xs, [constant(1.0, value.dtype)])
        note = where_written(op, sample)
        check_gradient(value, gradients, xs, feeds, note)
        slope = weighted(gradients, rng)
        curvature = pullback([slope], xs, [constant(1.0, slope.dtype)])
        check_gradient(slope, curvature, xs, feeds, f"second order: {note}")


# Batches


def subsets(count: int) -> list[tuple[int, ...]]:
    """All inputs batched, and each alone."""
    alone = [(k,) for k in range(count)]
    return [tuple(range(count)), *alone] if count > 1 else alone


def batched(node: Node, inputs: list[Tensor], chosen: tuple[int, ...]) -> Sequence[Tensor]:
    axes = [0 if k in chosen else None for k in range(len(inputs))]
    return node.op.batch(node, inputs, axes, ITEMS)


@by_op
def test_the_batching_rule_is_a_loop(op: Op) -> None:
    for sample in distinct(op.samples()):
        items = [seeded(sample, seed) for seed in range(ITEMS)]
        for chosen in subsets(len(items[0])):
            check_batch(op, sample, items, chosen)


def check_batch(
    op: Op, sample: Sample, items: list[list[np.ndarray]], chosen: tuple[int, ...]
) -> None:
    rows = [
        [items[i][k] if k in chosen else items[0][k] for k in range(len(items[0]))]
        for i in range(ITEMS)
    ]
    arrays = [
        np.stack([row[k] for row in rows]) if k in chosen else a for k, a in enumerate(items[0])
    ]
    inputs = symbols(arrays)
    node = apply(op, *symbols(items[0], "one"), **sample.attrs)
    found = evaluate(batched(node, inputs, chosen), dict(zip(inputs, arrays, strict=True)))
    each = [evaluate(node.outputs, dict(zip(node.inputs, row, strict=True))) for row in rows]
    for k, got in enumerate(found):
        want = np.stack([values[k] for values in each])
        agree(got, want, f"{where_written(op, sample)} batched {chosen}", elementwise=False)


# Errors


def test_every_op_says_what_it_is() -> None:
    ours = [op for op in Op.registry.values() if type(op).__module__.startswith("graphc.")]
    silent = [op.name for op in ours if not (op.__doc__ or type(op).__doc__)]
    assert not silent
