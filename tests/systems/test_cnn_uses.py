"""Image networks in other ways: without labels, at other sizes, in parts, for pictures of what they
see (catalogue 2, C).
"""

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim, random, vision
from graphc.vision import augmentation, models
from tests.systems.catalogue import CS, S, both, check_gradients, row, run, symbols
from tests.systems.images import small
from tests.systems.learning import learns

VISUALISING = "graphc/vision/visualising.py"


@row("CNN-40", "graphc/vision/models/neocognitron.py")
def test_cnn_40_neocognitron():
    """Winner-take-all learning gives each of two bars a plane of its own; what a second stage sees
    stays the same when a bar moves within the field of its cells; gradients.
    """
    bars = np.zeros((2, 1, 6, 6))
    bars[0, 0, 0:3, 1] = bars[1, 0, 1, 0:3] = 1
    first = models.SLayer(1, 2, 3, 0.7, "valid", dtype="float64")
    upright = 0.6 + 0.6 * np.array([[0.0, 1, 0]] * 3)
    first.weight.value = np.stack([upright, upright.T])[:, None]
    x = gc.placeholder("x", (2, 1, 6, 6), gc.float64)
    pooled = models.CLayer(2)(first(x))
    learn = gc.compile([x], [first(x), pooled], updates=first.learned(x, 0.5))
    (early, _), *_ = [learn(bars) for _ in range(8)]
    late, before = learn(bars)
    assert list(late.max((2, 3)).argmax(1)) == [0, 1]
    assert early.max() < 0.5 and late.max() > 0.9
    shifted, after = learn(np.stack([np.roll(bars[0], 1, 2), np.roll(bars[1], 1, 1)]))
    assert np.abs(shifted - late).max() > 0.5
    np.testing.assert_allclose(after, before, atol=0.01)  # the kernels learnt a little on
    feeds = symbols(x=np.abs(S(0, 1, 1, 5, 5)))
    (x,) = feeds
    check_gradients(gc.sum(models.CLayer(2, 1)(first(x)) ** 2), feeds, count=3)


@row("CNN-55", "graphc/optim/micro_batches.py")
def test_cnn_55_micro_batches():
    """The gradients of a batch in four parts, with activations recomputed, are those of the whole;
    the peak of memory falls.
    """
    net = small(models.all_cnn_c, channels=1, widths=(2, 3))
    net = nn.Sequential(*net.steps[:2], nn.global_average_pool, nn.Dense(2, 3, dtype="float64"))
    x = gc.placeholder("x", (4, "n", 1, 12, 12), gc.float64)
    t = gc.placeholder("t", (4, "n"), gc.int64)

    def loss(x, t):
        return nn.cross_entropy(gc.checkpoint(net)(x), t)

    parameters = net.named_parameters()
    whole = nn.cross_entropy(net(gc.flatten(x, 0, 1)), gc.flatten(t))
    value, grads = optim.micro_batched(loss, parameters, [x, t])
    plain = gc.compile([x, t], [whole, *gc.grad(whole, list(parameters.values()))])
    parts = gc.compile([x, t], [value, *grads.values()])
    images, labels = S(0, 4, 5, 1, 12, 12), np.arange(20).reshape(4, 5) % 3
    for a, b in zip(plain(images, labels), parts(images, labels), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-13)
    assert parts.memory.at(n=64).peak < 0.6 * plain.memory.at(n=64).peak


@row("CNN-56", "graphc/nn/branches.py")
def test_cnn_56_several_scales_and_sizes():
    """Kernels of several reaches side by side; the same weights at two sizes; at the larger one the
    head alone is tuned, which lowers the loss and leaves the features as they were.
    """
    options = {"padding": "same", "activation": nn.elu, "dtype": "float64"}
    scales = nn.Parallel(*(nn.conv2d(1, 2, 3, dilation=d, seed=d, **options) for d in (1, 2)))
    head = nn.Dense(4, 3, seed=3, dtype="float64")
    net = nn.Sequential(scales, nn.global_average_pool, head)
    x = gc.placeholder("x", (3, 1, "h", "w"), gc.float64)
    loss = nn.cross_entropy(net(x), gc.constant(np.array([2, 0, 1])))
    features = gc.mean(scales(x), (2, 3))
    tune = gc.compile(
        [x], [loss, features], updates=optim.SGD(1.0).updates(loss, head.parameters())
    )
    small_images, large = S(0, 3, 1, 5, 6), np.repeat(np.repeat(S(0, 3, 1, 5, 6), 2, 2), 2, 3)
    before = scales.state_dict()
    assert tune(small_images)[1].shape == tune(large)[1].shape == (3, 4)
    losses = [float(tune(large)[0]) for _ in range(10)]
    assert losses[-1] < 0.97 * losses[0]
    for name, kept in scales.state_dict().items():
        np.testing.assert_array_equal(kept, before[name])
    (meant,) = run([loss], {x: large}, "reference")
    assert tune(large)[0] == pytest.approx(float(meant), abs=1e-12)


@row("CNN-57", "graphc/vision/models/lenet.py")
def test_cnn_57_rbf_output():
    """CS as printed; equal to |x|² - 2 x W^T + |w|²; gradients; the loss falls."""
    feeds = symbols(x=S(0, 4, 3), w=S(1, 2, 3))
    x, w = feeds
    layer = models.RBFOutput(3, 2, dtype="float64")
    layer.centres = w
    y = layer(x)
    expanded = gc.sum(x * x, 1, keepdims=True) - 2 * x @ w.T + gc.sum(w * w, 1)
    found, other, *_ = learns(nn.cross_entropy(-y, gc.arange(4) % 2), feeds, [y, expanded])
    assert CS(found) == pytest.approx(5.903870564, abs=1e-9)
    np.testing.assert_allclose(found, other, atol=1e-14)


@row("CNN-58", "graphc/vision/models/resnet.py")
def test_cnn_58_images_of_any_size():
    """One compilation of a residual network with symbolic height, width and batch: at three sizes
    it gives what the reference gives; a vision transformer is refused other sizes when it is built.
    """
    net = small(models.resnet, models.BasicBlock, (1, 1), (2, 3), channels=1, small=True).eval()
    x = gc.placeholder("x", ("n", 1, "h", "w"), gc.float64)
    y = net(x)
    f, meant = gc.compile([x], y), gc.compile([x], y, target="reference")
    for shape in ((2, 1, 6, 6), (1, 1, 9, 4), (3, 1, 5, 7)):
        images = S(0, *shape)
        assert f(images).shape == (shape[0], 3)
        np.testing.assert_allclose(f(images), meant(images), atol=1e-12)
    with pytest.raises(gc.ShapeError, match="Dense needs a last axis"):
        models.lenet5()(gc.placeholder("x", (1, 1, 28, 28)))


@row("CNN-59", "graphc/vision/augmentation.py")
def test_cnn_59_rotation_prediction():
    """Images turned in the graph, as NumPy turns them; predicting by how much trains a network,
    whose frozen features then serve another task.
    """
    square = S(0, 4, 2, 3, 3)
    found = run(augmentation.quarter_turns(gc.constant(square), gc.arange(4)))
    for k in range(4):
        np.testing.assert_array_equal(found[k], np.rot90(square[k], k, (1, 2)))
    rng = np.random.default_rng(0)
    images = 0.3 * rng.standard_normal((8, 1, 6, 6)) + np.linspace(1, -1, 6)[:, None]
    x = gc.placeholder("x", ("n", 1, 6, 6))
    turns = random.randint(random.Generator(1), 0, 4, (x.shape[0],))
    trunk = nn.Sequential(nn.conv2d(1, 4, 3, activation=nn.relu, seed=0), nn.MaxPool(2), flat)
    head, other = nn.Dense(16, 4, seed=1), nn.Dense(16, 2, seed=2)
    loss = nn.cross_entropy(head(trunk(augmentation.quarter_turns(x, turns))), turns)
    parameters = trunk.parameters() + head.parameters()
    step = gc.compile([x], loss, updates=optim.Adam(0.03).updates(loss, parameters))
    images = images.astype(np.float32)
    losses = [float(step(images)) for _ in range(60)]
    assert np.mean(losses[-8:]) < 0.4 * np.mean(losses[:8])
    labels = gc.placeholder("labels", ("n",), gc.int64)
    second = nn.cross_entropy(other(gc.stop_gradient(trunk(x))), labels)
    kept = trunk.state_dict()
    assert not run(gc.grad(second, trunk.parameters()[0]), {x: images, labels: np.zeros(8, int)},
                   "reference").any()  # fmt: skip
    updates = optim.Adam(0.05).updates(second, other.parameters())
    probe = gc.compile([x, labels], second, updates=updates)
    signs = np.where(np.arange(8) % 2, 1, -1)[:, None, None, None]
    losses = [float(probe((images * signs).astype("f4"), np.arange(8) % 2)) for _ in range(30)]
    assert losses[-1] < 0.3 * losses[0]
    for name, array in trunk.state_dict().items():
        np.testing.assert_array_equal(array, kept[name])


def flat(x):
    return gc.flatten(x, 1)


@row("CNN-60", VISUALISING)
def test_cnn_60_activation_maximisation():
    """An output rises at every small step up the image's gradient while the weights stay; with
    decay the image is smaller; a change is made in every step.
    """
    net = small(models.all_cnn_c, channels=1, widths=(2, 3))
    net = nn.Sequential(net.steps[0], gc.tanh, nn.global_average_pool)
    before = net.state_dict()
    x = gc.placeholder("x", (1, 1, 5, 5), gc.float64)
    start = S(0, 1, 1, 5, 5)

    def score(x):
        return net(x)[0, 1]

    plain, values = vision.ascend(score, x, 0.05, 20)
    prior, _ = vision.ascend(score, x, 0.05, 20, decay=0.2)
    mixed, _ = vision.ascend(score, x, 0.05, 3, change=lambda x: gc.roll(x, 1, 3))
    image, scores, faded, rolled = both([plain, values, prior, mixed], {x: start})
    assert (np.diff(scores) > 0).all() and scores[-1] > scores[0] + 0.05
    assert np.linalg.norm(faded) < 0.8 * np.linalg.norm(image)
    assert np.abs(np.roll(rolled, -3, 3) - start).max() < 0.16
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


@row("CNN-61", VISUALISING)
def test_cnn_61_deconvolutional_pictures():
    """For a linear network the picture is the gradient; otherwise it is made of transposed kernels,
    places of maxima that were kept, and rectified signals, as written out here.
    """
    k1, k2 = S(1, 2, 1, 3, 3), S(2, 1, 2, 2, 2)
    feeds = symbols(x=np.cos(2 + np.arange(36.0) ** 2).reshape(1, 1, 6, 6))
    (x,) = feeds

    def picture(act, pool=nn.max_pool):
        maps = pool(act(nn.conv(x, gc.constant(k1))), 2)
        return gc.grad(gc.sum(act(nn.conv(maps, gc.constant(k2)))), x)

    def spread(signal):
        return gc.repeat(gc.repeat(signal, 2, 2), 2, 3)

    maps = nn.relu(nn.conv(x, gc.constant(k1)))
    pooled = nn.max_pool(maps, 2)
    top = nn.conv_transpose(gc.ones((1, 1, 1, 1), dtype="float64"), gc.constant(k2))
    below = gc.where(maps == spread(pooled), spread(top), 0)
    byhand = nn.conv_transpose(nn.relu(below), gc.constant(k1))
    linear = nn.conv_transpose(spread(top) / 4, gc.constant(k1))
    pictures = [picture(act) for act in (vision.deconv_relu, vision.guided_relu, nn.relu)]
    through = picture(lambda z: z, nn.average_pool)
    found = both([byhand, *pictures, linear, through, pooled], feeds)
    assert (found[6] > 0).all()  # so no gate stops a signal
    np.testing.assert_allclose(found[1], found[0], atol=1e-14)
    np.testing.assert_allclose(found[2], found[0], atol=1e-14)
    assert np.abs(found[3] - found[0]).max() > 0.1
    np.testing.assert_allclose(found[5], found[4], atol=1e-14)


@row("CNN-62", "graphc/vision/style.py")
def test_cnn_62_style_transfer():
    """The Gram matrix as printed; pixels that are trained lower the loss, with Adam and with
    L-BFGS.
    """
    found = run(vision.gram(gc.constant(S(0, 1, 2, 6))), target="reference")
    np.testing.assert_allclose(
        found[0], [[0.507849311, 0.480207608], [0.480207608, 0.492385863]], atol=1e-9
    )
    kernel = gc.constant(S(3, 2, 1, 3, 3))

    def features(x):
        return gc.tanh(nn.conv(x, kernel))

    content, style = gc.constant(S(0, 1, 1, 6, 6)), gc.constant(S(1.7, 1, 1, 6, 6) ** 3)
    for optimiser in (optim.Adam(0.05), optim.LBFGS(4)):
        pixels = gc.variable(S(5, 1, 1, 6, 6))
        own = features(pixels)
        loss = nn.mse(own, features(content)) + 2 * vision.style_loss([own], [features(style)])
        step = gc.compile([], loss, updates=optimiser.updates(loss, [pixels]))
        losses = [float(step()) for _ in range(40)]
        assert losses[-1] < 0.5 * losses[0], losses[::10]
    check = symbols(F=S(0, 1, 2, 5))
    (F,) = check
    check_gradients(vision.style_loss([F], [gc.constant(S(1, 1, 2, 5))]), check, count=3)
