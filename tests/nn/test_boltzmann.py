"""Annealed importance sampling of Boltzmann machines."""

import numpy as np
import pytest

import graphc as gc
from graphc import probability


def test_annealing_finds_the_partition_function() -> None:
    rng = np.random.default_rng(0)
    model = probability.RBM(10, 8, seed=0, dtype="float64")
    model.weight.value = rng.standard_normal((8, 10))
    model.visible_bias.value = rng.standard_normal(10)
    base = gc.constant(rng.standard_normal(10))
    found = probability.annealed_log_partition(model, gc.random.key(1), base, chains=200, steps=300)
    exact, estimate = gc.compile([], [model.log_partition(), found])()
    assert estimate == pytest.approx(exact, abs=0.1)


def test_annealing_of_independent_units_is_exact() -> None:
    model = probability.RBM(3, 2, seed=0, dtype="float64")
    model.weight.value = np.zeros((2, 3))
    model.visible_bias.value = np.array([0.5, -1.0, 2.0])
    found = probability.annealed_log_partition(model, gc.random.key(1), model.visible_bias, 5, 4)
    exact, estimate = gc.compile([], [model.log_partition(), found])()
    assert estimate == pytest.approx(exact, rel=1e-12)


def test_annealing_refuses_real_units() -> None:
    model = probability.GaussianRBM(3, 2, seed=0)
    with pytest.raises(gc.GraphError, match="needs units of 0 and 1"):
        probability.annealed_log_partition(model, gc.random.key(1), gc.zeros((3,)))
