"""Detectors (catalogue 2, D)."""

import numpy as np
import pytest

import graphc as gc
from graphc import nn, random, vision
from graphc.vision import models
from tests.systems.catalogue import S, both, row, run, symbols
from tests.systems.images import check_slopes, small, trains

RCNN, FASTER = "graphc/vision/models/rcnn.py", "graphc/vision/models/faster_rcnn.py"


def backbone(width=2, seed=0):
    """Half the sides, one channel to `width`."""
    conv = nn.conv2d(1, width, 3, padding=1, activation=nn.relu, seed=seed, dtype="float64")
    conv.bias.value = 0.1 + 0.05 * S(0, width)
    return nn.Sequential(conv, nn.MaxPool(2))


@row("CNN-63", "graphc/vision/cropping.py")
def test_cnn_63_sliding_windows():
    """Classifying every window of an image is evaluating the same network as a convolution; the
    best window is that of the pattern; boxes cut the same windows.
    """
    feeds = symbols(x=0.1 * S(0, 1, 1, 12, 10))
    (x,) = feeds
    feeds[x][0, 0, 4:10, 2:8] += np.eye(6)
    plain = nn.conv2d(1, 2, 3, activation=nn.relu, seed=0, dtype="float64")
    net = nn.Sequential(plain, nn.MaxPool(2))
    head = nn.Dense(8, 3, seed=1, dtype="float64")
    windows = vision.crops(x, 6, 2)
    count = windows.shape[1] * windows.shape[2]
    each = head(gc.flatten(net(gc.reshape(windows, (count, 1, 6, 6))), 1))
    kernels = vision.dense_kernels(head, (2, 2, 2))
    at_once = nn.conv(net(x), kernels) + gc.reshape(head.bias, (3, 1, 1))
    boxes = gc.constant(np.array([[0.0, 0, 6, 6], [2, 4, 8, 10]]))
    cut = vision.crop_resize(x, boxes, (6, 6))
    best = gc.argmax(gc.sum(windows[0, :, :, 0] * gc.constant(np.eye(6)), (2, 3)))
    scores, maps, parts, pieces, place = both([each, at_once, windows, cut, best], feeds)
    np.testing.assert_allclose(scores.reshape(4, 3, 3).transpose(2, 0, 1)[None], maps, atol=1e-13)
    assert place == 2 * 3 + 1
    np.testing.assert_array_equal(pieces, parts[0, [0, 2], [0, 1]])


@row("CNN-64", "graphc/vision/selective_search.py")
def test_cnn_64_selective_search():
    """Boxes of two shapes on a ground, of each of their parts and of the whole are among the
    proposals, which are the same every time and at most as many as asked for.
    """
    image = np.full((24, 24, 3), 0.2)
    image[4:12, 3:11] = [0.9, 0.1, 0.1]
    image[6:9, 5:9] = [0.1, 0.9, 0.1]
    image[14:22, 12:22] = [0.1, 0.1, 0.9]
    regions = vision.over_segment(image, scale=1.0, least=4)
    assert regions.max() + 1 == 4
    boxes = vision.selective_search(image, least=4)
    np.testing.assert_array_equal(boxes, vision.selective_search(image.copy(), least=4))
    found = {tuple(box) for box in boxes}
    assert {(3, 4, 11, 12), (5, 6, 9, 9), (12, 14, 22, 22), (0, 0, 24, 24)} <= found
    assert len(found) == len(boxes) <= 7  # four regions, three unions
    assert len(vision.selective_search(image, least=4, most=2)) == 2
    noisy = image + 0.05 * np.random.default_rng(0).standard_normal(image.shape)
    assert 4 < len(vision.selective_search(noisy, scale=0.1, least=1)) <= 2000


@row("CNN-65", RCNN)
def test_cnn_65_r_cnn():
    """All regions at once give what each alone gives; a region twice as large is halved exactly,
    one of the size is unchanged; the joint loss trains everything.
    """
    model = models.RCNN(
        nn.Sequential(backbone(), lambda x: gc.flatten(x, 1)), 8, 4, 3, seed=1, dtype="float64"
    )
    feeds = symbols(x=S(0, 2, 1, 9, 9))
    (x,) = feeds
    corners = np.array([[1.0, 2, 5, 6], [0, 1, 8, 9], [3, 0, 9, 4]])
    boxes, of = gc.constant(corners), gc.constant(np.array([0, 1, 1]))
    scores, offsets = model(x, boxes, of)
    alone = [model(x, boxes[k : k + 1], of[k : k + 1]) for k in range(3)]
    squares = vision.crop_resize(x, boxes, (4, 4), of)
    values = run([scores, offsets, alone, squares], feeds, "reference")
    np.testing.assert_allclose(values[0], [a[0][0] for a in values[2]], atol=1e-13)
    np.testing.assert_allclose(values[1], [a[1][0] for a in values[2]], atol=1e-13)
    images = feeds[x][:, 0]
    np.testing.assert_allclose(values[3][0, 0], images[0, 2:6, 1:5], atol=1e-14)
    halved = images[1, 1:9, 0:8].reshape(4, 2, 4, 2).mean((1, 3))
    np.testing.assert_allclose(values[3][1, 0], halved, atol=1e-14)
    fixed = model(gc.constant(feeds[x]), boxes, of)
    signs = gc.constant(np.where(np.eye(3), 1.0, -1.0))
    goal = vision.encode_boxes(vision.to_centres(boxes + 0.5), vision.to_centres(boxes))
    loss = nn.hinge(fixed[0], signs) + nn.mse(fixed[1], goal)
    trains(model, loss=loss, rate=0.05)


@row("CNN-66", RCNN)
def test_cnn_66_fast_r_cnn():
    """The joint loss of classes and boxes reaches the backbone, which sees an image once; regions
    that are not valid, and boxes of the background, have no gradient; the loss falls.
    """
    model = models.FastRCNN(backbone(), 2, 1, 2, hidden=4, bins=2, seed=1, dtype="float64")
    model.hidden.weight.value = S(1, 8, 4) / 3
    model.hidden.bias.value = 0.3 + 0.1 * S(0, 4)
    images = gc.constant(S(0, 2, 1, 8, 8))
    boxes = gc.constant(np.array([[0, 0, 8, 8], [2, 0, 6, 6], [0, 4, 4, 8]]))
    of, valid = gc.constant(np.array([0, 1, 1])), gc.constant(np.array([True, True, False]))
    logits, offsets = model(images, boxes, of, valid)
    labels = gc.constant(np.array([2, 0, 1]))
    loss = models.region_loss(logits, offsets, labels, gc.constant(S(3, 3, 4)), valid)
    slopes = gc.grad(loss, [logits, offsets, *model.backbone.parameters()])
    found = trains(model, loss=loss, more=[*slopes, logits])
    z, o, *deep = found[4:-1]
    assert z[:2].all() and not z[2].any()
    assert o[0, 1].all() and not o[0, 0].any() and not o[1:].any()
    assert all(np.abs(g).max() > 1e-3 for g in deep)


@row("CNN-67", FASTER)
def test_cnn_67_faster_r_cnn():
    """Proposals are constants for the second stage and padded to a fixed number; trained jointly,
    or the two stages in turn, both losses fall; 300 proposals of a network of ordinary size.
    """
    anchors = np.array([[4.0, 4], [6, 6]])
    model = models.FasterRCNN(
        backbone(), 2, 1, 2, anchors, hidden=4, bins=2, seed=1, dtype="float64"
    )
    model.hidden.weight.value = S(1, 8, 4) / 3
    model.hidden.bias.value = 0.3 + 0.1 * S(0, 4)
    truths = gc.constant(np.array([[1.0, 1, 5, 5], [3, 2, 8, 8], [0, 0, 0, 0]]))
    there = gc.constant(np.array([True, True, False]))
    maps = model.backbone(gc.constant(S(0, 1, 1, 8, 8)))
    one = model.proposal_loss(maps, random.key(0), truths, there, 4)
    found = model.proposals(maps, (8, 8), 6, threshold=0.5)
    classes = gc.constant(np.array([1, 2, 0]))
    two = model.detection_loss(maps, found, truths, there, classes)
    first = model.near.parameters() + model.anchors.parameters()
    speeds = [gc.placeholder(name, (), gc.float64) for name in "ab"]
    total = speeds[0] * one + speeds[1] * two
    parameters = model.parameters()
    updates = {p: p - g for p, g in zip(parameters, gc.grad(total, parameters), strict=True)}
    some = [model.anchors.offsets.weight, model.classes.weight, model.backbone.parameters()[0]]
    outputs = [one, two, found.valid, found.boxes, *gc.grad(one + two, some)]
    step = gc.compile(speeds, outputs, updates=updates)
    *meant, constant = run([*outputs, gc.grad(two, first)], target="reference")
    assert not any(g.any() for g in constant)
    for a, b in zip(step(0, 0), meant, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)
    for p, g in zip(some, meant[4:], strict=True):
        check_slopes(lambda _: [sum(step(0, 0)[:2])], p, g, 2)
    start = model.state_dict()
    joint = [step(0.2, 0.2) for _ in range(15)]
    model.load_state_dict(start)
    turns = [step(*((0.2, 0.0) if k % 2 else (0.0, 0.2))) for k in range(30)]
    for losses in (joint, turns):  # of the second stage the median: with proposals, labels change
        assert losses[-1][0] < 0.8 * losses[0][0]
        assert np.median([float(values[1]) for values in losses[-9:]]) < 0.7 * losses[0][1]
    assert joint[0][3].shape == (6, 4) and joint[0][2][0]
    kept = joint[0][3][joint[0][2]]
    assert (kept >= 0).all() and (kept <= 8).all()
    with nn.outline():
        stages = nn.Sequential(*models.vgg16().steps[:-7])
        large = models.FasterRCNN(
            stages, 512, 4, 20, vision.anchor_shapes([128, 256, 512], [0.5, 1, 2])
        )
        maps = stages(gc.placeholder("image", (1, 3, 320, 480)))
        assert large.proposals(maps, (320, 480), 300).boxes.shape == (300, 4)


@row("CNN-68", "graphc/vision/models/yolo.py")
def test_cnn_68_yolo():
    """7 x 7 x 30 = 1,470 outputs; the loss of one image by hand; only the box that overlaps most
    answers for an object, and choosing it has no gradient; sizes of 0 are safe; the loss falls.
    """
    with nn.outline():
        model = models.YOLO(lambda x: x, 4096)
        assert model.head.weight.shape[1] == 1470
        cells = model(gc.placeholder("features", ("n", 4096)))
        assert cells.boxes.shape[1:] == (7, 7, 2, 4) and cells.classes.shape[1:] == (7, 7, 20)
    boxes, sure, kinds = np.abs(S(1, 1, 2, 2, 2, 4)), S(2, 1, 2, 2, 2), S(3, 1, 2, 2, 3)
    boxes[0, 1, 0, 0, 2] = 0.0
    there, truth = np.zeros((1, 2, 2), bool), np.abs(S(4, 1, 2, 2, 4))
    there[0, 0, 1] = there[0, 1, 0] = True
    labels = np.eye(3)[[[[0, 2], [1, 0]]]]
    feeds = symbols(boxes=boxes, sure=sure, kinds=kinds)
    found = models.Cells(*feeds)
    goal = [gc.constant(a) for a in (there, truth, labels)]
    loss = models.yolo_loss(found, *goal)
    value, slopes = both([loss, gc.grad(loss, list(feeds))], feeds)
    expected = 0.0
    for i, j in np.ndindex(2, 2):
        overlaps = [overlap(b, truth[0, i, j], i, j) for b in boxes[0, i, j]]
        best = int(np.argmax(overlaps)) if there[0, i, j] else -1
        for k in range(2):  # no differences: what is answered for is a constant, but moves
            if k != best:
                expected += 0.5 * sure[0, i, j, k] ** 2
                assert not slopes[0][0, i, j, k].any()
                continue
            b, t = boxes[0, i, j, k], truth[0, i, j]
            np.testing.assert_allclose(slopes[0][0, i, j, k, :2], 10 * (b[:2] - t[:2]))
            root = 5 * (1 - (t[2:] / np.where(b[2:], b[2:], t[2:])) ** 0.5)
            np.testing.assert_allclose(slopes[0][0, i, j, k, 2:], root, atol=1e-14)
            assert slopes[1][0, i, j, k] == pytest.approx(2 * (sure[0, i, j, k] - overlaps[k]))
            error = np.sum((b[:2] - t[:2]) ** 2) + np.sum((b[2:] ** 0.5 - t[2:] ** 0.5) ** 2)
            expected += 5 * error + (sure[0, i, j, k] - overlaps[k]) ** 2
        if best >= 0:
            expected += np.sum((kinds[0, i, j] - labels[0, i, j]) ** 2)
    assert value == pytest.approx(expected, rel=1e-12)
    assert all(np.isfinite(g).all() for g in slopes)
    features = nn.Sequential(backbone(), lambda x: gc.flatten(x, 1))
    net = models.YOLO(features, 8, cells=2, classes=3, seed=1, dtype="float64")
    trains(
        net, loss=models.yolo_loss(net(gc.constant(S(0, 1, 1, 4, 4))), *goal), rate=0.01, count=0
    )
    corners, scores, classes = run(models.detections(found), feeds, "reference")
    assert corners.shape == (1, 8, 4) and classes[0, 2] == classes[0, 3] == np.argmax(
        kinds[0, 0, 1]
    )
    assert scores[0, 2] == pytest.approx(sure[0, 0, 1, 0] * kinds[0, 0, 1].max())


def overlap(a, b, i, j):
    """Intersection over union of two boxes of a cell of a 2 x 2 grid."""
    (a0, a1), (b0, b1) = ([(v[:2] + (j, i) + s * v[2:]) / 2 for s in (-1, 1)] for v in (a, b))
    common = np.prod(np.maximum(np.minimum(a1, b1) - np.maximum(a0, b0), 0))
    return common / (np.prod(a1 - a0) + np.prod(b1 - b0) - common)


@row("CNN-69", "graphc/vision/models/single_box.py")
def test_cnn_69_one_box():
    """The gradient of the sum is the sum of the gradients; without the box's part the loss is a
    classifier's on the same features; it trains in the coding of centres and sizes.
    """
    net = small(models.SingleBox, nn.Sequential(backbone(), lambda x: gc.flatten(x, 1)), 8)
    x, labels = gc.constant(S(0, 2, 1, 4, 4)), gc.constant(np.array([2, 0]))
    boxes = vision.to_centres(gc.constant(np.array([[0.1, 0.2, 0.7, 0.6], [0.0, 0.3, 0.5, 1.0]])))
    loss = net.loss(x, labels, boxes, 0.7)
    logits, found = net(x)
    parts = [nn.cross_entropy(logits, labels), gc.mean(gc.sum((found - boxes) ** 2, 1))]
    p = net.features.parameters()[0]
    slopes = [gc.grad(y, p) for y in (loss, *parts)]
    *_, total, one, two, plain, ce = trains(
        net, loss=loss, rate=0.05, more=[*slopes, net.loss(x, labels, boxes, 0.0), parts[0]]
    )
    np.testing.assert_allclose(total, one + 0.7 * two, atol=1e-14)
    assert plain == ce
