"""Random whole graphs: values and gradients agree on every target, with passes and without.

Reproduce a failure with `draw_case(seed, steps, dtype)`.
"""

import itertools
import time

import numpy as np
import pytest

from graphc.backends.reference import evaluate
from graphc.passes.graph import Graph
from graphc.passes.pipeline import PIPELINE, optimise
from tests.fuzz.graphs import Case, draw_case
from tests.support import run

PASSES = tuple(dict.fromkeys(step.name for step in PIPELINE))
TOLERANCE = {"float64": 1e-9, "float32": 2e-4}
DTYPES = tuple(TOLERANCE)
QUICK = 30
COMPILED = 3
ON_NUMBA = (1, 2)  # one of each dtype: it takes seconds for a graph
WAYS = tuple(itertools.product(("cpu", "numba"), ("with passes", "without passes")))


def draw(seed: int, steps: int = 12) -> Case:
    return draw_case(seed, steps, DTYPES[seed % len(DTYPES)])


def results(case: Case):
    return [*case.outputs, case.loss, *case.gradients()]


def check_close(case: Case, got, expected, way: str = "reference"):
    """Largest error relative to the largest value of each result."""
    dtype = case.loss.dtype.name
    for k, (a, b) in enumerate(zip(got, expected, strict=True)):
        scale = max(1.0, np.abs(b).max(initial=0))
        error = np.abs(a - b).max(initial=0) / scale
        assert error <= TOLERANCE[dtype], (
            f"{way}: result {k} of seed {case.seed} ({dtype}) is off by {error}; "
            f"steps: {case.steps}"
        )


def check_passes(case: Case, disable=()):
    wanted = results(case)
    graph = optimise(Graph(tuple(case.feeds), tuple(wanted)), disable)
    check_close(case, evaluate(graph.outputs, case.feeds), evaluate(wanted, case.feeds))


def check_targets(case: Case, ways):
    """Each way gives the values and gradients of the reference."""
    wanted = results(case)
    expected = evaluate(wanted, case.feeds)
    for target, passes in ways:
        disable = PASSES if passes == "without passes" else ()
        found = run.evaluate(wanted, case.feeds, target, disable)
        check_close(case, found, expected, f"{target} {passes}")


def check_slope(case: Case):
    """The gradient is the slope of the loss along a random direction."""
    rng = np.random.default_rng(case.seed)
    along = {x: rng.normal(size=case.feeds[x].shape) for x in case.wrt}
    ends = [
        evaluate([case.loss], {**case.feeds, **_moved(case, along, step)})[0]
        for step in (1e-6, -1e-6)
    ]
    slope = (ends[0] - ends[1]) / 2e-6
    parts = zip(evaluate(case.gradients(), case.feeds), case.wrt, strict=True)
    gradient = sum(float((g * along[x]).sum()) for g, x in parts)
    assert abs(slope - gradient) <= 1e-4 * max(1, abs(gradient)), (
        f"seed {case.seed} has slope {slope} but gradient {gradient}; steps: {case.steps}"
    )


def _moved(case: Case, along, step: float):
    return {x: case.feeds[x] + step * direction for x, direction in along.items()}


@pytest.mark.parametrize("seed", range(QUICK))
def test_passes_keep_values_and_gradients(seed):
    check_passes(draw(seed))


@pytest.mark.parametrize("seed", range(QUICK, QUICK + 5))
@pytest.mark.parametrize("name", PASSES)
def test_leaving_a_pass_out_keeps_values_and_gradients(seed, name):
    check_passes(draw(seed), [name])


@pytest.mark.parametrize("seed", range(QUICK))
def test_gradient_is_the_slope(seed):
    check_slope(draw_case(seed))


@pytest.mark.parametrize("seed", range(COMPILED))
def test_targets_agree_with_the_reference_with_passes_and_without(seed):
    check_targets(draw(seed, 6), WAYS if seed in ON_NUMBA else WAYS[:2])


def for_seconds(seconds: float):
    """New seeds until the time is over."""
    end = time.monotonic() + seconds
    first = time.time_ns() % 2**40
    return itertools.takewhile(lambda _: time.monotonic() < end, itertools.count(first))


@pytest.mark.fuzz
def test_passes_keep_values_and_gradients_of_many_graphs(fuzz_seconds):
    for seed in for_seconds(fuzz_seconds):
        check_passes(draw(seed))
        check_slope(draw_case(seed))


@pytest.mark.fuzz
@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_targets_agree_with_the_reference_on_many_graphs(fuzz_seconds, way):
    for seed in for_seconds(fuzz_seconds):
        check_targets(draw(seed), [way])
