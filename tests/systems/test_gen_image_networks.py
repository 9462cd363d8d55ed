"""Adversarial networks for images (catalogue 5, D)."""

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim, probability, random
from tests.systems.catalogue import S, both, row, run, symbols
from tests.systems.generating import WIDE, constant
from tests.systems.sequences import differentiated

FILE = "graphc/probability/gan_layers.py"


class Growing(nn.Layer):
    """A generator of 2 by 2 images that can grow to 4 by 4: both stages to one channel."""

    def __init__(self):
        self.first = nn.Dense(3, 8, gc.tanh, seed=0, **WIDE)
        self.image = nn.Conv(2, 1, (1, 1), seed=1, **WIDE)
        self.stages = []

    def grow(self):
        """Adds a stage, with a projection to an image of its own."""
        stage = nn.Conv(2, 2, (3, 3), padding="same", activation=gc.tanh, seed=2, **WIDE)
        self.stages.append((stage, nn.Conv(2, 1, (1, 1), seed=3, **WIDE)))

    def __call__(self, z, share=None):
        h = probability.pixel_norm(gc.reshape(self.first(z), (z.shape[0], 2, 2, 2)))
        y = self.image(h)
        for stage, image in self.stages:
            new = image(probability.pixel_norm(stage(nn.resize(h, (4, 4), "nearest"))))
            y = probability.fade_in(nn.resize(y, (4, 4), "nearest"), new, share)
        return y


@row("GEN-48", "graphc/probability/adversarial.py")
def test_gen_48_progressive_gan():
    """Pixels of mean square 1; at α = 0 the grown net gives the old image, larger, bit for bit, and
    keeps its weights and its optimiser's slots; differences, and it goes on learning.
    """
    feeds = symbols(x=S(0, 2, 3, 2, 2))
    (x,) = feeds
    normal = probability.pixel_norm(x)
    found, _ = differentiated([gc.mean(normal**2, 1)], gc.sum(normal**3), feeds)
    np.testing.assert_allclose(found[0], 1, rtol=1e-6)
    net, adam, z = Growing(), optim.Adam(0.02), constant(S(0, 4, 3))
    loss = nn.mse(net(z), constant(S(2, 4, 1, 2, 2)))
    step = gc.compile([], loss, updates=adam.updates(loss, net.named_parameters()))
    small = [float(step()) for _ in range(20)]
    assert small[-1] < small[0]
    before, slots, weights = run(net(z)), adam.state_dict(), net.state_dict()
    net.grow()
    share = gc.placeholder("share", (), gc.float64)
    y = net(z, share)
    loss = nn.mse(y, nn.resize(constant(S(2, 4, 1, 2, 2)), (4, 4), "linear"))
    grown = gc.compile([share], [loss, y], updates=adam.updates(loss, net.named_parameters()))
    for name, array in slots.items():
        np.testing.assert_array_equal(adam.state_dict()[name], array)
    for name, array in weights.items():
        np.testing.assert_array_equal(net.state_dict()[name], array)
    assert len(adam.state_dict()) > len(slots)
    first = grown(0.0)
    np.testing.assert_array_equal(first[1], before.repeat(2, 2).repeat(2, 3))
    later = [float(grown(k / 40)[0]) for k in range(40)]
    assert later[-1] < 0.9 * float(first[0])
    kernel = net.stages[0][0].weight
    weights = symbols(kernel=kernel.value, share=0.4)
    net.stages[0][0].weight, half = weights
    out = net(z, half)
    differentiated([out], gc.sum(out * out), weights)


@row("GEN-49", FILE)
def test_gen_49_big_gan():
    """Power iteration comes to the largest singular value, and a layer divided by it has norm 1;
    each class has its scale and shift; no truncation noise gives the mean image; differences; the
    score of a sure and varied classifier is its number of classes.
    """
    dense = probability.SpectralNorm(nn.Dense(4, 3, seed=0, **WIDE), seed=1)
    conv = probability.SpectralNorm(nn.Conv(2, 3, (2, 2), seed=0, **WIDE), seed=1)
    x, image = constant(S(0, 5, 4)), constant(S(0, 1, 2, 3, 3))
    outputs = [dense(x), conv(image)]
    model = nn.Sequential(dense, conv)
    step = gc.compile([], outputs, updates=probability.spectral_updates(model))
    for _ in range(60):
        last = step()
    widths = [np.linalg.svd(v, compute_uv=False)[0] for v in (
        dense.layer.weight.value, conv.layer.weight.value.reshape(3, -1))]  # fmt: skip
    np.testing.assert_allclose(run([dense.norm(), conv.norm()]), widths, rtol=1e-9)
    np.testing.assert_allclose(
        last[0], S(0, 5, 4) @ dense.layer.weight.value / widths[0], rtol=1e-9
    )
    assert set(dense.named_parameters()) == {"layer.weight", "layer.bias"}
    (W,) = feeds = symbols(W=dense.layer.weight.value)
    exact = gc.linalg.svdvals(W)[0]
    dense.layer.weight = W
    slopes = [gc.grad(dense.norm(), W), gc.grad(exact, W)]
    by_iteration, by_svd = both(slopes, feeds)
    np.testing.assert_allclose(by_iteration, by_svd, atol=1e-6)
    penalised(S(1, 3, 2))
    conditional()
    sure = constant(50 * np.eye(4)[[0, 1, 2, 3]])
    same = constant(np.ones((4, 4)))
    np.testing.assert_allclose(
        run([probability.inception_score(sure), probability.inception_score(same)]), [4, 1]
    )


def penalised(matrix):
    """The penalty is 0 for orthogonal columns of any lengths, and else as by NumPy."""
    feeds = symbols(w=matrix)
    (w,) = feeds
    loss = probability.orthogonality(w)
    found, _ = differentiated([loss], loss, feeds)
    assert found[0] == pytest.approx(2 * (matrix[:, 0] @ matrix[:, 1]) ** 2)
    assert run(probability.orthogonality(constant(np.diag([1.0, 2, 3])))) == 0


def conditional():
    """A class-conditional generator: its normalisation, gradients and truncated noise."""
    norm = probability.ConditionalBatchNorm(2, 3, **WIDE)
    feeds = symbols(scales=S(1, 3, 2), shifts=S(2, 3, 2), x=S(0, 4, 2, 2, 2))
    norm.scales, norm.shifts, x = feeds
    classes = gc.constant(np.array([0, 2, 2, 0]))
    y = norm(x, classes)
    found, grads = differentiated([y, norm.norm(x)], gc.sum(y**3), feeds)
    picked = [feeds[v][[0, 2, 2, 0]][:, :, None, None] for v in (norm.scales, norm.shifts)]
    np.testing.assert_allclose(found[0], found[1] * picked[0] + picked[1], rtol=1e-12)
    assert not grads[0][1].any() and grads[0][[0, 2]].all()
    fresh, head = probability.ConditionalBatchNorm(2, 3).eval(), nn.Dense(2, 2, seed=0)

    def generate(z):
        return gc.tanh(fresh(head(z), classes))

    drawn = [probability.truncated_latent(random.Generator(0), (4, 2), t) for t in (0.0, 0.5)]
    images = run([generate(drawn[0]), generate(gc.zeros((4, 2))), drawn[1]])
    np.testing.assert_array_equal(images[0], images[1])
    assert 0 < np.abs(images[2]).max() <= 0.5
