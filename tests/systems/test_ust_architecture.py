"""Search for architectures (catalogue 9, C)."""

import re

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim, probability, random, search
from tests.systems.catalogue import S, both, row, run, symbols
from tests.systems.supergraphs import agree

WIDE = {"dtype": "float64"}
X, Y = S(0, 12, 3), np.tanh(2 * S(0, 12, 3))[:, ::-1].copy()


@row("UST-24", "graphc/search/architectures.py")
def test_ust_24_architecture_spaces():
    """Cells whose normal form keeps, and whose reduction halves, height and width; with an
    operation that shrinks its input every draw is built or refused for a reason; a hierarchy of
    motifs computes what its levels say; changed architectures are architectures.
    """
    rng = np.random.default_rng(0)
    operations = nn.image_operations(4, **WIDE)
    x, z = (gc.placeholder(n, (2, 4, 8, 6), "float64") for n in "xz")
    for _ in range(10):
        cell = search.draw_cell(rng, list(operations), 3)
        assert nn.why_rejected(cell, operations, x, z) is None
        channels = 4 * len(cell.ends)
        assert nn.Wiring(cell, operations)(x, z).shape == (2, channels, 8, 6)
        assert nn.Wiring(cell, operations, reduction=True)(x, z).shape == (2, channels, 4, 3)
        changed = search.mutated(cell, list(operations), rng)
        assert nn.why_rejected(changed, operations, x, z) is None
    deep = nn.Wiring(search.draw_chain(rng, list(operations), 6), operations)
    assert deep(x).shape == x.shape
    odd = operations | {"shrink": lambda stride: lambda x: nn.max_pool(x, 2)}
    reasons = [nn.why_rejected(search.draw_cell(rng, list(odd), 2), odd, x, z) for _ in range(40)]
    refused = [reason for reason in reasons if reason is not None]
    assert 0 < len(refused) < 40
    assert all(re.search("^(add|concat): .*axis [23]", reason) for reason in refused), refused
    with pytest.raises(gc.GraphError, match="node 0 reads value 1"):
        search.Architecture(1, (((1, "identity"),),))

    flat = {"tanh": gc.tanh, "sin": gc.sin, "identity": lambda x: x}
    low = {"a": search.draw_motif(rng, ("tanh", "sin"), 2), "b": search.chain(("sin", "tanh"))}
    high = search.draw_motif(rng, ("a", "b", "tanh"), 3)
    made = search.expanded(high, low)
    assert set(made.operations) <= set(flat)

    def value(architecture, x):
        values = [x]
        for edges in architecture.nodes:
            parts = [
                value(low[o], values[s]) if o in low else getattr(np, o)(values[s])
                for s, o in edges
            ]
            values.append(sum(parts))
        return values[-1]

    net = nn.Wiring(made, {n: lambda stride, f=f: f for n, f in flat.items()})
    feeds = symbols(v=S(0, 3, 2))
    np.testing.assert_allclose(both(net(*feeds), feeds), value(high, S(0, 3, 2)), atol=1e-13)


BLOCKS = {
    "tanh": lambda stride: nn.Dense(3, 3, gc.tanh, seed=1, **WIDE),
    "linear": lambda stride: nn.Dense(3, 3, seed=2, **WIDE),
    "identity": lambda stride: lambda x: x,
}


def trainer(seen):
    """Errors of architectures after a few steps, weights handed down from parents."""
    trained = {}

    def error(architecture, parent):
        model = nn.Wiring(architecture, BLOCKS)
        if parent is not None:
            nn.inherit_weights(model, trained[parent])
        loss = nn.mse(model(gc.constant(X)), gc.constant(Y))
        updates = optim.SGD(0.2).updates(loss, model.parameters()) if model.parameters() else {}
        step = gc.compile([], loss, updates=updates)
        losses = [float(step()) for _ in range(20)]
        seen.append((architecture, parent, step.from_cache, losses))
        trained[architecture] = model
        return losses[-1]

    return error


def change(architecture, rng):
    """Another operation, a layer more, or one less, of a chain of one to three."""
    return next(
        made
        for made in (search.mutated(architecture, list(BLOCKS), rng) for _ in range(100))
        if len(made.nodes) <= 3 and made == search.chain(made.operations)
    )


@row("UST-25", "graphc/search/evolving.py")
def test_ust_25_neuro_evolution():
    """The best of a generation stays, so the least error never rises; children start where their
    parents' weights put them; an architecture that comes again is not compiled again.
    """
    seen = []
    start = [search.chain(("linear",)), search.chain(("tanh",)), search.chain(("linear", "tanh"))]
    history = search.evolve(trainer(seen), start, change, 3, seed=0)
    best = [generation[0].error for generation in history]
    assert best == sorted(best, reverse=True) and best[-1] < best[0]
    assert all(len(g) == 3 for g in history)
    known = set()
    for architecture, *_, from_cache, _ in seen:
        assert from_cache or architecture not in known
        known.add(architecture)
    assert len(known) < len(seen)
    old = nn.Wiring(search.chain(("linear", "tanh")), BLOCKS)
    new = nn.Wiring(search.chain(("linear", "linear")), BLOCKS)
    for p in old.parameters():
        p.value = S(3, *p.shape)
    before = new.state_dict()
    copied = nn.inherit_weights(new, old)
    assert copied == ["edges.0_0_0_linear.weight", "edges.0_0_0_linear.bias"]
    for name, array in new.state_dict().items():
        np.testing.assert_array_equal(array, (old.state_dict() if name in copied else before)[name])


@row("UST-26", "graphc/search/evolving.py")
def test_ust_26_ageing_evolution():
    """The population keeps its size and loses its oldest, the best one too when its time has come;
    the best of all is kept; it finds the minimum of a table.
    """

    def changed(x, rng):
        return tuple(np.clip(np.array(x) + rng.integers(-1, 2, 2), 0, 9))

    def error(x, parent):
        return (x[0] - 7) ** 2 + (x[1] - 2) ** 2

    best, born, alive = search.ageing_evolution(
        error, lambda rng: tuple(rng.integers(10, size=2)), changed, 10, 4, 120, seed=0
    )
    assert len(born) == 130 and alive == born[-10:]
    assert best.error == min(b.error for b in born) == 0
    assert all(b.parent in born[max(0, k - 10) : k] for k, b in enumerate(born) if k >= 10)
    first = search.ageing_evolution(
        lambda x, parent: float(x), lambda rng: 0, lambda x, rng: x + 1, 3, 3, 3, seed=0
    )
    assert first[0].error == 0 and [b.error for b in first[2]] == [1, 1, 1]


@row("UST-27", "graphc/nn/controller.py")
def test_ust_27_controller_with_policy_gradient():
    """Chances of all sequences add up to 1, with the gradients of differences; the score's gradient
    is on average that of the expected reward; a two-armed bandit's better arm is found.
    """
    controller = nn.Controller([2, 3], hidden=3, seed=0, **WIDE)
    every = gc.constant(np.array([[i, j] for i in range(2) for j in range(3)]))
    logs = controller.log_probability(every)
    rewards = gc.constant(S(4, 6))
    exact = gc.sum(gc.exp(logs) * rewards)
    head = controller.heads[0].bias
    drawn, log_p = controller.sample(random.key(0), 4000)
    worth = gc.take(rewards, 3 * drawn[:, 0] + drawn[:, 1])
    estimate = gc.grad(probability.score_surrogate(worth, log_p), head)
    outputs = [gc.exp(logs), gc.grad(exact, head), drawn[:, 0], worth, estimate]
    play = gc.compile([], outputs)
    chances, wanted, arms, pay, found = play()
    agree([chances, wanted, arms, pay, found], [], outputs)
    assert chances.sum() == pytest.approx(1, abs=1e-12)
    each = pay[:, None] * (np.eye(2)[arms] - chances.reshape(2, 3).sum(1))
    np.testing.assert_allclose(found, each.mean(0), atol=1e-12)
    assert (abs(found - wanted) < 4 * each.std(0) / np.sqrt(4000)).all()
    start, sides = head.value, []
    for move in (1e-6, -1e-6):
        head.value = start + move * np.array([1.0, 0])
        sides.append(float(play()[0] @ S(4, 6)))
    assert (sides[0] - sides[1]) / 2e-6 == pytest.approx(wanted[0], rel=1e-6)

    bandit = nn.Controller([2], hidden=2, seed=1, **WIDE)
    source = random.Generator(2)
    arms, log_p = bandit.sample(source, 16)
    pay = random.bernoulli(source, gc.where(arms[:, 0] == 1, 0.8, 0.3)).astype("float64")
    loss = -probability.score_surrogate(pay, log_p, gc.mean(pay))
    play = gc.compile([], gc.mean(pay), updates=optim.Adam(0.1).updates(loss, bandit.parameters()))
    won = [float(play()) for _ in range(80)]
    chance = float(np.exp(run(bandit.log_probability(gc.constant(np.array([[1]]))))[0]))
    assert chance > 0.95 and np.mean(won[-10:]) > 0.65


@row("UST-28", "graphc/search/architectures.py")
def test_ust_28_kernels_over_graphs():
    """Distance 0 for the same graph, also when its nodes are listed in another order; a Gram matrix
    without negative eigenvalues; a process over architectures expects of one what its likes gave.
    """
    rng = np.random.default_rng(0)
    drawn = [search.draw_cell(rng, ("conv", "pool", "identity"), 3) for _ in range(12)]
    a = search.Architecture(1, (((0, "conv"),), ((0, "pool"),), ((1, "pool"), (2, "conv"))))
    b = search.Architecture(1, (((0, "pool"),), ((0, "conv"),), ((2, "pool"), (1, "conv"))))
    c = search.Architecture(1, (((0, "pool"),), ((0, "conv"),), ((2, "conv"), (1, "conv"))))
    gaps = search.graph_distances([a, b, c])
    assert gaps[0, 1] == 0 and gaps[0, 2] > 0
    gram = search.graph_kernel([*drawn, a, b, c], scale=3.0)
    assert np.linalg.eigvalsh(gram).min() > -1e-12
    np.testing.assert_array_equal(np.diag(gram), 1)
    values = np.array([float(d.operations.count("conv")) for d in drawn])
    near = search.graph_kernel([*drawn, *(search.mutated(d, ("conv",), rng) for d in drawn)], 3.0)
    weights = np.linalg.solve(near[:12, :12] + 0.1 * np.eye(12), values - values.mean())
    guess = near[12:, :12] @ weights
    assert np.corrcoef(guess, values)[0, 1] > 0.5


@row("UST-29", "graphc/nn/morphisms.py")
def test_ust_29_network_morphisms():
    """A layer put in, a residual branch, and wider layers change the outputs of ReLU networks by
    less than 1e-12, dense and convolutional; the grown network trains on.
    """
    rng = np.random.default_rng(1)
    first, last = nn.Dense(3, 5, gc.relu, seed=1, **WIDE), nn.Dense(5, 3, seed=2, **WIDE)
    for layer in (first, last):
        layer.bias.value = S(1, *layer.bias.shape)
    wide = nn.widened_by_copies(first, last, 4, rng)
    branch = nn.Sequential(nn.Dense(9, 4, gc.relu, seed=3, **WIDE), nn.Dense(4, 9, **WIDE))
    nn.silence(branch[1])
    grown = nn.Sequential(wide[0], nn.identity_dense(9, gc.relu, "float64"), wide[1])
    x = gc.constant(X)
    hidden = wide[0](x)
    variants = [last(first(x)), grown(x), wide[1](hidden + branch(hidden))]

    convs = (
        nn.conv2d(2, 3, 3, padding="same", activation=gc.relu, seed=1, **WIDE),
        nn.conv2d(3, 2, 3, padding="same", seed=2, **WIDE),
    )
    broad = nn.widened_by_copies(*convs, 2, rng)
    same = nn.identity_conv(5, (3, 3), gc.relu, "float64")
    image = gc.constant(S(0, 1, 2, 5, 4))
    images = [convs[1](convs[0](image)), broad[1](same(broad[0](image)))]
    loss = nn.mse(grown(x), gc.constant(Y))
    updates = optim.SGD(0.1).updates(loss, grown.parameters())
    before, *values = both([loss, *variants, *images])
    step = gc.compile([], loss, updates=updates)
    for value in values[1:3]:
        np.testing.assert_allclose(value, values[0], atol=1e-12)
    np.testing.assert_allclose(values[4], values[3], atol=1e-12)
    losses = [float(step()) for _ in range(20)]
    assert losses[-1] < 0.8 * before
    assert nn.Sequential(*wide).parameter_count() == 3 * 9 + 9 + 9 * 3 + 3
