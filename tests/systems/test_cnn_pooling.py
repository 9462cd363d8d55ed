"""Pooling (catalogue 2, B)."""

import itertools

import numpy as np

import graphc as gc
from graphc import nn, optim, random
from tests.systems.catalogue import CS, S, both, check_gradients, row, run, symbols
from tests.systems.learning import learns

X = S(0, 2, 3, 6, 7)


def close(found, printed):
    np.testing.assert_allclose([CS(y) for y in found], printed, atol=2e-9)


def checksum(y):
    return gc.sum(y * np.cos(np.arange(y.size)).reshape(y.shape))


@row("CNN-21", "graphc/ops/convolutions/pooling.py")
def test_cnn_21_max_pooling():
    """Printed checksums of two windows and of a gradient, which goes to the first largest; a small
    shift of a bright pixel changes nothing.
    """
    feeds = symbols(x=X)
    (x,) = feeds
    outputs = [nn.max_pool(x, 2), nn.max_pool(x, 3, 2)]
    found = learns(checksum(outputs[1]), feeds, outputs)
    close(found, [3.619184896, -0.335829613, -3.875714042])
    ties = symbols(x=np.ones((1, 1, 4, 4)))
    (flat,) = ties
    (slope,) = run([gc.grad(gc.sum(nn.max_pool(flat, 2)), flat)], ties)
    np.testing.assert_array_equal(np.argwhere(slope[0, 0]), [[0, 0], [0, 2], [2, 0], [2, 2]])
    spot, moved = np.zeros((2, 1, 1, 4, 4))
    spot[0, 0, 2, 0] = moved[0, 0, 3, 1] = 5
    here, there = ({flat: a} for a in (spot, moved))
    np.testing.assert_array_equal(*(both(nn.max_pool(flat, 2), f) for f in (here, there)))


@row("CNN-22", "graphc/ops/convolutions/pooling.py")
def test_cnn_22_average_pooling():
    """The printed checksum; it is a convolution of each channel with a constant kernel."""
    feeds = symbols(x=X)
    (x,) = feeds
    y = nn.average_pool(x, 2)
    kernel = gc.full((3, 1, 2, 2), 0.25, dtype="float64")
    found = learns(gc.sum(gc.sin(y)), feeds, [y, nn.conv(x, kernel, stride=2, groups=3)], rate=0.1)
    close(found[:1], [1.347931620])
    np.testing.assert_allclose(found[0], found[1], atol=1e-15)


@row("CNN-23", "graphc/ops/convolutions/pooling.py")
def test_cnn_23_global_pooling():
    """The printed checksum; a network that ends so takes images of any size, compiled once."""
    feeds = symbols(x=X)
    (x,) = feeds
    outputs = [nn.global_average_pool(x), nn.global_max_pool(x)]
    found = learns(sum(gc.sum(gc.sin(y)) for y in outputs), feeds, outputs)
    close(found[:1], [-0.001736740])
    np.testing.assert_array_equal(found[1], X.max((2, 3)))
    net = nn.Sequential(
        nn.conv2d(3, 4, 3, activation=gc.tanh, seed=1, dtype="float64"),
        nn.global_average_pool,
        nn.Dense(4, 2, seed=2, dtype="float64"),
    )
    image = gc.placeholder("image", ("n", 3, "h", "w"), "float64")
    f = gc.compile([image], net(image))
    for array in (X, S(1, 1, 3, 9, 4)):
        shaped = symbols(x=array)
        np.testing.assert_allclose(f(array), run(net(*shaped), shaped, "reference"), atol=1e-14)


def pooled_by_loop(x, edges):
    """The largest element between each two edges of both axes."""
    rows, columns = edges
    return np.array([
        [x[..., a:b, c:d].max((2, 3)) for c, d in itertools.pairwise(columns)]
        for a, b in itertools.pairwise(rows)
    ]).transpose(2, 3, 0, 1)  # fmt: skip


@row("CNN-24", "graphc/nn/pooling.py")
def test_cnn_24_fractional_max_pooling():
    """With twice as many elements as positions it is CNN-21; else it is a loop over windows of one
    or two, other ones for another key, the same ones in the gradient.
    """
    feeds = symbols(x=S(0, 2, 3, 6, 6))
    (x,) = feeds
    u = gc.placeholder("u", (2,), "float64")
    double = nn.fractional_max_pool(x, 3, np.zeros(2))
    keyed = nn.fractional_max_pool(x, (4, 5), random.uniform(random.key(3), (2,)))
    given = {**feeds, u: np.array([0.3, 0.85])}
    y = nn.fractional_max_pool(x, (4, 5), u)
    found = both([double, nn.max_pool(x, 2), y, keyed], given)
    np.testing.assert_array_equal(found[0], found[1])
    f = gc.compile([x, u], y)
    sizes = set()
    for offsets in (given[u], [0.0, 0.0], [0.999, 0.5]):
        edges = [
            np.ceil(6 / k * (np.arange(k + 1) + o)) - np.ceil(6 / k * o)
            for k, o in zip((4, 5), offsets, strict=True)
        ]
        edges = [e.astype(int) for e in edges]
        assert all(e[0] == 0 and e[-1] == 6 for e in edges)
        steps = [tuple(np.diff(e)) for e in edges]
        assert {k for s in steps for k in s} == {1, 2}
        sizes |= set(steps)
        np.testing.assert_array_equal(f(feeds[x], offsets), pooled_by_loop(feeds[x], edges))
    assert len(sizes) > 2
    check_gradients(gc.sum(gc.sin(keyed)), feeds)


@row("CNN-25", "graphc/nn/pooling.py")
def test_cnn_25_powers_mixtures_trees():
    """p = 1 is the mean of magnitudes, a large p their maximum; shares of 1 and 0 are max and mean;
    a tree is its formula; gates and leaves learn.
    """
    feeds = symbols(x=S(0, 2, 2, 4, 6), share=np.array(0.3))
    x, share = feeds
    gated, tree = (
        nn.GatedPool((2, 2), dtype="float64"),
        nn.TreePool((2, 2), depth=2, seed=1, dtype="float64"),
    )
    gated.load_state_dict({"gate": S(1, 2, 2)})
    tree.load_state_dict({"leaves": S(2, 4, 2, 2), "gates": S(3, 3, 2, 2)})
    learnt = [gated.gate, tree.leaves, tree.gates]
    outputs = [
        nn.power_pool(x, 2, 1.0), nn.average_pool(gc.abs(x), 2),
        nn.mixed_pool(x, 2, 1.0), nn.max_pool(x, 2), nn.mixed_pool(x, 2, 0.0),
        nn.average_pool(x, 2), gated(x), tree(x),
    ]  # fmt: skip
    kinds = [nn.power_pool(x, 2, 3.0), nn.mixed_pool(x, 2, share), gated(x), tree(x)]
    loss = sum(gc.sum(gc.sin(y)) for y in kinds)
    found = learns(loss, feeds, [*outputs, nn.power_pool(x, 2, 300.0)])
    for left, right in (found[0:2], found[2:4], found[4:6]):
        np.testing.assert_allclose(left, right, atol=1e-14)
    magnitudes = np.abs(feeds[x]).reshape(2, 2, 2, 2, 3, 2).max((3, 5))
    np.testing.assert_allclose(found[8], magnitudes, rtol=0.01)
    seen = feeds[x].reshape(2, 2, 2, 2, 3, 2).transpose(0, 1, 2, 4, 3, 5)

    def dotted(filters):
        return np.einsum("ncijab,kab->kncij", seen, filters)

    (a,) = 1 / (1 + np.exp(-dotted(S(1, 1, 2, 2))))
    np.testing.assert_allclose(found[6], a * seen.max((4, 5)) + (1 - a) * seen.mean((4, 5)))
    v, s = dotted(S(2, 4, 2, 2)), 1 / (1 + np.exp(-dotted(S(3, 3, 2, 2))))
    left, right = s[1] * v[0] + (1 - s[1]) * v[1], s[2] * v[2] + (1 - s[2]) * v[3]
    np.testing.assert_allclose(found[7], s[0] * left + (1 - s[0]) * right)
    part = gc.sum(gc.sin(gated(x))) + gc.sum(gc.sin(tree(x)))
    updates = optim.SGD(0.01).updates(part, dict(zip("abc", learnt, strict=True)))
    step = gc.compile([x], part, updates=updates)
    losses = [float(step(feeds[x])) for _ in range(4)]
    assert (np.diff(losses) < 0).all()
