"""Many networks on one set of weights (catalogue 9, C)."""

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim, probability, random
from tests.systems.catalogue import S, both, row, run
from tests.systems.supergraphs import WIDE, X, agree, supergraph


@row("UST-30", "graphc/nn/supergraph.py")
def test_ust_30_one_shot_supergraph():
    """A sub-network is the supergraph under its mask, and under its numbers; chosen statically, its
    graph has the operations of one network; a branch that a number does not choose is not run.
    """
    net, x = supergraph(), gc.constant(X)
    choice = ["dense", None, "dense"]
    mask = gc.placeholder("mask", (3, 3), "float64")
    alone = net.chosen(choice, x)
    masked = net.masked(mask, x)
    feeds = {mask: net.mask(choice)}
    a, b, grads_a, grads_b = both(
        [alone, masked]
        + [gc.grad(gc.sum(y * S(1, 4, 3)), net.edges[2]["dense"].weight) for y in (alone, masked)],
        feeds,
    )
    np.testing.assert_allclose(a, np.tanh(np.tanh(X @ S(0, 3, 3)) @ S(2, 3, 3)), atol=1e-14)
    np.testing.assert_allclose(b, a, atol=1e-14)
    np.testing.assert_allclose(grads_b, grads_a, atol=1e-14)
    products = [n for n in gc.ir.walk.topological([alone]) if "dot" in n.op.name]
    assert len(products) == 2
    numbers = gc.placeholder("numbers", (3,), "int64")
    under = net(x, edge=nn.indexed_edge(numbers))
    slopes = gc.grad(gc.sum(under * S(1, 4, 3)), net.weights())
    outputs = [under, *slopes]
    found = both(outputs, {numbers: np.array([2, 1, 2])})
    np.testing.assert_allclose(found[0], a, atol=1e-14)
    np.testing.assert_allclose(found[3], grads_a, atol=1e-14)
    assert (found[2] == 0).all()
    table = gc.variable(np.ones((2, 3)), "table")
    rows = gc.placeholder("row", (), "int64")
    chosen = gc.placeholder("chosen", (1,), "int64")
    fails = [lambda y: y, lambda y: y + gc.take(table, rows, axis=0)]
    f = gc.compile([chosen, rows], nn.indexed_edge(chosen)(x, fails, None, 0))
    np.testing.assert_array_equal(f(np.array([0]), 7), X)
    with pytest.raises(gc.IndexRangeError):
        f(np.array([1]), 7)


@row("UST-36", "graphc/nn/supergraph.py")
def test_ust_36_enas():
    """One compiled step trains every sampled network on the shared weights, and those of edges that
    were not drawn stay bit for bit; edges are dropped at a scheduled rate, at rate 0 none; a
    controller learns which of the networks is best.
    """
    net, x = supergraph(), gc.constant(X)
    choices = gc.placeholder("choices", (3,), "int64")
    target = gc.constant(np.tanh(X @ S(0, 3, 3)) + X)
    loss = nn.mse(net(x, edge=nn.indexed_edge(choices)), target)
    step = gc.compile([choices], loss, updates=optim.SGD(0.05).updates(loss, net.weights()))
    before = net.state_dict()
    first = float(step(np.array([2, 1, 0])))
    assert float(step(np.array([2, 1, 0]))) < first
    after = net.state_dict()
    moved = {name for name in before if (before[name] != after[name]).any()}
    assert moved == {"edges.0.dense.weight"}

    rate = gc.placeholder("rate", (), "float64")
    key = gc.placeholder("key", (4,), "uint32")
    kept = nn.dropped_edge(optim.linear(0.0, 0.5, 10)(rate), key)
    alone = gc.sum(kept(x, [lambda x: x], net.logits[0, :1], 0)) / gc.sum(x)
    outputs = [net(x, edge=kept), net(x), alone]
    f = gc.compile([rate, key], outputs)
    keys = run(random.split(random.key(0), 200))
    full, plain, _ = f(0.0, keys[0])
    np.testing.assert_array_equal(full, plain)
    agree(f(5.0, keys[1]), [rate, key], outputs, 5.0, keys[1])
    scales = np.array([f(10.0, k)[2] for k in keys])
    assert set(np.round(scales, 12)) == {0.0, 2.0}
    assert abs((scales > 0).mean() - 0.5) < 4 * 0.5 / np.sqrt(200)

    controller = nn.Controller([3, 3, 3], hidden=4, seed=0, **WIDE)
    drawn, log_p = controller.sample(random.Generator(1), 16)
    error = gc.vmap(lambda c: nn.mse(net(x, edge=nn.indexed_edge(c)), target))(drawn)
    surrogate = -probability.score_surrogate(-error, log_p, -gc.mean(error))
    learn = gc.compile(
        [], gc.mean(error), updates=optim.Adam(0.1).updates(surrogate, controller.parameters())
    )
    errors = [float(learn()) for _ in range(60)]
    assert np.mean(errors[-5:]) < 0.5 * np.mean(errors[:5])
