"""The laws of what is drawn by pairs and by rejection."""

import numpy as np
import scipy.stats

import graphc as gc
from graphc import random

N = 20_000


def drawn(x):
    """Its values, which the CPU and the reference agree on."""
    native, meant = gc.compile([], x)(), gc.compile([], x, target="reference")()
    np.testing.assert_allclose(native, meant, rtol=1e-12, atol=1e-300)
    return native


SHAPES = np.array([[0.02], [0.5], [1.0], [3.7], [400.0]])


def test_gamma_follows_its_law_for_each_parameter():
    found = drawn(random.gamma(random.key(3), gc.constant(SHAPES), (5, N), "float64"))
    for row, a in zip(found, SHAPES[:, 0], strict=True):
        assert scipy.stats.kstest(row, scipy.stats.gamma(a).cdf).pvalue > 1e-3


def test_gamma_of_nan_is_nan():
    assert np.isnan(drawn(random.gamma(random.key(1), float("nan"), (3,), "float64"))).all()


def test_beta_follows_its_law():
    found = drawn(random.beta(random.key(5), 0.3, 2.0, (N,), "float64"))
    assert scipy.stats.kstest(found, scipy.stats.beta(0.3, 2).cdf).pvalue > 1e-3


def test_dirichlet_lies_in_the_simplex_and_its_parts_follow_their_laws():
    alpha = np.array([0.001, 0.5, 2.0])
    found = drawn(random.dirichlet(random.key(2), gc.constant(alpha), (N,), "float64"))
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-14)
    for part, a in zip(found.T[1:], alpha[1:], strict=True):
        law = scipy.stats.beta(a, alpha.sum() - a)
        assert scipy.stats.kstest(part, law.cdf).pvalue > 1e-3


def test_a_pair_of_normals_is_independent_and_normal():
    first, second = drawn(gc.stack(random.normal_pair(random.key(0), (N,), "float64")))
    for x in (first, second):
        assert scipy.stats.kstest(x, "norm").pvalue > 1e-3
    assert abs(np.mean(first * second)) < 4 / N**0.5
