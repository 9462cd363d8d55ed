"""The definitions of the benchmarks: sizes of the networks, costs, and graphc's own graphs."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import costs
import peer_graphc
import workloads
from workloads import language, recurrent, scientific, vision


@pytest.mark.parametrize("name", workloads.NAMES)
def test_every_workload_has_a_cost_and_a_line_that_defines_it(name):
    texts = [m.__doc__ for m in (workloads.core, vision, language, recurrent, scientific)]
    assert name in costs.COST and name in costs.TOLERANCE
    assert any(f"\n{name} " in text for text in texts)
    assert name in peer_graphc.WORKLOADS


def test_floor_counts_every_step_of_a_loop():
    limits = {"a_gflops": 100.0, "cache_b": 10.0, "dram_c": 1.0}
    operations, size, steps = costs.COST["shallow_water"]
    assert (operations, steps) == (0, scientific.STEPS)
    assert costs.floor_ms("shallow_water", limits) == pytest.approx(steps * size / 10.0 / 1e6)


def test_what_is_only_read_is_held_against_reading_alone():
    limits = {"a_gflops": 100.0, "dram_read_gbs": 40.0, "dram_triad_stream_gbs": 80.0}
    read, written = (
        costs.COST[name].bytes / costs.floor_ms(name, limits) for name in ("mean_var", "ew_chain")
    )
    assert (read, written) == (pytest.approx(40e6), pytest.approx(80e6))
    assert set(costs.KIND) <= set(costs.COST)


@pytest.mark.parametrize(
    ("layers", "features", "millions", "multiplications"),
    [
        (vision.RESNET18, 512, 11.69, 1.81e9),
        (vision.RESNET50, 2048, 25.56, 4.09e9),
        (vision.MOBILENETV2, 1280, 3.50, 0.30e9),
    ],
)
def test_image_networks_have_their_published_sizes(layers, features, millions, multiplications):
    kernels = sum(c.outputs * c.inputs // c.groups * c.kernel**2 + 2 * c.outputs for c in layers)
    assert (kernels + (features + 1) * 1000) / 1e6 == pytest.approx(millions, abs=0.01)
    operations = costs.network(layers, features).operations
    assert operations / 2 == pytest.approx(multiplications, rel=0.02)


@pytest.mark.parametrize(
    ("shapes", "millions"),
    [(language.BERT, 109.48), (language.GPT2, 124.44), (language.VIT, 5.72)],
)
def test_transformers_have_their_published_sizes(shapes, millions):
    assert costs.elements(shapes.values()) / 1e6 == pytest.approx(millions, abs=0.01)


def run(name):
    """(inputs in float64, graphc's outputs)."""
    data = workloads.make(name)
    step = peer_graphc.build(name, data)
    return {k: v.astype(np.float64) for k, v in data.items()}, step()


def test_kmeans_is_twenty_iterations_of_lloyd():
    d, (centres,) = run("kmeans")
    x = d["x"]
    c = x[: scientific.CENTRES]
    for _ in range(scientific.ITERATIONS):
        nearest = ((x[:, None] - c) ** 2).sum(2).argmin(1)
        c = np.stack([x[nearest == k].mean(0) for k in range(scientific.CENTRES)])
    np.testing.assert_allclose(centres, c, rtol=1e-3, atol=1e-3)


def test_likelihood_is_that_of_a_normal_distribution_and_its_gradient():
    d, (loss, ll, la, ln) = run("gp_likelihood")

    def density(d):
        z = d["X"] / np.exp(d["ll"])
        distance = ((z[:, None] - z) ** 2).sum(2)
        k = np.exp(2 * d["la"] - 0.5 * distance) + np.exp(2 * d["ln"]) * np.eye(len(z))
        logarithm = np.linalg.slogdet(2 * math.pi * k)[1]
        return 0.5 * (d["y"] @ np.linalg.solve(k, d["y"]) + logarithm)

    def slope(name, direction):
        up, down = ({**d, name: d[name] + h * direction} for h in (1e-5, -1e-5))
        return (density(up) - density(down)) / 2e-5

    assert loss == pytest.approx(density(d), rel=1e-4)
    assert la == pytest.approx(slope("la", 1.0), rel=1e-2)
    assert ln == pytest.approx(slope("ln", 1.0), rel=1e-2)
    np.testing.assert_allclose(ll, [slope("ll", e) for e in np.eye(8)], rtol=1e-2, atol=0.05)


def test_water_neither_appears_nor_vanishes():
    d, (h, u, v) = run("shallow_water")
    assert h.sum() == pytest.approx(d["h"].sum(), rel=1e-2)
    assert np.abs(u).max() > 1e-3 and np.abs(v).max() > 1e-3


def test_gru_follows_its_definition():
    d, (loss, *_) = run("gru_train")
    h = np.zeros((recurrent.ROWS, recurrent.UNITS))

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    for x in d["x"]:
        a, c = x @ d["Wx"] + d["b"], h @ d["Wh"] + d["d"]
        (ar, az, an), (cr, cz, cn) = np.split(a, 3, 1), np.split(c, 3, 1)
        z = sigmoid(az + cz)
        h = (1 - z) * np.tanh(an + sigmoid(ar + cr) * cn) + z * h
    assert loss == pytest.approx(np.mean((h - d["y"]) ** 2), rel=1e-5)


def test_agent_step_moves_its_network_and_not_the_target():
    data = workloads.make("dqn_train")
    step = peer_graphc.build("dqn_train", data)
    losses = [step()[0] for _ in range(50)]
    assert losses[-1] < losses[0]
    moved = [np.abs(p - data[k]).max() for p, k in zip(step.state(), recurrent.DQN, strict=True)]
    assert all(0 < m < 0.02 for m in moved)
