"""Boxes: projections, pooling of regions, anchors, codings, overlaps (catalogue 2, B)."""

import numpy as np
import pytest

import graphc as gc
from graphc import nn, random, vision
from graphc.ir.errors import ShapeError
from tests.systems.catalogue import S, both, row, run, symbols
from tests.systems.learning import learns


@row("CNN-32", "graphc/vision/boxes.py")
def test_cnn_32_projection():
    """Coordinates are halved and rounded up once for each pool: whole numbers, to the unit."""
    boxes = np.arange(400).reshape(100, 4)
    feeds = symbols(boxes=boxes)
    found = both([vision.project_boxes(*feeds, k) for k in range(5)], feeds)
    for k, y in enumerate(found):
        assert y.dtype == np.int64
        np.testing.assert_array_equal(y, np.ceil(boxes / 2**k))


@row("CNN-33", "graphc/vision/roi_pooling.py")
def test_cnn_33_region_pooling():
    """The printed bins; the whole map in its own bins is itself; gradients go to the largest, add
    up where boxes overlap, and miss what is not valid.
    """
    boxes = np.array([[0, 1, 5, 5], [0, 0, 6, 6], [2, 2, 6, 6], [1, 1, 3, 3]])
    feeds = symbols(
        x=np.arange(72.0).reshape(1, 2, 6, 6), boxes=boxes, valid=np.array([1, 1, 1, 0], bool)
    )
    x, b, valid = feeds
    y = vision.roi_max_pool(x, b, (2, 2), valid=valid)
    whole = vision.roi_max_pool(x, b[1:2], (6, 6))
    gx = gc.grad(gc.sum(y), x)
    found = learns(gc.sum(gc.sin(y / 9)), feeds, [y, whole, gx], rate=0.1)
    np.testing.assert_array_equal(found[0][0, 0], [[14, 16], [26, 28]])
    np.testing.assert_array_equal(found[0][3], 0)
    np.testing.assert_array_equal(found[1], feeds[x])
    slope = np.zeros((6, 6))
    for bins in ([14, 16, 26, 28], [14, 17, 32, 35], [21, 23, 33, 35]):
        np.add.at(slope.reshape(-1), bins, 1)
    assert slope.max() == 2
    np.testing.assert_array_equal(found[2], np.stack([slope, slope])[None])


@row("CNN-33", "graphc/vision/roi_pooling.py")
def test_cnn_33_other_regions():
    """Random boxes of several images are as a loop over bins; of equals the first one has the
    gradient; NaN is largest, and what lies outside is 0; boxes of fractions are an error.
    """
    rng = np.random.default_rng(0)
    first = rng.integers(0, 4, (9, 2))
    boxes = np.concatenate([first, first + rng.integers(1, 5, (9, 2))], axis=1)
    images = rng.integers(0, 2, 9)
    feeds = symbols(x=S(0, 2, 3, 8, 8), flat=np.ones((1, 1, 4, 4)), boxes=boxes, images=images)
    x, flat, b, of = feeds
    tied = vision.roi_max_pool(flat, gc.constant([[0, 0, 4, 4]]), (2, 1))
    edge = vision.roi_max_pool(flat + gc.nan, gc.constant([[3, 0, 5, 4]]), (1, 2))
    y, slope, beyond = both(
        [vision.roi_max_pool(x, b, (2, 3), of), gc.grad(gc.sum(tied), flat), edge], feeds
    )
    np.testing.assert_array_equal(beyond, [[[[np.nan, 0]]]])
    for k, (c0, r0, c1, r1) in enumerate(boxes):
        for i, j in np.ndindex(2, 3):
            rows = slice(r0 + i * (r1 - r0) // 2, r0 - (-(i + 1) * (r1 - r0) // 2))
            columns = slice(c0 + j * (c1 - c0) // 3, c0 - (-(j + 1) * (c1 - c0) // 3))
            np.testing.assert_array_equal(
                y[k, :, i, j], feeds[x][images[k], :, rows, columns].max((1, 2))
            )
    np.testing.assert_array_equal(np.argwhere(slope[0, 0]), [[0, 0], [2, 0]])
    with pytest.raises(gc.DTypeError, match="boxes are whole numbers"):
        vision.roi_max_pool(x, gc.astype(b, "float64"), (2, 2))


@row("CNN-34", "graphc/vision/boxes.py")
def test_cnn_34_anchors():
    """256 anchors of 4 shapes on 8 x 8 places, centred in them; head outputs of (4, 8, 8) and (16,
    8, 8), in the anchors' order; its offsets learn a box.
    """
    shapes = vision.anchor_shapes([32, 64], [0.5, 2])
    np.testing.assert_allclose(shapes.prod(1), [32**2, 32**2, 64**2, 64**2])
    np.testing.assert_allclose(shapes[:, 1] / shapes[:, 0], [0.5, 2, 0.5, 2])
    grid = run(vision.anchor_grid((8, 8), 16, shapes))
    assert grid.shape == (4, 8, 8, 4) and grid[..., 0].size == 256
    np.testing.assert_allclose(grid[2, 3, 5], [5.5 * 16, 3.5 * 16, *shapes[2]])
    with nn.outline():
        head = vision.AnchorHead(2048, 4)
        objects, offsets = head(gc.placeholder("map", (1, 2048, 8, 8)))
    assert objects.shape == (1, 4, 8, 8) and offsets.shape == (1, 16, 8, 8)
    assert head.parameter_count() == 2049 * 20
    small = vision.AnchorHead(3, 2, seed=1, dtype="float64")
    feeds = symbols(x=S(0, 1, 3, 2, 2), goal=S(1, 1, 2, 2, 2, 4))
    x, goal = feeds
    ordered = vision.by_anchor(small(x)[1])
    found = learns(nn.mse(ordered, goal), feeds, [ordered, small(x)[1]], rate=0.5)
    np.testing.assert_array_equal(found[0][0, 1, 0, 1], found[1][0, 4:, 0, 1])


def random_boxes(rng, n):
    centres, sizes = rng.uniform(-5, 5, (n, 2)), rng.uniform(0.1, 4, (n, 2))
    return np.concatenate([centres, sizes], axis=1)


@row("CNN-35", "graphc/vision/boxes.py")
def test_cnn_35_codings():
    """Both codings and back to 1e-12; offsets as their formula; offsets can be learnt."""
    rng = np.random.default_rng(0)
    feeds = symbols(b=random_boxes(rng, 20), a=random_boxes(rng, 20), t=S(1, 20, 4))
    b, a, t = feeds
    offsets = vision.encode_boxes(b, a)
    outputs = [
        vision.to_centres(vision.to_corners(b)), vision.decode_boxes(offsets, a),
        vision.encode_boxes(vision.decode_boxes(t, a), a), offsets, vision.to_corners(b),
    ]  # fmt: skip
    found = learns(nn.mse(offsets, t), feeds, outputs, rate=1e-4)
    for y, meant in zip(found, (feeds[b], feeds[b], feeds[t]), strict=False):
        np.testing.assert_allclose(y, meant, rtol=1e-12, atol=1e-12)
    x, y, w, h = feeds[b].T
    xa, ya, wa, ha = feeds[a].T
    meant = np.stack([(x - xa) / wa, (y - ya) / ha, np.log(w / wa), np.log(h / ha)], axis=1)
    np.testing.assert_allclose(found[3], meant, rtol=1e-12)
    np.testing.assert_allclose(found[4], np.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], 1))
    with pytest.raises(ShapeError, match="four numbers"):
        vision.to_corners(gc.placeholder("x", (3, 5)))


@row("CNN-36", "graphc/vision/boxes.py")
def test_cnn_36_overlaps_and_labels():
    """1/7, .9, 0; no 0/0 of empty boxes, nor in the gradient; labels by both rules, padded truths
    left out.
    """
    a = np.array([[0.0, 0, 2, 2], [5, 5, 5, 5], [9, 9, 8, 8]])
    b = np.array([[1.0, 1, 3, 3], [0, 0, 2, 1.8], [7, 7, 9, 9], [5, 5, 5, 5], [0, 0, 2, 2]])
    feeds = symbols(a=a, b=b)
    pairs = vision.iou(*feeds)
    value, slope = both([pairs, gc.grad(gc.sum(pairs), next(iter(feeds)))], feeds)
    np.testing.assert_allclose(value[0], [1 / 7, 0.9, 0, 0, 1], rtol=1e-15)
    np.testing.assert_array_equal(value[1:], 0)
    assert np.isfinite(slope).all()
    overlaps = np.array([
        [0.75, 0.1, 0.9], [0.5, 0.2, 0], [0.29, 0, 0], [0.1, 0.6, 0], [0.3, 0.6, 0.95]
    ])  # fmt: skip
    feeds = symbols(overlaps=overlaps, there=np.array([True, True, False]))
    x, there = feeds
    found = both(
        [
            *vision.label_anchors(x, valid=there),
            *vision.label_anchors(x),
            *vision.label_anchors(x * 0),
        ],
        feeds,
    )
    np.testing.assert_array_equal(found[0], [1, -1, 0, 1, -1])
    np.testing.assert_array_equal(found[1], [0, 0, 0, 1, 1])
    np.testing.assert_array_equal(found[2], [1, -1, 0, 1, 1])
    np.testing.assert_array_equal(found[4], 0)


@row("CNN-39", "graphc/vision/detection.py")
def test_cnn_39_balanced_sampling():
    """As many positives as negatives, never one twice, each as often as others, padding marked; the
    loss of others has no slope, and boxes count for positives alone.
    """
    labels = np.array([1, 0, -1, 1, 0, 0, -1, 0, 1, 0])
    feeds = symbols(labels=labels, logits=S(0, 10), offsets=S(1, 10, 4), goals=S(2, 10, 4))
    label, logits, offsets, goals = feeds
    key = gc.placeholder("key", (4,), gc.uint32)
    drawn = gc.compile([label, key], list(vision.balanced_sample(key, label, 4)))
    seen = np.zeros(10)
    for words in run(random.split(random.key(0), 300)):
        positives, some, negatives, others = drawn(labels, words)
        assert some.sum() == 3 and others.all()
        assert sorted(positives[some]) == [0, 3, 8]
        assert len(set(negatives)) == 4 and not labels[negatives].any()
        np.add.at(seen, negatives, 1)
    chance = 0.8
    assert (np.abs(seen[labels == 0] / 300 - chance) < 4 * (chance * 0.2 / 300) ** 0.5).all()
    positives, some, negatives, others = vision.balanced_sample(random.key(1), label, 2)
    places, there = gc.concat([positives, negatives]), gc.concat([some, others])
    mask = gc.astype(there, "float64")
    truths = gc.astype(gc.take(label, places) == 1, "float64")
    scores = gc.take(logits, places)
    objects = gc.sum(mask * (gc.softplus(scores) - truths * scores))
    errors = gc.take(offsets, positives, axis=0) - gc.take(goals, positives, axis=0)
    loss = objects + gc.sum(gc.astype(some, "float64")[:, None] * gc.square(errors))
    found = learns(loss, feeds, [positives, negatives], rate=0.1)
    np.testing.assert_array_equal(np.nonzero(found[2])[0], sorted([*found[0], *found[1]]))
    np.testing.assert_array_equal(np.nonzero(found[3].any(1))[0], sorted(found[0]))
