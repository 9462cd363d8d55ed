"""Learning from rewards (catalogue 9, H)."""

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim, probability
from graphc.vision import models
from tests.systems.catalogue import S, both, check_gradients, row, symbols

REWARDS = np.array([1.0, 2.0, 4.0])


@row("UST-63", "graphc/probability/reinforcement.py")
def test_ust_63_policy_gradient():
    """On a bandit the mean gradient over all actions is that of the expected reward, with any
    baseline; one near the mean lowers the variance; samples agree within 4 standard errors; the
    policy learns the best arm; returns by their sum.
    """
    feeds = symbols(logits=S(1, 3))
    (logits,) = feeds
    rewards, arms = gc.constant(REWARDS), gc.arange(3)
    p = gc.softmax(logits)

    def gradients(actions, baseline):
        def one(action):
            loss = probability.policy_loss(
                logits[None], action[None], rewards[action][None], baseline
            )
            return gc.grad(loss, logits)

        return gc.vmap(one)(actions)

    expected = gc.sum(p * rewards)
    drawn = gc.random.categorical(gc.random.key(1), gc.broadcast_to(logits, (4000, 3)))
    outputs = [
        -gc.grad(expected, logits),
        p,
        [gradients(arms, 0.0), gradients(arms, gc.stop_gradient(expected))],
        gradients(drawn, 0.0),
    ]
    exact, shares, every, sampled = both(outputs, feeds)
    means = [shares @ g for g in every]
    np.testing.assert_allclose(means, [exact, exact], atol=1e-14)
    spread = [shares @ np.sum((g - exact) ** 2, axis=1) for g in every]
    assert spread[1] < 0.7 * spread[0]
    error = sampled.std(0) / np.sqrt(4000)
    assert (abs(sampled.mean(0) - exact) < 4 * error).all()
    check_gradients(probability.policy_loss(logits[None], gc.constant([2]), rewards[2:]), feeds)

    w = gc.variable(np.zeros((1, 3)), "w")
    policy = gc.broadcast_to(w, (64, 3))
    actions = gc.random.categorical(gc.random.Generator(3), policy)
    earned = gc.take(rewards, actions)
    loss = probability.policy_loss(policy, actions, earned, gc.mean(earned))
    step = gc.compile([], gc.mean(earned), updates=optim.SGD(0.5).updates(loss, [w]))
    seen = [float(step()) for _ in range(80)]
    assert np.mean(seen[:2]) < 3 and np.mean(seen[-5:]) > 3.8

    given = symbols(r=S(0, 5, 2))
    (r,) = given
    powers = np.triu(0.9 ** (np.arange(5) - np.arange(5)[:, None]))
    np.testing.assert_allclose(
        both(probability.discounted(r, 0.9), given), powers @ S(0, 5, 2), atol=1e-14
    )


@row("UST-64", "graphc/probability/reinforcement.py")
def test_ust_64_q_learning():
    """On a decision process of two states a network with a copy for its targets, copied now and
    then, learns the table to 1e-3; the targets pass no gradient, the values one at the action.
    """
    gamma = 0.6
    states, actions = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    after, rewards = np.array([0, 1, 0, 1]), np.array([0.0, 1, 2, -1])
    table = np.zeros((2, 2))
    for _ in range(100):
        table[states, actions] = rewards + gamma * table[after].max(1)
    code = gc.constant(np.eye(2))

    def network(seed):
        options = {"dtype": "float64"}
        first = nn.Dense(2, 8, gc.tanh, seed=seed, **options)
        return nn.Sequential(first, nn.Dense(8, 2, seed=seed + 1, **options))

    q, held = network(1), network(3)
    values, later = q(code[states]), held(code[after])
    loss = probability.q_learning_loss(
        values, gc.constant(actions), gc.constant(rewards), later, gamma
    )
    slopes = both([*gc.grad(loss, held.parameters()), gc.grad(loss, values), values, later])
    *none, at, now, then = slopes
    assert not any(g.any() for g in none)
    error = now[range(4), actions] - rewards - gamma * then.max(1)
    expected = np.zeros((4, 2))
    expected[range(4), actions] = error / 2
    np.testing.assert_allclose(at, expected, atol=1e-14)

    copy = gc.compile([], None, updates=probability.copy_updates(q, held))
    step = gc.compile([], loss, updates=optim.Adam(0.02).updates(loss, q.named_parameters()))
    learned = gc.compile([], [q(code), held(code)])
    for _ in range(40):
        copy()
        losses = [float(step()) for _ in range(100)]
    assert losses[-1] < 1e-7
    found, old = learned()
    np.testing.assert_allclose(found, table, atol=1e-3)
    copy()
    np.testing.assert_array_equal(learned()[1], found)
    assert abs(old - found).max() > 0
    half = gc.compile([], None, updates=probability.copy_updates(network(9), held, 0.5))
    half()
    assert abs(learned()[1] - found).max() > 0.1
    with pytest.raises(gc.GraphError, match="cannot be copied"):
        probability.copy_updates(q, nn.Dense(2, 2))
    done = probability.q_learning_loss(
        values, gc.constant(actions), gc.constant(rewards), later, gamma, 0.0
    )
    assert both(done) == pytest.approx(np.mean((found[states, actions] - rewards) ** 2))


LINES = [(0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6)]


class ThreeInARow:
    """Nine cells: 1 for who is to move, -1 for the other."""

    def moves(self, state):
        return [k for k in range(9) if state[k] == 0]

    def play(self, state, move):
        return tuple(-1 if k == move else -x for k, x in enumerate(state))

    def outcome(self, state):
        if any(all(state[k] == -1 for k in line) for line in LINES):
            return -1.0
        return None if 0 in state else 0.0


def distances(walls, goal):
    """Steps from every cell of a maze to the goal, by relaxation until nothing changes."""
    free = gc.constant(~walls)
    far = float(walls.size)
    start = gc.constant(np.where(goal, 0.0, far))

    def relax(d):
        padded = gc.pad(d, 1, constant_values=far)
        around = [padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]]
        nearest = gc.min(gc.stack(around), axis=0) + 1
        return gc.where(free, gc.minimum(d, nearest), far)

    def changing(state):
        return gc.any(state[0] != state[1])

    first = relax(start)
    return gc.while_loop(changing, lambda s: (s[1], relax(s[1])), (start, first))[1]


@row("UST-65", "graphc/vision/models/policy_value.py")
def test_ust_65_policy_value_search():
    """A network with two heads learns from results of games; a search on the host around it finds
    the winning move and the one that prevents a loss, and visits as often as told; a maze's
    distances by relaxation in a loop.
    """
    net = models.PolicyValue(2, (3, 3), 9, channels=4, blocks=1, seed=1, dtype="float64")
    boards = gc.placeholder("boards", ("n", 2, 3, 3), gc.float64)
    shares = gc.placeholder("shares", ("n", 9), gc.float64)
    results = gc.placeholder("results", ("n",), gc.float64)
    logits, value = net(boards)
    loss = models.policy_value_loss(logits, value, shares, results)
    step = gc.compile(
        [boards, shares, results],
        loss,
        updates=optim.Adam(0.01).updates(loss, net.named_parameters()),
    )
    predict = gc.compile([boards], [logits, value])

    def planes(state):
        cells = np.array(state).reshape(3, 3)
        return np.stack([cells == 1, cells == -1])[None].astype(float)

    def advice(state):
        found, worth = predict(planes(state))
        return found[0, game.moves(state)], worth[0]

    game = ThreeInARow()
    winning = (1, 1, 0, -1, -1, 0, 0, 0, 0)
    threatened = (1, 0, 0, -1, -1, 0, 0, 0, 1)
    for state, best in ((winning, 2), (threatened, 5)):
        visits = nn.tree_search(game, state, advice, 200)
        assert sum(visits.values()) == 200 and max(visits, key=visits.get) == best
    rng = np.random.default_rng(0)
    given = [planes(rng.integers(-1, 2, 9)) for _ in range(16)]
    arrays = (
        np.concatenate(given),
        np.eye(9)[rng.integers(0, 9, 16)],
        rng.choice([-1.0, 1], 16),
    )
    losses = [float(step(*arrays)) for _ in range(60)]
    assert losses[-1] < 0.7 * losses[0]
    check_gradients(loss, {boards: S(1, 2, 2, 3, 3), shares: S(2, 2, 9) ** 2, results: S(3, 2)})
    with nn.outline():
        large = models.PolicyValue(17, (19, 19), 362)
    go = gc.placeholder("go", ("n", 17, 19, 19))
    assert [y.shape[1:] for y in large(go)] == [(362,), ()]

    walls = np.array([[0, 0, 0, 1], [1, 1, 0, 1], [0, 0, 0, 0], [0, 1, 1, 0]], bool)
    goal = np.zeros((4, 4), bool)
    goal[0, 0] = True
    expected = [[0, 1, 2, 16], [16, 16, 3, 16], [6, 5, 4, 5], [7, 16, 16, 6]]
    np.testing.assert_array_equal(both(distances(walls, goal)), expected)
