"""Search for hyper-parameters (catalogue 9, B)."""

import math

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim, probability, search
from tests.systems.catalogue import S, both, check_gradients, row, symbols

# A network's depth, and a momentum that only one of two optimisers has.
SPACE = search.Space(
    {
        "rate": search.Real(1e-4, 1.0, log=True),
        "layers": search.Whole(1, 4),
        "rule": search.Choice(("sgd", "adam")),
        "momentum": search.Real(0.0, 0.99),
    },
    when={"momentum": ("rule", ("sgd",))},
)


@row("UST-14", "graphc/search/spaces.py")
def test_ust_14_search_spaces():
    """Momentum is there exactly with SGD, in draws, grids, neighbours and vectors; the same seed
    gives the same trials; logarithms of rates are uniform and every depth is as likely.
    """
    drawn = search.draws(SPACE, 2000, seed=3)
    assert drawn == search.draws(SPACE, 2000, seed=3) != search.draws(SPACE, 2000, seed=4)
    rng = np.random.default_rng(0)
    moved = [SPACE.near(v, rng) for v in drawn]
    for v in (*drawn, *moved, *SPACE.grid(3)):
        assert ("momentum" in v) == (v["rule"] == "sgd")
        assert 1e-4 <= v["rate"] <= 1 and v["layers"] in (1, 2, 3, 4)
    logs = np.log([v["rate"] for v in drawn]) / math.log(1e-4)
    assert abs(logs.mean() - 0.5) < 4 * math.sqrt(1 / 12 / 2000)
    assert abs(logs.var() * 12 - 1) < 0.15
    depths = np.bincount([v["layers"] for v in drawn], minlength=5)[1:]
    assert (abs(depths - 500) < 4 * math.sqrt(2000 * 3 / 16)).all()
    assert len(list(SPACE.grid(3))) == 3 * 3 * (3 + 1)
    a, b = ({"rate": 0.1, "layers": 2, "rule": "sgd", "momentum": m} for m in (0.1, 0.9))
    none = {"rate": 0.1, "layers": 2, "rule": "adam"}
    gaps = [np.linalg.norm(SPACE.point(none)[-2:] - SPACE.point(v)[-2:]) for v in (none, a, b)]
    np.testing.assert_allclose(gaps, [0, 1, 1])
    with pytest.raises(gc.GraphError, match="must be listed before it"):
        search.Space({"a": search.Real(0, 1)}, when={"a": ("b", (1,))})


def ridge_by_descent():
    """A function of a rate and a penalty: the validation error of a fit by descent."""
    rate, decay = (gc.placeholder(n, (), "float64") for n in ("rate", "decay"))
    x, y = gc.constant(S(0, 8, 3)), gc.constant(S(1, 8))

    def loss(w):
        return gc.mean((x @ w - y) ** 2) + decay * gc.sum(w * w)

    (w,) = optim.descended(loss, [gc.zeros(3, dtype="float64")], rate, 20)
    return gc.compile([rate, decay], gc.mean((gc.constant(S(5, 6, 3)) @ w - S(6, 6)) ** 2))


@row("UST-15", "graphc/search/trials.py")
def test_ust_15_grid_random_and_local_search():
    """One compiled trial serves a grid, random draws and a local search, whose values are its
    arguments; two threads at once find what one does; local search ends no worse than it began.
    """
    trial = ridge_by_descent()
    space = search.Space(
        {"rate": search.Real(0.01, 0.5, log=True), "decay": search.Real(1e-3, 1, log=True)}
    )

    def objective(v):
        return trial(v["rate"], v["decay"])

    grid = search.run_all(objective, space.grid(4))
    assert grid == search.run_all(objective, space.grid(4), workers=2) and len(grid) == 16
    assert len({t.error for t in grid}) == 16
    drawn = search.run_all(objective, search.draws(space, 16, seed=0))
    walk = search.minimise(objective, space, search.by_neighbours, 30, seed=0, first=1)
    assert search.best(walk).error <= min(walk[0].error, search.best(drawn).error)
    changed = [n for n in space.parameters if walk[0].values[n] != walk[1].values[n]]
    assert len(changed) == 1


def mean_best(proposal, objective, space, budget, seeds=8):
    """The error of the best of so many trials, on average over seeds."""
    every = [search.minimise(objective, space, proposal, budget, seed) for seed in range(seeds)]
    return float(np.mean([search.best(trials).error for trials in every]))


@row("UST-16", "graphc/search/surrogates.py")
def test_ust_16_bayesian_optimisation():
    """Expected improvement, and the process's mean, variance and log evidence, as printed, in the
    graph and outside, with the gradients of differences; it finds a minimum more closely than
    random draws do.
    """
    x, y = np.array([[0.0], [1], [2]]), np.array([0.0, 1, 0])
    feeds = symbols(x=x, y=y, noise=np.array(0.01), at=np.array([[0.5]]), best=np.array(0.4))
    s, t, noise, at, best = feeds
    mean, variance = probability.gp_predict(probability.rbf_kernel, s, t, noise, at)
    evidence = probability.gp_log_evidence(probability.rbf_kernel, s, t, noise)
    printed = probability.expected_improvement(best * 0.75, best**2 * 0.25, best)
    gain = gc.sum(probability.expected_improvement(mean, variance, best))
    found = both([mean[0], variance[0], evidence, printed], feeds)
    wanted = [0.661667575, 0.025020487, -3.617491942, 0.139559311]
    np.testing.assert_allclose(found, wanted, atol=6e-10)
    check_gradients(gain + evidence, feeds, count=2)
    outside = search.Process(0.01, scales=(1.0,))
    outside.fit(x, y)
    standard = (y - y.mean()) / y.std()
    own = run_process(x, standard)
    np.testing.assert_allclose(np.ravel(outside.predict(np.array([[0.5]]))), own, rtol=1e-10)
    value = search.improvement(np.array([0.3]), np.array([0.04]), 0.4)
    assert value.item() == pytest.approx(0.139559311, abs=6e-10)
    space = search.Space({"x": search.Real(0, 1), "y": search.Real(0, 1)})

    def bowl(v):
        return (v["x"] - 0.3) ** 2 + (v["y"] - 0.7) ** 2

    guided = mean_best(search.bayesian(), bowl, space, 15, seeds=3)
    assert guided < 0.1 * mean_best(search.at_random, bowl, space, 15)


def run_process(x, y):
    """The mean and variance at 0.5 where the errors are standardised, put back on their scale."""
    gram = np.exp(-0.5 * (x - x.T) ** 2) + 0.01 * np.eye(3)
    k = np.exp(-0.5 * (x[:, 0] - 0.5) ** 2)
    spread, middle = math.sqrt(2) / 3, 1 / 3
    solved = np.linalg.solve(gram, k)
    return middle + spread * solved @ y, spread**2 * (1 - k @ solved)


@row("UST-17", "graphc/search/parzen.py")
def test_ust_17_tree_parzen_estimators():
    """Beats random draws on a quadratic in one number, and on one with a choice and a number that
    is there for one option only.
    """
    line = search.Space({"x": search.Real(-5, 5)})

    def quadratic(v):
        return (v["x"] - 2) ** 2

    better = mean_best(search.parzen(), quadratic, line, 30)
    assert better < 0.3 * mean_best(search.at_random, quadratic, line, 30)
    tree = search.Space(
        {"kind": search.Choice(("a", "b", "c")), "x": search.Real(0, 1)},
        when={"x": ("kind", ("b",))},
    )

    def conditional(v):
        return (v["x"] - 0.2) ** 2 if v["kind"] == "b" else 0.5

    better = mean_best(search.parzen(), conditional, tree, 40)
    assert better < 0.3 * mean_best(search.at_random, conditional, tree, 40)


@row("UST-18", "graphc/search/forest.py")
def test_ust_18_forests():
    """The best cell of a table of 4 by 4 choices in fewer trials than at random, on average; a
    forest's doubt is larger where it saw little.
    """
    options = search.Choice((0, 1, 2, 3))
    space = search.Space({"row": options, "column": options})
    table = np.add.outer([0.6, 0.1, 0.9, 0.4], [0.7, 0.5, 0.0, 0.8])

    def needed(proposal, seed):
        trials = search.minimise(
            lambda v: table[v["row"], v["column"]], space, proposal, 20, seed, first=4
        )
        return [*(t.error == table.min() for t in trials), True].index(True) + 1

    found = [needed(search.smac(trees=6, candidates=60), seed) for seed in range(6)]
    blind = [needed(search.at_random, seed) for seed in range(40)]
    assert np.mean(found) < 0.8 * np.mean(blind)
    x = np.append(np.linspace(0, 0.5, 20), [0.8, 1.0])[:, None]
    forest = search.Forest(30)
    forest.fit(x, np.sin(6 * x[:, 0]))
    mean, variance = forest.predict(np.array([[0.25], [0.9]]))
    assert 5 * variance[0] < variance[1] and abs(mean[0] - math.sin(1.5)) < 0.1


def small_model(seed):
    """A member of a population: a model, and a step with the rate as its argument."""
    x = S(0, 12, 2)
    model = nn.Dense(2, 1, gc.tanh, seed=seed, dtype="float64")
    rate = gc.placeholder("rate", (), "float64")
    rule = optim.SGD(rate, momentum=0.9)
    loss = nn.mse(model(gc.constant(x)), gc.constant(np.tanh(x @ [[1.0], [-2]])))
    return model, rule, gc.compile([rate], loss, updates=rule.updates(loss, model.parameters()))


@row("UST-19", "graphc/search/population.py")
def test_ust_19_population_based_search():
    """A bad member takes a good one's weights and momentum bit for bit and another rate; both then
    take the same step; the population ends better than its members by themselves.
    """
    space = search.Space({"rate": search.Real(1e-4, 0.3, log=True)})
    steps, members = {}, []
    for k, rate in enumerate((1e-4, 3e-4, 1e-3, 0.1)):
        model, rule, step = small_model(k)
        members.append(search.Member([model, rule], {"rate": rate}))
        steps[id(members[-1])] = step

    def train(member, count=10):
        return [float(steps[id(member)](member.values["rate"])) for _ in range(count)][-1]

    start = [[part.state_dict() for part in m.parts] for m in members]
    alone = [train(m, 40) for m in members]
    for m, parts in zip(members, start, strict=True):
        for part, arrays in zip(m.parts, parts, strict=True):
            part.load_state_dict(arrays)
        m.error = train(m)
    order = np.argsort([m.error for m in members])
    ((to, source),) = search.exploit_and_explore(members, space, np.random.default_rng(0))
    assert (source, to) == (order[0], order[-1])
    for a, b in zip(members[to].parts, members[source].parts, strict=True):
        for name, array in b.state_dict().items():
            np.testing.assert_array_equal(a.state_dict()[name], array)
    assert members[to].values != members[source].values
    assert steps[id(members[to])](0.05) == steps[id(members[source])](0.05)
    best = search.train_population(members, space, train, 4, seed=1)
    assert best.error <= min(alone) and np.mean([m.error for m in members]) < np.mean(alone)


@row("UST-20", "graphc/search/halving.py")
def test_ust_20_successive_halving_and_hyperband():
    """Brackets of 81, 34, 15, 8 and 5 trials, thirds of which go on; trials of a compiled step that
    pause and go on are those that never paused, bit for bit.
    """
    assert [n for n, _, _ in search.brackets(81)] == [81, 34, 15, 8, 5]
    assert [r for _, r, _ in search.brackets(81)] == pytest.approx([1, 3, 9, 27, 81])
    model, rule, step = small_model(0)
    fresh = model.state_dict(), rule.state_dict()
    spent = []

    def go_on(values, state, budget):
        arrays, slots = state or fresh
        model.load_state_dict(arrays)
        rule.load_state_dict(slots)
        error = [float(step(values["rate"])) for _ in range(round(budget))][-1]
        spent.append(round(budget))
        return (model.state_dict(), rule.state_dict()), error

    space = search.Space({"rate": search.Real(1e-4, 0.5, log=True)})
    rounds = search.successive_halving(go_on, search.draws(space, 9, 0), 2, rounds=3)
    assert [len(r) for r in rounds] == [9, 3, 1] and spent == [2] * 9 + [4] * 3 + [12]
    winner = rounds[-1][0]
    assert winner.spent == 18 and winner.error == go_on(winner.values, None, 18)[1]
    names = [{t.values["rate"] for t in r} for r in rounds]
    assert names[2] < names[1] < names[0]
    assert rounds[1][0].error <= min(t.error for t in rounds[0])
    counts = []
    best, history = search.hyperband(
        lambda v, state, budget: (None, (v["rate"] - 0.1) ** 2 + 1 / (1 + budget)),
        lambda n: (counts.append(n), search.draws(space, n, len(counts)))[1],
        9,
    )
    assert counts == [9, 5, 3] and [len(b) for b in history] == [3, 2, 1]
    assert best.error == min(t.error for b in history for t in b[-1])


@row("UST-21", "graphc/search/curves.py")
def test_ust_21_learning_curves_and_other_tasks():
    """(0.1, 0.5, 0.7) from twenty exact points; a loser is stopped and the best one is not; a new
    task begins with what was best on the data sets most like it.
    """
    t = np.arange(1, 21)
    found = search.power_law(t, 0.1 - 0.5 * t**-0.7)
    np.testing.assert_allclose(found, (0.1, 0.5, 0.7), rtol=1e-8)
    noisy = 0.3 + 0.5 * t**-0.7 + 1e-3 * S(0, 20)
    assert search.predicted(t, noisy, 1000) == pytest.approx(0.3 + 0.5 * 1000**-0.7, abs=0.01)
    assert search.hopeless(t, noisy, 1000, 0.2) and not search.hopeless(t, noisy, 1000, 0.4)
    tasks = {
        name: (place, [search.Trial({"rate": r}, e) for r, e in results])
        for name, place, results in (
            ("digits", (10.0, 1.0), [(0.1, 0.3), (0.2, 0.1)]),
            ("letters", (26.0, 1.0), [(0.3, 0.2), (0.4, 0.9)]),
            ("speech", (40.0, 9.0), [(0.5, 0.5)]),
        )
    }
    assert search.warm_start((24, 1), tasks, 2) == [{"rate": 0.3}, {"rate": 0.2}]
