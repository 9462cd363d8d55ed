"""Adversarial training (catalogue 5, D)."""

import math

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim, probability, random
from tests.systems.catalogue import S, row, run, symbols
from tests.systems.generating import WIDE, constant, deployed, minimised, quadrature
from tests.systems.sequences import differentiated, learns

FILE, GAMES = "graphc/probability/adversarial.py", "graphc/optim/games.py"


def small_gan(seed=0, **options):
    """A generator of one number from one, and a discriminator of it."""
    generator = nn.Dense(1, 1, seed=seed, **options)
    discriminator = nn.Sequential(
        nn.Dense(1, 8, gc.tanh, seed=seed + 1, **options), nn.Dense(8, 1, seed=seed + 2, **options)
    )
    return probability.GAN(generator, discriminator), generator, discriminator


@row("GEN-38", FILE)
def test_gen_38_gan():
    """1.403420497, -.899639611 and .615868129; each step leaves the other's weights alone, bit for
    bit, and lowers its own loss; in turns, two for one, samples move to the data; differences.
    """
    feeds = symbols(r=S(0, 4), f=S(1, 4))
    r, f = feeds
    losses = [
        probability.discriminator_loss(r, f),
        probability.generator_loss(f, True),
        probability.generator_loss(f),
    ]
    found, _ = differentiated(losses, losses[0] + losses[1] + 2 * losses[2], feeds)
    np.testing.assert_allclose(found, [1.403420497, -0.899639611, 0.615868129], atol=1e-9)
    gan, generator, discriminator = small_gan()
    source = random.Generator(0)
    x = random.normal(source, (64, 1), 3.0, 0.5)
    z = random.normal(source, (64, 1))
    d_loss, g_loss = gan.losses(x, z)
    assert not run(gc.grad(d_loss, generator.weight)).any()
    d_updates = optim.Adam(0.05, (0.5, 0.99)).updates(d_loss, discriminator.parameters())
    g_updates = optim.Adam(0.02, (0.5, 0.99)).updates(g_loss, generator.parameters())
    d_step = gc.compile([], d_loss, updates=d_updates)
    g_step = gc.compile([], g_loss, updates=g_updates)
    for step, moves, stays in (
        (d_step, discriminator, generator), (g_step, generator, discriminator),
    ):  # fmt: skip
        held = stays.state_dict()
        seen = [float(step()) for _ in range(30)]
        assert np.mean(seen[-5:]) < np.mean(seen[:5])
        assert moves.parameters()
        for name, array in stays.state_dict().items():
            np.testing.assert_array_equal(array, held[name])
    gan.load_state_dict(small_gan()[0].state_dict())
    for _ in range(250):
        d_step(), d_step(), g_step()
    assert abs(generator.bias.value[0] - 3) < 0.5


@row("GEN-39", FILE)
def test_gen_39_non_saturating_generator():
    """At a logit of -5 slopes of -.993307149, against -.006692851 of the minimax game."""
    feeds = symbols(a=np.array([-5.0]))
    (a,) = feeds
    losses = [probability.generator_loss(a, saturating) for saturating in (True, False)]
    found, _ = differentiated([gc.grad(v, a)[0] for v in losses], losses[0] + 2 * losses[1], feeds)
    np.testing.assert_allclose(found, [-0.006692851, -0.993307149], atol=1e-9)
    for saturating in (True, False):
        gan, generator, _ = small_gan(seed=3)
        z = random.normal(random.Generator(0), (32, 1))
        loss = gan.losses(z, z, saturating=saturating)[1]
        step = gc.compile([], loss, updates=optim.Adam(0.05).updates(loss, generator.parameters()))
        seen = [float(step()) for _ in range(30)]
        assert np.mean(seen[-5:]) < np.mean(seen[:5])


def normal_pair():
    """Nodes of N(0, 1) and N(1, 1), and their weights."""
    nodes, weights = quadrature(60)
    return nodes[:, 0], nodes[:, 0] + 1, weights


def expected(values, weights):
    return gc.sum(weights * values)


@row("GEN-40", FILE)
def test_gen_40_optimal_discriminator():
    """N(0, 1) against N(1, 1): V = -1.163451397 at the logit ½ - x, where the slope is 0 and which
    logistic regression finds; the divergence .111421482; equal laws: -1.386294361.
    """
    p, q, weights = normal_pair()
    w, b = gc.placeholder("w", (), gc.float64), gc.placeholder("b", (), gc.float64)

    def value(w, b, q):
        real, fake = gc.softplus(-(w * p + b)), gc.softplus(w * q + b)
        return -expected(real, weights) - expected(fake, weights)

    v = value(w, b, q)
    divergence = 0.5 * (v + math.log(4))
    outputs = [v, divergence, value(0 * w, 0 * b, p), *gc.grad(v, [w, b])]
    found, _ = differentiated(outputs, v, {w: np.array(-1.0), b: np.array(0.5)})
    printed = [-1.163451397, 0.111421482, -1.386294361, 0, 0]
    np.testing.assert_allclose(found, printed, atol=1e-9)
    line = [gc.variable(np.array(0.0)), gc.variable(np.array(0.0))]
    assert -minimised(-value(*line, q), line) == pytest.approx(-1.163451397, abs=1e-9)
    np.testing.assert_allclose([x.value for x in line], [-1, 0.5], atol=1e-4)


@row("GEN-41", "graphc/deploy/export.py")
def test_gen_41_generator_only(tmp_path):
    """Two libraries with z as an argument and drawn inside: the samples of Python, and no weight of
    the discriminator.
    """
    generator, discriminator = nn.Dense(2, 3, gc.tanh, seed=0), nn.Dense(3, 7, seed=1)
    gan = probability.GAN(generator, discriminator)
    z = gc.placeholder("z", (4, 2))
    given = S(0, 4, 2).astype(np.float32)
    d_loss, _ = gan.losses(generator(z), z)
    assert np.isfinite(run(d_loss, {z: given}))
    y = generator(z)
    found, text = deployed(tmp_path, "outside", {z: given}, y)
    np.testing.assert_array_equal(found, run(y, {z: given}))
    drawn = generator(random.normal(random.Generator(5), (4, 2)))
    inside, other = deployed(tmp_path, "inside", {}, drawn)
    np.testing.assert_array_equal(inside, run(drawn))
    for header in (text, other):
        assert "float[2, 3]: weight" in header and "[3, 7]" not in header


@row("GEN-45", FILE)
def test_gen_45_f_gan():
    """At T = 1 + log p/q the bound is KL = ½, which other scores do not reach; the other form gives
    twice the divergence of GEN-40; scores learnt from a line; differences.
    """
    p, q, weights = normal_pair()

    def bound(score, conjugate):
        real, fake = score(p), score(q)
        return expected(real, weights) - expected(conjugate(fake), weights)

    feeds = symbols(w=-1.0, b=1.5)
    w, b = feeds
    kl = bound(lambda x: w * x + b, probability.kl_conjugate)
    js = bound(lambda x: gc.log(2 * gc.sigmoid(0.5 - x)), probability.jensen_shannon_conjugate)
    found, by = differentiated([kl, js], kl, feeds)
    np.testing.assert_allclose(found, [0.5, 2 * 0.111421482], atol=2e-9)
    np.testing.assert_allclose(by, 0, atol=1e-12)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((200, 1)), rng.standard_normal((200, 1)) + 1
    scores = nn.Dense(1, 1, seed=0, **WIDE)
    learnt = probability.divergence_bound(
        scores(constant(x)), scores(constant(y)), probability.kl_conjugate
    )
    minimised(-learnt, scores.parameters())
    assert 0.45 < run(bound(scores, probability.kl_conjugate)) <= 0.5
    a = symbols(s=np.array([0.3, -2.0, 0.6]))
    (s,) = a
    differentiated([s], probability.divergence_bound(s, s, probability.jensen_shannon_conjugate), a)


class Labelled(nn.Layer):
    """A dense layer of x beside an embedding of a label."""

    def __init__(self, seed):
        self.labels = nn.Embedding(5, 2, seed=seed, **WIDE)
        self.head = nn.Dense(3, 1, seed=seed + 1, **WIDE)

    def __call__(self, x, y):
        return self.head(gc.concat([x, self.labels(y)], axis=1))


@row("GEN-46", FILE)
def test_gen_46_conditional_gan():
    """Nets that ignore y have the losses of GEN-38; the gradient reaches the embeddings of the
    classes that occur, and those alone; both networks learn; differences.
    """
    gan, generator, discriminator = small_gan(**WIDE)
    x, z, y = constant(S(0, 6, 1)), constant(S(2, 6, 1)), gc.constant(np.array([0, 3, 3, 0, 1, 1]))
    blind = probability.GAN(lambda z, y: generator(z), lambda x, y: discriminator(x))
    pairs = run([*gan.losses(x, z), *blind.losses(x, z, y)])
    assert pairs[:2] == pairs[2:]
    G, D = Labelled(0), Labelled(4)
    d_loss, g_loss = probability.GAN(G, D).losses(x, z, y)
    tables = [G.labels.table, D.labels.table]
    for slope in run([gc.grad(g_loss, tables[0]), gc.grad(d_loss, tables[1])]):
        assert slope[[0, 1, 3]].any(axis=1).all() and not slope[[2, 4]].any()
    learns(d_loss, D.parameters(), part=0.95)
    learns(g_loss, G.parameters(), part=0.95)
    feeds = symbols(g=S(1, 5, 2), d=S(2, 5, 2))
    G.labels.table, D.labels.table = feeds
    differentiated(
        [], sum(probability.GAN(G, D).losses(x, z, y, saturating=True)), feeds, [D.labels.table]
    )


@row("GEN-47", FILE)
def test_gen_47_cycle_gan():
    """Networks that undo each other have no cycle loss; four networks in four groups learn, each by
    its own loss and leaving others alone; differences.
    """
    feeds = symbols(A=S(1, 2, 2) + 2 * np.eye(2), B=S(2, 2, 2), x=S(0, 4, 2), y=S(3, 5, 2))
    A, B, x, y = feeds
    exact = probability.cycle_loss(x, y, lambda v: v @ A, lambda v: v @ gc.linalg.inv(A))
    loss = probability.cycle_loss(x, y, lambda v: gc.tanh(v @ A), lambda v: gc.tanh(v @ B))
    found, _ = differentiated([exact], loss, feeds)
    assert abs(found[0]) < 1e-14
    names = ("forth", "back", "of_x", "of_y")
    nets = {n: nn.Dense(2, 2 if k < 2 else 1, seed=k) for k, n in enumerate(names)}
    data, goal = (gc.constant(S(a, 8, 2).astype(np.float32)) for a in (0, 3))
    of_x, back = probability.GAN(nets["back"], nets["of_x"]).losses(data, goal)
    of_y, forth = probability.GAN(nets["forth"], nets["of_y"]).losses(goal, data)
    together = forth + back + 10 * probability.cycle_loss(data, goal, nets["forth"], nets["back"])
    losses = {"forth": together, "back": together, "of_x": of_x, "of_y": of_y}
    first = {name: net.state_dict() for name, net in nets.items()}
    updates = {}
    for name, loss in losses.items():
        updates |= optim.Adam(0.02).updates(loss, nets[name].parameters())
    step = gc.compile([], [together, of_x + of_y], updates=updates)
    seen = [float(step()[0]) for _ in range(60)]
    assert seen[-1] < 0.8 * seen[0]
    for name, net in nets.items():
        assert any((net.state_dict()[k] != a).any() for k, a in first[name].items())
    only = gc.compile([], of_x, updates=optim.SGD(0.1).updates(of_x, nets["of_x"].parameters()))
    held = {name: net.state_dict() for name, net in nets.items() if name != "of_x"}
    only()
    for name, arrays in held.items():
        for k, array in nets[name].state_dict().items():
            np.testing.assert_array_equal(array, arrays[k])


@row("GEN-50", GAMES)
def test_gen_50_gan_dynamics():
    """Simultaneous steps on xy grow by √(1+η²) each; with a consensus term they converge; its
    gradient, a second derivative, by differences.
    """
    eta = 0.1
    for consensus in (0.0, 1.0):
        x, y = gc.variable(np.array(1.0)), gc.variable(np.array(0.5))
        players = [(x * y, [x]), (-(x * y), [y])]
        size = gc.sqrt(x * x + y * y)
        step = gc.compile([], size, updates=optim.game_updates(players, eta, consensus))
        sizes = np.array([float(step()) for _ in range(60)])
        factor = math.hypot(1 - eta * consensus, eta)
        np.testing.assert_allclose(sizes[1:] / sizes[:-1], factor, rtol=1e-12)
    assert factor < 1 and sizes[-1] < 0.01 * sizes[0]
    feeds = symbols(u=S(0, 3), v=S(2, 3))
    u, v = feeds
    loss = gc.sum(gc.tanh(u * v) + 0.1 * u**2 * v)
    slopes = [gc.grad(loss, u), gc.grad(-loss, v)]
    differentiated(slopes, 0.5 * sum(gc.sum(g * g) for g in slopes), feeds, count=3)


@row("GEN-51", "graphc/nn/quantisation.py")
def test_gen_51_gumbel_softmax():
    """.923224, .030811, .045965; the class with the largest score has the frequencies of softmax;
    straight through it is one-hot with the relaxed gradient; differences; logits learn by it.
    """
    feeds = symbols(l=np.array([1.0, 0, -1]), g=np.array([0.5, -0.2, 1]), w=S(0, 3))
    logits, g, w = feeds
    soft, hard = (nn.gumbel_softmax(logits, g, 0.5, hard) for hard in (False, True))
    slopes = [gc.grad(gc.sum(w * y), logits) for y in (soft, hard)]
    found, _ = differentiated([soft, hard, *slopes], gc.sum(w * soft), feeds)
    np.testing.assert_allclose(found[0], [0.923224, 0.030811, 0.045965], atol=6e-7)
    np.testing.assert_array_equal(found[1], [1, 0, 0])
    np.testing.assert_array_equal(found[2], found[3])
    n = 20_000
    noise = random.gumbel(random.key(0), (n, 3), "float64")
    shares, p = run([gc.mean(nn.gumbel_softmax(logits, noise, 1.0, True), 0), gc.softmax(logits)],
                    {logits: feeds[logits]})  # fmt: skip
    assert (abs(shares - p) < 4 * np.sqrt(p * (1 - p) / n)).all()
    learnt = gc.variable(np.zeros(3))
    noise = random.gumbel(random.Generator(0), (32, 3), "float64")
    costs = constant([1.0, 0.2, 0.7])
    loss = gc.mean(nn.gumbel_softmax(learnt, noise, 1.0, True) @ costs)
    step = gc.compile([], loss, updates=optim.Adam(0.1).updates(loss, [learnt]))
    seen = [float(step()) for _ in range(60)]
    assert np.mean(seen[-5:]) < 0.6 * seen[0] and learnt.value.argmax() == 1
