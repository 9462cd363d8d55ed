"""Training of Boltzmann machines by samples, and machines of many layers (catalogue 6, C)."""

import ctypes

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim, probability
from tests.systems.catalogue import both, row, run, symbols
from tests.systems.sequences import differentiated, learns
from tests.systems.test_fac_boltzmann import STATES, close_frequencies, kernel, machine

RBMS, DEEP = "graphc/probability/boltzmann.py", "graphc/probability/deep_boltzmann.py"
BARS = np.array([[1.0, 1, 0, 0], [0, 0, 1, 1], [1, 1, 1, 1], [0, 0, 1, 1]])


@row("FAC-29", RBMS)
def test_fac_29_contrastive_divergence():
    """The expected CD-1 step at x = (1, 0) as printed, by the enumerated law of a round; after many
    rounds it is minus the likelihood's gradient; drawn ones agree with it, and samples have no
    gradient of their own; CD-1 raises the likelihood of data.
    """
    feeds, model = machine()
    W, b, c = feeds
    x, states = gc.constant(np.array([[1.0, 0]])), gc.constant(STATES)
    T = kernel(model)
    steps = []
    for k in (1, 40):
        from_x = gc.linalg.matrix_power(T, k)[2]
        steps.append(model(x).T @ x - (model(states) * from_x[:, None]).T @ states)
    exact = gc.grad(gc.sum(model.nll(x)), W)
    many = gc.broadcast_to(x, (4000, 2))
    key = gc.random.key(3)
    slopes = gc.grad(probability.contrastive_divergence(model, many, key), [W, b, c])
    seen = model.gibbs(key, many)
    own = [
        model(seen).T @ seen / 4000 - model(x).T @ x,
        gc.mean(model(seen), 0) - model(x)[0], gc.mean(seen, 0) - x[0],
    ]  # fmt: skip
    short = probability.contrastive_divergence(model, many[:5], key, 2)
    one, limit, dW, *found = run([*steps, exact, *slopes, *own], feeds)
    both([short, *gc.grad(short, [W, b, c])], feeds)
    printed = [[0.26710107, -0.27525776], [-0.02642947, -0.52121356]]
    np.testing.assert_allclose(one, printed, atol=6e-9)
    np.testing.assert_allclose(limit, -dW, atol=1e-12)
    assert (abs(-found[0] - one) < 4 * 0.5 / np.sqrt(4000)).all()
    for a, expected in zip(found[:3], found[3:], strict=True):
        np.testing.assert_allclose(a, expected, atol=1e-12)
    learner = probability.RBM(4, 3, seed=0, dtype="float64")
    v = gc.constant(np.tile(BARS, (8, 1)))
    loss = probability.contrastive_divergence(learner, v, gc.random.Generator(1))
    updates = optim.SGD(0.5).updates(loss, learner.parameters())
    step = gc.compile([], gc.mean(learner.nll(v)), updates=updates)
    values = [float(step()) for _ in range(300)]
    assert values[0] == pytest.approx(4 * np.log(2), abs=0.05)
    assert values[-1] < 1.5, values[-1]


def persistent():
    """An RBM, its chains, their source of random numbers, and a training step of both."""
    model = probability.RBM(4, 3, seed=0, dtype="float64")
    chains = probability.PersistentChains(np.tile(np.eye(4), (2, 1)), "float64")
    source = gc.random.Generator(5)
    loss, kept = chains.loss(model, gc.constant(BARS), source, 2)
    updates = {**optim.SGD(0.3).updates(loss, model.parameters()), **kept}
    nll = gc.mean(model.nll(gc.constant(BARS)))
    step = gc.compile([], [nll, kept[chains.state]], updates=updates)
    return model, chains, source, step


@row("FAC-30", RBMS)
def test_fac_30_persistent_contrastive_divergence(tmp_path):
    """Chains go on from where the last call left them; in a checkpoint and in an exported library
    they go on alike; the likelihood of the data rises.
    """
    model, chains, source, step = persistent()
    began = chains.state.value
    for _ in range(3):
        _, last = step()
        np.testing.assert_array_equal(chains.state.value, last)
    assert (last != began).any()
    model.save(tmp_path / "model.npz")
    chains.save(tmp_path / "chains.npz")
    word = source.state.value
    library = gc.export({"step": step}, path=tmp_path / "pcd").library
    wanted = [step() for _ in range(2)]
    other, again, new_source, new_step = persistent()
    other.load(tmp_path / "model.npz")
    again.load(tmp_path / "chains.npz")
    new_source.state.value = word
    loaded = ctypes.CDLL(str(library))
    loaded.pcd_create.restype = ctypes.c_void_p
    state = ctypes.c_void_p(loaded.pcd_create())
    for nll, kept in wanted:
        found = new_step()
        assert found[0] == nll
        np.testing.assert_array_equal(found[1], kept)
        value, places = np.zeros(()), np.zeros((8, 4))
        pointers = (ctypes.c_void_p(a.ctypes.data) for a in (value, places))
        assert loaded.pcd_step(state, *pointers, None) == 0
        assert value == nll
        np.testing.assert_array_equal(places, kept)
    loaded.pcd_destroy(state)
    values = [float(step()[0]) for _ in range(300)]
    assert values[-1] < 0.7 * float(wanted[0][0]), values[-1]


@row("FAC-31", RBMS)
def test_fac_31_gaussian_bernoulli_rbm():
    """Both conditionals, the free energy and log Z by quadrature, log Z of one pair as printed;
    Gibbs chains have the machine's mean; standardised data are learnt.
    """
    feeds = symbols(
        W=np.array([[1.0, -0.5], [0.4, 0.8]]), a=np.array([-0.3, 0.2]), b=np.array([0.2, -0.1]),
        s=np.array([0.5, 0.8]),
    )  # fmt: skip
    model = probability.GaussianRBM(2, 2, seed=0, dtype="float64")
    model.weight, model.hidden_bias, model.visible_bias, model.deviation = feeds
    axis = np.linspace(-6, 6, 121)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
    v, h, area = gc.constant(grid), gc.constant(STATES), (axis[1] - axis[0]) ** 2
    shape = (len(grid), 4, 2)
    E = model.energy(gc.broadcast_to(v[:, None], shape), gc.broadcast_to(h, shape))
    density = gc.exp(-E) * area
    point = v[5000:5003]
    law = density / gc.sum(density, axis=0)
    spread = law.T @ v**2 - (law.T @ v) ** 2
    nll = gc.sum(model.nll(point))
    chains = model.gibbs(gc.random.key(1), gc.zeros((3000, 2), dtype="float64"), 10)
    outputs = [
        law.T @ v, model.visible_mean(h), spread, model.deviation**2 * gc.ones_like(spread),
        (density / gc.sum(density, axis=1, keepdims=True) @ h)[5000:5003], model(point),
        gc.sum(density), gc.exp(model.log_partition()), gc.sum(density, axis=0) / 1.0,
        gc.exp(-model.hidden_free_energy(h)), gc.sum(density, axis=1)[5000:5003],
        gc.exp(-model.free_energy(point)) * area,
        gc.sum(density @ gc.ones((4, 2), dtype="float64") * v, axis=0) / gc.sum(density),
    ]  # fmt: skip
    found, _ = differentiated(outputs, nll, feeds)
    for a, b in zip(found[0:-1:2], found[1::2], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
    ends = run(chains, feeds)
    assert (abs(ends.mean(0) - found[-1]) < 4 * ends.std(0) / np.sqrt(3000)).all()
    one = probability.GaussianRBM(1, 1, seed=0, dtype="float64")
    one.weight.value, one.hidden_bias.value = [[1.0]], [-0.3]
    one.visible_bias.value, one.deviation.value = [0.2], [0.5]
    assert run(one.log_partition()) == pytest.approx(1.263279303, abs=6e-10)
    data = np.random.default_rng(0).standard_normal((40, 2)) * 0.2 + np.repeat([[2], [-1]], 20, 0)
    data = (data - data.mean(0)) / data.std(0)
    learner = probability.GaussianRBM(2, 3, seed=0, dtype="float64")
    learns(gc.mean(learner.nll(gc.constant(data))), learner.parameters(), rate=0.1, part=0.9)


@row("FAC-32", DEEP)
def test_fac_32_deep_belief_net():
    """A second layer with tied weights leaves p(x) unchanged; training it by CD changes nothing
    below, and raises the likelihood; samples drawn downwards have p(x); the perceptron made of the
    net begins where the net is, and is fine-tuned.
    """
    net = probability.DeepBeliefNet((4, 3, 4, 2), dtype="float64")
    low, high, top = net.rbms
    x = gc.constant(np.tile(BARS, (16, 1)))
    states = probability.binary_states(4, "float64")

    def train(rbm, data, steps):
        loss = probability.contrastive_divergence(rbm, data, gc.random.Generator(1))
        updates = optim.SGD(0.5).updates(loss, rbm.parameters())
        step = gc.compile([], None, updates=updates)
        for _ in range(steps):
            step()

    train(low, x, 200)
    net.rbms = [low, high]
    high.weight.value = low.weight.value.T
    high.hidden_bias.value, high.visible_bias.value = low.visible_bias.value, low.hidden_bias.value
    compare = gc.compile([], [net.log_probability(states), -low.nll(states)])
    deep, shallow = compare()
    np.testing.assert_allclose(deep, shallow, rtol=1e-12)
    below = low.state_dict()
    h = gc.random.bernoulli(gc.random.key(4), net.up(x, 1)).astype("float64")
    train(high, h, 300)
    assert all((a == below[name]).all() for name, a in low.state_dict().items())
    places = (BARS @ [8, 4, 2, 1]).astype(int)
    trained, _ = compare()
    assert trained[places].mean() > shallow[places].mean() - 0.01
    assert np.exp(trained).sum() == pytest.approx(1, rel=1e-12)
    start = gc.zeros((2000, 3), dtype="float64")
    samples = net.sample(gc.random.key(2), start, 40)
    close_frequencies(run(samples), np.exp(trained), 2000)
    net.rbms.append(top)
    three = run([net.log_probability(states), net(states)])
    assert np.exp(three[0]).sum() == pytest.approx(1, rel=1e-12)
    model = net.network(nn.Dense(2, 1, seed=1, dtype="float64"))
    np.testing.assert_allclose(both(nn.Sequential(*model.steps[:-1])(states)), three[1])
    target = gc.constant(BARS[:, :1].repeat(16, 1).T.reshape(-1)[:64])
    learns(nn.binary_cross_entropy(model(x)[:, 0], target), model.parameters(), rate=0.1)


@row("FAC-33", DEEP)
def test_fac_33_deep_boltzmann_machine():
    """Mean field ends where its equations hold to 1e-10, and its bound is below log p by
    enumeration, which sums to 1; the gradient of the bound is that of the loss in expectation;
    Gibbs chains have p; training with persistent chains raises the bound.
    """
    rng = np.random.default_rng(0)
    shapes = {"W1": (3, 3), "W2": (3, 2), "b0": (3,), "b1": (3,), "b2": (2,)}
    feeds = symbols(**{name: rng.standard_normal(s) for name, s in shapes.items()})
    model = probability.DeepBoltzmannMachine((3, 3, 2), dtype="float64")
    model.weights, model.biases = list(feeds)[:2], list(feeds)[2:]
    states = probability.binary_states(3, "float64")
    means = model.mean_field(states, 1e-13)
    gaps = [gc.max(gc.abs(gc.sigmoid(model.logits(means, k)) - means[k])) for k in (1, 2)]
    bounds = model.bound(means) - model.log_partition()
    log_p = model.log_probability(states)
    data = states[3:4]
    given = model.mean_field(data, 1e-13)
    nll = gc.sum(model.log_partition() - model.bound(given))
    (gap1, gap2, low, exact), _ = differentiated([*gaps, bounds, log_p], nll, feeds)
    assert max(gap1, gap2) < 1e-10
    assert (low <= exact + 1e-12).all() and (low < exact - 1e-6).any()
    assert np.exp(exact).sum() == pytest.approx(1, rel=1e-12)
    start = [gc.zeros((2000, n), dtype="float64") for n in (3, 3, 2)]
    ends = run(model.gibbs(gc.random.key(1), start, 25)[0], feeds)
    close_frequencies(ends, np.exp(exact), 2000)
    both(model.gibbs(gc.random.key(1), [x[:3] for x in start], 2), feeds)

    learner = probability.DeepBoltzmannMachine((4, 3, 2), dtype="float64")
    seen = gc.constant(np.tile(BARS, (8, 1)))
    chains = [gc.variable(np.zeros((32, n)), trainable=False) for n in (4, 3, 2)]
    new = learner.gibbs(gc.random.Generator(2), chains, 2)
    found = learner.mean_field(seen)
    updates = optim.SGD(0.3).updates(learner.loss(found, new), learner.parameters())
    value = learner.log_partition() - gc.mean(learner.bound(found))
    step = gc.compile([], value, updates={**updates, **dict(zip(chains, new, strict=True))})
    values = [float(step()) for _ in range(300)]
    assert values[-1] < 0.75 * values[0], values[::100]
