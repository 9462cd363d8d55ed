"""Random graphs with loops, branches, batches, order and linear algebra: values, gradients, and
tangents agree, on every vector width.

Reproduce a failure with `draw(seed)`.
"""

import numpy as np
import pytest

import graphc as gc
from graphc.backends.reference import evaluate
from tests.fuzz.graphs import Case, draw_case
from tests.fuzz.structures import ALL
from tests.fuzz.test_graphs import (
    DTYPES,
    check_close,
    check_passes,
    check_slope,
    for_seconds,
    results,
)

STEPS = 8
QUICK = 30
COMPILED = 2
LEVELS = ("host", "x86-64-v3", "x86-64-v2")


def draw(seed: int, steps: int = STEPS, dtype: str = "float64") -> Case:
    return draw_case(seed, steps, dtype, ALL)


def check_tangents(case: Case) -> None:
    """Forward mode and reverse mode give the same derivative along a direction."""
    rng = np.random.default_rng(case.seed)
    along = {x: gc.placeholder(f"t{k}", x.shape, x.dtype) for k, x in enumerate(case.wrt)}
    feeds = {**case.feeds, **{t: rng.normal(size=case.feeds[x].shape) for x, t in along.items()}}
    forward = gc.jvp(case.loss, list(along), list(along.values()))
    pairs = zip(case.gradients(), along.values(), strict=True)
    backward = [gc.sum(g * t) for g, t in pairs]
    tangent, *parts = evaluate([forward, *backward], feeds)
    check_close(case, [tangent], [sum(parts, start=np.float64(0))], "forward mode")


def check_levels(seed: int) -> None:
    """Code for every vector width gives the values of the reference."""
    case = draw_case(seed, 6, DTYPES[seed % len(DTYPES)], ALL)
    wanted = results(case)
    expected = evaluate(wanted, case.feeds)
    for isa in LEVELS:
        f = gc.compile(list(case.feeds), wanted, isa=isa)
        found = [np.asarray(y) for y in f(*case.feeds.values())]
        check_close(case, found, expected, isa)


@pytest.mark.parametrize("seed", range(QUICK))
def test_passes_and_derivatives(seed):
    case = draw(seed)
    check_passes(case)
    check_slope(case)
    check_tangents(case)


@pytest.mark.parametrize("seed", range(COMPILED))
def test_code_for_every_vector_width(seed):
    check_levels(seed)


@pytest.mark.fuzz
def test_passes_and_derivatives_of_many_graphs(fuzz_seconds):
    for seed in for_seconds(fuzz_seconds):
        case = draw(seed)
        check_passes(case)
        check_slope(case)
        check_tangents(case)


@pytest.mark.fuzz
def test_code_for_every_vector_width_of_many_graphs(fuzz_seconds):
    for seed in for_seconds(fuzz_seconds):
        check_levels(seed)
