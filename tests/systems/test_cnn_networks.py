"""Classification networks: their parameters, shapes and training (catalogue 2, C)."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

import graphc as gc
from graphc import nn, optim, random
from graphc.vision import models
from tests.systems.catalogue import CS, S, row, run
from tests.systems.images import small, trains

MODELS = "graphc/vision/models/"


def counted(make, *arguments, **options):
    """The number of parameters of a network that takes no memory."""
    with nn.outline():
        return make(*arguments, **options).parameter_count()


def shapes(network, x):
    """The shapes after each step of a Sequential."""
    found = []
    for step in network.steps:
        x = step(x)
        found.append(x.shape)
    return found


@row("CNN-41", MODELS + "lenet.py")
def test_cnn_41_lenet_5():
    """61,706 and 62,006 parameters, layer by layer; maps of 28, 14, 10 and 5; the loss, CS of the
    logits and of the first kernels' gradient as printed; the loss falls.
    """
    net = models.lenet5(dtype="float64")
    each = [step.parameter_count() for step in net.steps if isinstance(step, nn.Layer)]
    assert [k for k in each if k] == [156, 2416, 48120, 10164, 850]
    assert net.parameter_count() == 61_706
    assert counted(models.lenet5, 3) == 62_006
    found = shapes(net, gc.placeholder("images", ("n", 1, 32, 32)))
    assert [s[2] for s in found if len(s) == 4] == [28, 14, 10, 5]
    scales = [5, 5, 12, 12, 20, 20, 11, 11, 9, 9]
    for k, (p, scale) in enumerate(zip(net.parameters(), scales, strict=True), 1):
        p.value = S(k, *p.shape) / scale
    logits = net(gc.constant(S(0, 2, 1, 32, 32)))
    loss = nn.cross_entropy(logits, gc.constant(np.array([3, 7])))
    value, slope, *_, z = trains(net, loss=loss, more=[logits], rate=0.2, steps=4)
    assert value == pytest.approx(2.316351229, abs=1e-9)
    assert CS(z) == pytest.approx(-0.283927160, abs=1e-9)
    assert CS(slope) == pytest.approx(-0.004689507, abs=1e-9)


@row("CNN-41", MODELS + "lenet.py")
def test_cnn_41_lenet_5_reads_digits():
    """After six passes over 1,400 small pictures of digits it reads 97 % of 397 others."""
    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    images, digits = (data.images[order, None] / 16).astype(np.float32), data.target[order]
    x, t = gc.placeholder("x", ("n", 1, 8, 8)), gc.placeholder("t", ("n",), gc.int64)
    net = models.lenet5(seed=0)
    logits = net(nn.resize(x, (32, 32)))
    loss, right = nn.cross_entropy(logits, t), nn.accuracy(logits, t)
    speed = gc.placeholder("speed")
    updates = optim.Adam(speed).updates(loss, net.parameters())
    step = gc.compile([x, t, speed], right, updates=updates)
    for turn in range(6):
        for k in range(0, 1400, 50):
            step(images[k : k + 50], digits[k : k + 50], 0.002 if turn < 4 else 0.0005)
    share = float(step(images[1400:], digits[1400:], 0.0))
    assert share >= 0.97


@row("CNN-42", MODELS + "alexnet.py")
def test_cnn_42_alexnet():
    """60,965,224 parameters in two columns, 61,100,840 in one; maps of 55, 27, 13 and 6; dropout
    only in training; a small one learns.
    """
    assert counted(models.alexnet) == 60_965_224
    assert counted(models.alexnet, models.ONE_COLUMN) == 61_100_840
    with nn.outline():
        found = shapes(models.alexnet(), gc.placeholder("x", ("n", 3, 224, 224)))
    assert [s[2] for s in found if len(s) == 4] == [55, 27, 27, 13, 13, 13, 13, 6]
    layers = ((4, 5, 2, 2, 1, True), (6, 3, 1, 1, 2, True))
    net = small(models.alexnet, layers, 8, channels=1, side=2, dropout=random.Generator(0))
    x = gc.constant(S(0, 2, 1, 16, 16))
    trained, again = run([net(x), net(x)], target="reference")
    assert np.abs(trained - again).max() > 1e-3
    net.eval()
    trains(net, (3, 1, 16, 16))


@row("CNN-43", MODELS + "alexnet.py")
def test_cnn_43_zfnet():
    """62,357,608 parameters; maps of 110, 55, 26, 13 and 6; a small one learns."""
    assert counted(models.zfnet) == 62_357_608
    with nn.outline():
        found = shapes(models.zfnet(), gc.placeholder("x", ("n", 3, 224, 224)))
    assert [s[2] for s in found if len(s) == 4] == [110, 55, 26, 13, 13, 13, 13, 6]
    layers = ((4, 7, 2, 1, 1, True), (5, 5, 2, 0, 1, False))
    trains(small(models.alexnet, layers, 6, channels=1, side=1), (2, 1, 23, 23))


@row("CNN-44", MODELS + "vgg.py")
def test_cnn_44_vgg():
    """138,357,544 and 143,667,240 parameters; sides halve in every group; a small one learns."""
    assert counted(models.vgg16) == 138_357_544
    assert counted(models.vgg19) == 143_667_240
    with nn.outline():
        found = shapes(models.vgg16(), gc.placeholder("x", ("n", 3, 224, 224)))
    sides = [s[2] for s in found if len(s) == 4]
    assert sorted(set(sides), reverse=True) == [224, 112, 56, 28, 14, 7]
    trains(small(models.vgg, (2, 1), (3, 4), 6, channels=1, side=2), (2, 1, 8, 8))


@row("CNN-45", MODELS + "inception.py")
def test_cnn_45_googlenet():
    """6,998,552 parameters, 163,696 in the first block, which gives 256 channels; a small one with
    an auxiliary head learns from both losses.
    """
    assert counted(models.GoogLeNet) == 6_998_552
    with nn.outline():
        block = models.inception(192, (64, 96, 128, 16, 32, 32))
        assert block.parameter_count() == 163_696
        assert block(gc.placeholder("x", ("n", 192, 28, 28))).shape[1:] == (256, 28, 28)
        whole = models.GoogLeNet(auxiliary=True)
        main, *early = whole(gc.placeholder("x", ("n", 3, 224, 224)))
        assert main.shape == early[0].shape == early[1].shape and len(early) == 2
    net = small(
        models.GoogLeNet, channels=1, auxiliary=True,
        stem=(2, 2, 3), blocks=((1, 2, 2, 1, 2, 1),), heads_at=(0,),
        middle=(2, 4), bins=1,
    )  # fmt: skip
    main, early = net(gc.constant(S(0, 2, 1, 16, 16)))
    labels = gc.constant(np.array([2, 1]))
    trains(net, loss=nn.cross_entropy(main, labels) + 0.3 * nn.cross_entropy(early, labels))
    assert net.eval()(gc.constant(S(0, 2, 1, 16, 16))).shape == (2, 3)


@row("CNN-46", MODELS + "all_convolutional.py")
def test_cnn_46_all_cnn():
    """1,369,738 parameters; no pooling but the last mean; a small one learns."""
    assert counted(models.all_cnn_c) == 1_369_738
    net = small(models.all_cnn_c, channels=1, widths=(2, 3))
    assert not any(isinstance(part, nn.MaxPool | nn.AveragePool) for part in net.layers())
    trains(net, (2, 1, 6, 6), rate=0.5)
