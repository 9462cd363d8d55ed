"""Suppression of boxes and figures of merit of rankings (catalogue 2, B)."""

import numpy as np
import pytest

import graphc as gc
from graphc import nn, vision
from tests.systems.catalogue import both, row, symbols


def overlap(a, b):
    """Intersection over union of two boxes."""
    w, h = (min(a[k + 2], b[k + 2]) - max(a[k], b[k]) for k in (0, 1))
    common = max(w, 0) * max(h, 0)
    areas = sum((x[2] - x[0]) * (x[3] - x[1]) for x in (a, b))
    return common / (areas - common)


def kept_by_loop(boxes, scores, threshold):
    kept = []
    for k in sorted(range(len(boxes)), key=lambda k: (-scores[k], k)):
        if all(overlap(boxes[k], boxes[j]) <= threshold for j in kept):
            kept.append(k)
    return kept


@row("CNN-37", "graphc/vision/detection.py")
def test_cnn_37_suppression():
    """Of the printed boxes the first and the third are kept, by overlaps of .680672 and .81; random
    ones as a loop keeps them, equal scores by index, for any number of boxes.
    """
    boxes = gc.placeholder("boxes", ("n", 4), "float64")
    scores = gc.placeholder("scores", ("n",), "float64")
    valid = gc.placeholder("valid", ("n",), "bool")
    places, count = vision.suppress(boxes, scores, 6, valid=valid)
    pair = vision.iou(boxes, boxes)
    f = gc.compile([boxes, scores, valid], [places, count, pair])
    reference = gc.compile([boxes, scores, valid], [places, count, pair], target="reference")
    b = np.array([[0.0, 0, 10, 10], [1, 1, 11, 11], [20, 20, 30, 30], [0, 0, 9, 9]])
    s, every = np.array([0.9, 0.8, 0.7, 0.6]), np.ones(4, bool)
    found, number, overlaps = f(b, s, every)
    np.testing.assert_array_equal(found, [0, 2, -1, -1, -1, -1])
    assert number == 2
    np.testing.assert_allclose(overlaps[0, [1, 3]], [0.680672, 0.81], atol=1e-6)
    found, number, _ = f(b, s, ~every | (np.arange(4) > 0))
    np.testing.assert_array_equal(found[:2], [1, 2])
    rng = np.random.default_rng(0)
    longest = 0
    for n in (1, 5, 30):
        first = rng.uniform(0, 10, (n, 2))
        b = np.concatenate([first, first + rng.uniform(1, 6, (n, 2))], axis=1)
        s = np.round(rng.uniform(size=n), 1)
        meant = kept_by_loop(b, s, 0.5)
        longest = max(longest, len(meant))
        for way in (f, reference):
            found, number, _ = way(b, s, np.ones(n, bool))
            assert number == min(len(meant), 6)
            np.testing.assert_array_equal(found[:number], meant[:6])
            assert (found[number:] == -1).all()
    assert longest > 6


@row("CNN-38", "graphc/nn/metrics.py")
def test_cnn_38_figures_of_merit():
    """F1 of 3/4 and .6 is 2/3; the printed hits have an AP of .6875; a mean over classes leaves out
    those without truths; nothing predicted is 0, not 0/0.
    """
    predicted = np.array([[1, 1, 1, 1, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0]], bool)
    actual = np.array([[1, 1, 1, 0, 1, 1, 0], [0, 0, 0, 0, 0, 0, 0]], bool)
    scores = np.array([[0.5, 0.9, 0.6, 0.8, 0.7], [1, 2, 3, 4, 5], [1, 2, 3, 4, 5]])
    hits = np.array([[0, 1, 1, 1, 0], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0]], bool)
    feeds = symbols(p=predicted, a=actual, s=scores, h=hits, n=np.array([4, 2, 0]))
    p, a, s, h, n = feeds
    precision, recall = nn.precision(p, a), nn.recall(p, a)
    outputs = [
        precision, recall, nn.f1_score(precision, recall), nn.average_precision(s, h, n),
        nn.mean_average_precision(s, h, n),
    ]  # fmt: skip
    found = both(outputs, feeds)
    np.testing.assert_allclose(found[0], [0.75, 0])
    np.testing.assert_allclose(found[1], [0.6, 0])
    np.testing.assert_allclose(found[2], [2 / 3, 0])
    np.testing.assert_allclose(found[3], [0.6875, 0.5, 0])
    assert found[4] == pytest.approx((0.6875 + 0.5) / 2)


@row("CNN-38", "graphc/vision/detection.py")
def test_cnn_38_detections():
    """A detection is a hit if it is the first, by falling score, to overlap its best truth enough;
    from boxes to AP.
    """
    overlaps = np.array([[0.6, 0.1], [0.8, 0.55], [0.2, 0.5], [0.1, 0.3], [0.0, 0.9]])
    feeds = symbols(x=overlaps, s=np.array([0.9, 0.8, 0.3, 0.7, 0.5]))
    x, s = feeds
    hits = vision.detection_hits(x, s)
    found = both([hits, nn.average_precision(s, hits, 2), vision.detection_hits(x, s, 0.65)], feeds)
    np.testing.assert_array_equal(found[0], [1, 0, 0, 0, 1])
    assert found[1] == pytest.approx((1 + 2 / 4) / 2)
    np.testing.assert_array_equal(found[2], [0, 1, 0, 0, 1])
