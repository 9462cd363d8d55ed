"""Networks of blocks with ways around them (catalogue 2, C)."""

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from graphc.vision import models
from graphc.vision.models.efficientnet import DEPTH, RESOLUTION, WIDTH
from tests.systems.catalogue import CS, S, row, run, symbols
from tests.systems.images import small, trains
from tests.systems.learning import learns
from tests.systems.sequences import checksum

MODELS = "graphc/vision/models/"


def counted(make, *arguments, **options):
    """The number of parameters of a network that takes no memory."""
    with nn.outline():
        return make(*arguments, **options).parameter_count()


@row("CNN-47", "graphc/nn/branches.py")
def test_cnn_47_highway_layer():
    """CS as printed; gates far below zero make it the identity; gradients, and the loss falls."""
    feeds = symbols(x=S(0, 2, 4), W=S(1, 4, 4), b=S(2, 4), V=S(3, 4, 4), c=S(4, 4))
    x, *weights = feeds
    layer = nn.Highway(4, dtype="float64")
    parts = (layer.change, layer.gate)
    for part, (W, b) in zip(parts, zip(weights[::2], weights[1::2], strict=True), strict=True):
        part.weight, part.bias = W, b
    y = layer(x)
    (found, *_) = learns(gc.sum(y * y), feeds, [y], rate=1e-2)
    assert CS(found) == pytest.approx(0.079421240, abs=1e-9)
    closed = nn.Highway(4, start=-800.0, seed=0, dtype="float64")
    np.testing.assert_array_equal(run(closed(gc.constant(S(0, 2, 4)))), S(0, 2, 4))


@row("CNN-48", MODELS + "resnet.py")
def test_cnn_48_residual_networks():
    """Parameters of ResNet-18 to 152 and of the CIFAR network of 20 layers; projections only where
    the shape changes; a small one learns.
    """
    nets = [
        models.resnet18, models.resnet34, models.resnet50, models.resnet101, models.resnet152,
        models.cifar_resnet,
    ]  # fmt: skip
    printed = [11_689_512, 21_797_672, 25_557_032, 44_549_160, 60_192_808, 269_722]
    assert [counted(net) for net in nets] == printed
    with nn.outline():
        deep = models.resnet34()
        x = gc.placeholder("x", ("n", 3, 224, 224))
        blocks = [part for part in deep.layers() if isinstance(part, nn.Residual)]
        assert sum(block.skip is not None for block in blocks) == 3
        assert deep(x).shape[1] == 1000
    options = {"channels": 1, "widths": (2, 3), "small": True}
    trains(small(models.resnet, models.BasicBlock, (1, 1), **options), (3, 1, 6, 6))


@row("CNN-48", MODELS + "resnet.py")
def test_cnn_48_basic_block():
    """CS of a block, and of the gradients of it, as printed; with a last scale of 0 it is the
    identity on what is not negative; a shape that does not fit is an error that names both.
    """
    feeds = symbols(x=S(0, 2, 4, 5, 5), k1=S(1, 4, 4, 3, 3), k2=S(2, 4, 4, 3, 3))
    x, k1, k2 = feeds
    block = models.BasicBlock(4, 4, dtype="float64")
    first, second = block.branch.steps
    first.steps[0].weight, second.steps[0].weight = k1, k2
    y = block(x)
    loss = checksum(y)
    found, *slopes = learns(loss, feeds, [y], rate=1e-5)
    np.testing.assert_allclose(
        [CS(found), *map(CS, slopes)],
        [-0.917752373, 49.747929385, 12.656199860, 0.877617416],
        atol=2e-8,
    )
    second.steps[1].scale.value = np.zeros(4)
    same = run(block(gc.relu(x)), feeds, "reference")
    np.testing.assert_array_equal(same, np.maximum(feeds[x], 0))
    with pytest.raises(gc.ShapeError, match="cannot broadcast axis 1"):
        nn.Residual(nn.conv2d(4, 3, 1, dtype="float64"))(x)


@row("CNN-49", MODELS + "wide_resnet.py")
def test_cnn_49_wide_residual_networks():
    """36,479,194 and 2,748,890 parameters; 68,883,240 with wide bottlenecks; a small one learns."""
    assert counted(models.wide_resnet, 28, 10) == 36_479_194
    assert counted(models.wide_resnet, 16, 4) == 2_748_890
    assert counted(models.wide_resnet50) == 68_883_240
    net = nn.Sequential(
        small(models.PreActivation, 1, 2, 2, classes=None),
        nn.global_average_pool,
        nn.Dense(2, 3, seed=1, dtype="float64"),
    )
    trains(net, (3, 1, 6, 6), rate=0.3)


@row("CNN-50", MODELS + "resnet.py")
def test_cnn_50_resnext():
    """25,028,904 parameters; a block is the sum of as many narrow branches as it has groups, with
    their gradients.
    """
    assert counted(models.resnext50) == 25_028_904
    block = models.Bottleneck(8, 2, inner=2, groups=2, seed=0, dtype="float64").eval()
    for k, p in enumerate(block.parameters()):
        p.value = S(k, *p.shape)
    one, two, three = (part.steps for part in block.branch.steps)
    x = gc.constant(S(0, 2, 8, 4, 4))
    total = x
    for half in (slice(0, 2), slice(2, 4)):
        y = nn.relu(_cut(one[1], half)(nn.conv(x, one[0].weight[half])))
        y = nn.relu(_cut(two[1], half)(nn.conv(y, two[0].weight[half], padding=1)))
        factor, offset = three[1].folded()
        shift = offset if half.start == 0 else 0 * offset
        y = nn.conv(y, three[0].weight[:, half]) * factor.reshape((8, 1, 1))
        total = total + y + shift.reshape((8, 1, 1))
    whole, parts = block(x), nn.relu(total)
    wrt = block.parameters()
    pairs = [[y, *gc.grad(checksum(y), wrt)] for y in (whole, parts)]
    a, b = run(pairs, target="reference")
    for p, q in zip(a, b, strict=True):
        np.testing.assert_allclose(p, q, atol=1e-10 * max(1, np.abs(p).max()))
    trains(block, loss=gc.mean((block.train()(x) - 1) ** 2), rate=0.3)


def _cut(norm, part):
    """Batch norm after training, of some of the channels."""
    factor, offset = norm.folded()
    shape = (part.stop - part.start, 1, 1)
    return lambda x: x * factor[part].reshape(shape) + offset[part].reshape(shape)


@row("CNN-51", MODELS + "densenet.py")
def test_cnn_51_densenet():
    """7,978,856 parameters; 1,024 features of 7 x 7; each layer adds `growth` channels to what it
    was given; a small one learns.
    """
    assert counted(models.densenet121) == 7_978_856
    with nn.outline():
        net = models.densenet121()
        x = gc.placeholder("x", ("n", 3, 224, 224))
        for step in net.steps[:-2]:
            x = step(x)
        assert x.shape[1:] == (1024, 7, 7)
    layer = small(models.DenseLayer, 2, 1, classes=None)
    x = gc.constant(S(0, 3, 2, 4, 4))
    kept = run(layer(x)[:, :2] - x, target="reference")
    assert layer(x).shape == (3, 3, 4, 4) and not kept.any()
    dense = nn.Dense(3, 3, seed=1, dtype="float64")
    net = nn.Sequential(layer, nn.global_average_pool, dense)
    trains(net, (3, 2, 4, 4), rate=4.0, steps=12)


@row("CNN-52", MODELS + "mobilenet.py")
def test_cnn_52_mobilenet():
    """4,231,976 parameters; sides become 7; a small one learns."""
    assert counted(models.mobilenet) == 4_231_976
    with nn.outline():
        x = gc.placeholder("x", ("n", 3, 224, 224))
        for step in models.mobilenet().steps[:-2]:
            x = step(x)
        assert x.shape[1:] == (1024, 7, 7)
    net = small(models.mobilenet, channels=1, first=2, blocks=((3, 2),))
    trains(net, (3, 1, 8, 8), rate=0.3)


@row("CNN-53", MODELS + "resnet.py")
def test_cnn_53_squeeze_and_excitation():
    """28,088,024 parameters; the gates' zero weights halve the branch; a small one learns."""
    assert counted(models.se_resnet50) == 28_088_024
    block = models.Bottleneck(4, 1, squeeze=2, seed=0, dtype="float64")
    plain = models.Bottleneck(4, 1, seed=0, dtype="float64")
    gates = block.branch.steps[-1]
    names = plain.variables()
    plain.load_state_dict({k: x.value for k, x in block.variables().items() if k in names})
    gates.excite.weight.value = np.zeros((2, 4))
    x = gc.constant(S(0, 2, 4, 3, 3))
    half, whole = run([block.branch(x), plain.branch(x)], target="reference")
    np.testing.assert_allclose(half, whole / 2, atol=1e-14)
    gates.excite.weight.value = S(0, 2, 4)
    trains(block, loss=gc.mean((block(x) - 1) ** 2), rate=0.5)


@row("CNN-54", MODELS + "efficientnet.py")
def test_cnn_54_efficientnet():
    """5,288,548 and, a step further, 9,109,994 parameters; alpha beta² gamma² is near 2; with an
    expansion of 1 a block is a separable convolution with gates; gradients of a block.
    """
    assert counted(models.efficientnet) == 5_288_548
    assert counted(models.efficientnet, 1) == 9_109_994
    assert abs(DEPTH * WIDTH**2 * RESOLUTION**2 - 2) < 0.1
    block = small(models.InvertedResidual, 4, 4, 1, classes=None)
    x = gc.constant(S(0, 2, 4, 3, 3))
    own, gates, across = block.branch.steps
    y = nn.silu(own.steps[1](nn.conv(x, own.steps[0].weight, padding=1, groups=4)))
    z = x + across.steps[1](nn.conv(gates(y), across.steps[0].weight))
    a, b = run([block(x), z], target="reference")
    np.testing.assert_allclose(a, b, atol=1e-13)
    wide = small(models.InvertedResidual, 2, 2, 2, classes=None)
    x = gc.constant(S(0, 2, 2, 3, 3))
    trains(wide, loss=gc.mean((wide(x) - 1) ** 2), rate=0.05)
