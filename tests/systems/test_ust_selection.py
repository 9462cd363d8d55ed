"""Choosing among architectures (catalogue 9, C)."""

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim, search
from tests.systems.catalogue import S, row

WIDE = {"dtype": "float64"}
X, Y = S(0, 12, 3), np.tanh(2 * S(0, 12, 3))[:, ::-1].copy()
BLOCKS = {
    "tanh": lambda stride: nn.Dense(3, 3, gc.tanh, seed=1, **WIDE),
    "linear": lambda stride: nn.Dense(3, 3, seed=2, **WIDE),
    "identity": lambda stride: lambda x: x,
}


@row("UST-37", "graphc/search/selection.py")
def test_ust_37_one_shot_selection():
    """Networks drawn from a trained supergraph are ranked with its weights; of those kept and
    trained by themselves the best is returned, with the rank correlation of both errors.
    """
    assert search.rank_correlation([1, 2, 3, 4], [10, 20, 40, 30]) == pytest.approx(0.8)
    assert search.rank_correlation([1, 1, 2], [5, 5, 9]) == pytest.approx(1)
    net = nn.Supergraph(1, 2, BLOCKS, **WIDE)
    mask, rate = gc.placeholder("mask", (3, 3), "float64"), gc.placeholder("rate", (), "float64")
    loss = nn.mse(net.masked(mask, gc.constant(X)), gc.constant(Y))
    step = gc.compile([mask, rate], loss, updates=optim.SGD(rate).updates(loss, net.weights()))
    rng = np.random.default_rng(0)
    names = [*BLOCKS, None]
    drawn = [tuple(names[k] for k in rng.integers(4, size=3)) for _ in range(8)]
    start = net.state_dict()
    for _ in range(20):
        for choice in drawn:
            step(net.mask(choice), 0.02)
    shared = net.state_dict()

    def shared_error(choice):
        return float(step(net.mask(choice), 0.0))

    def trained_error(choice):
        net.load_state_dict(start)
        error = [float(step(net.mask(choice), 0.1)) for _ in range(60)][-1]
        net.load_state_dict(shared)
        return error

    best, error, agreement = search.one_shot_selection(drawn, shared_error, trained_error, 5)
    kept = sorted(drawn, key=shared_error)[:5]
    assert best in kept and error == min(map(trained_error, kept)) == trained_error(best)
    ranks = [np.argsort(np.argsort([f(c) for c in kept])) for f in (shared_error, trained_error)]
    if len(set(kept)) == 5:
        assert agreement == pytest.approx(np.corrcoef(*ranks)[0, 1])
    assert -1 <= agreement <= 1 and len(set(kept)) > 1


@row("UST-38", "graphc/search/selection.py")
def test_ust_38_several_objectives():
    """Operations and bytes of networks, as the compiler counts them, beside their errors: a front
    that is the same in any order of trials, on which every weighted sum has its least; a joint
    search over a choice of layers and a rate.
    """
    space = search.Space({"width": search.Whole(1, 8), "rate": search.Real(0.01, 1, log=True)})
    costs = {}

    def measured(v):
        if v["width"] not in costs:
            a, b = nn.Dense(3, v["width"], gc.tanh, seed=0, **WIDE), nn.Dense(v["width"], 3, **WIDE)
            f = gc.compile([], b(a(gc.constant(X))), target="reference")
            costs[v["width"]] = f.cost.at()
        cost = costs[v["width"]]
        error = 1 / v["width"] + abs(np.log(v["rate"] / 0.1))
        return error, cost.flops, cost.bytes

    trials = search.draws(space, 40, seed=0)
    objectives = np.array([measured(v) for v in trials], float)
    for width, cost in costs.items():
        products, sums = 2 * 12 * 2 * 3 * width, 12 * (width + 3)
        assert products + sums <= cost.flops <= products + sums + 40 * 12 * width
        assert cost.bytes >= 8 * (2 * 3 * width + width + 3)
    front = search.pareto_front(objectives)
    order = np.random.default_rng(1).permutation(40)
    assert sorted(order[search.pareto_front(objectives[order])]) == list(front)
    assert 1 < len(front) < 40
    for k in range(40):
        better = (objectives <= objectives[k]).all(1) & (objectives < objectives[k]).any(1)
        assert better.any() == (k not in front)
    for weights in ([1, 1e-3, 0], [1, 0, 1e-3], [0.1, 1e-3, 1e-3]):
        assert int(np.argmin(search.scalarised(objectives, weights))) in front
    joint = search.minimise(
        lambda v: float(search.scalarised([measured(v)], [1, 1e-4, 0])[0]),
        space, search.by_neighbours, 60, seed=0,
    )  # fmt: skip
    assert search.best(joint).error <= search.scalarised(objectives, [1, 1e-4, 0]).min() + 0.05
