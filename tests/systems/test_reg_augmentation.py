"""Augmentation (catalogue 8, D)."""

import math

import numpy as np

import graphc as gc
from graphc import nn, random, vision
from graphc.vision import augmentation as aug
from tests.systems.catalogue import S, both, check_gradients, row, run, symbols

IMAGES = S(0, 2, 3, 4, 4)
PIXELS = symbols(x=IMAGES)
(X,) = PIXELS
CHANGES = [
    lambda x, m: aug.brightness(x, m),
    lambda x, m: aug.contrast(x, 1 + m),
    lambda x, m: gc.flip(x, 3),
    lambda x, m: vision.warp(x, aug.rotation(m)),
]


def number(value):
    return gc.constant(np.float64(value))


@row("REG-38", "graphc/vision/augmentation.py")
def test_reg_38_identities():
    """Every change with the parameters of the identity is the identity; four quarter turns and two
    flips are; quarter turns and maps joined are exact; gradients of a warp.
    """
    zero, one = number(0), number(1)
    maps = [
        aug.rotation(zero), aug.stretch(one, one), aug.shear(zero), aug.translation(zero, zero),
        aug.perspective(zero, zero),
    ]  # fmt: skip
    same = [
        *(vision.warp(X, m) for m in maps),
        aug.lens(X, zero),
        aug.brightness(X, 0),
        aug.contrast(X, 1),
        aug.saturation(X, 1),
        aug.hue(X, zero),
        gc.flip(gc.flip(X, 3), 3),
        nn.add_noise(X, 0.0, random.key(0)),
        aug.random_crop(X, random.key(0), (4, 4)),
        aug.with_background(X, gc.ones((2, 1, 4, 4), dtype="bool"), X * 0),
        aug.hue(aug.hue(X, number(0.7)), number(-0.7)),
    ]
    for y in both(same, PIXELS):
        np.testing.assert_allclose(y, IMAGES, atol=1e-12)
    turns = [X]
    quarter = gc.constant(np.array([[0, 1.0, 0], [-1, 0, 0], [0, 0, 1]]))
    for _ in range(4):
        turns.append(vision.warp(turns[-1], quarter))
    first, last = run([turns[1], turns[4]], PIXELS)
    np.testing.assert_allclose(first, np.rot90(IMAGES, -1, (2, 3)), atol=1e-12)
    np.testing.assert_allclose(last, IMAGES, atol=1e-12)
    feeds = symbols(x=IMAGES, angle=0.3, slope=0.2)
    x, angle, slope = feeds
    check_gradients(gc.sum(vision.warp(x, aug.rotation(angle) @ aug.shear(slope)) ** 2), feeds)


@row("REG-38", "graphc/vision/augmentation.py")
def test_reg_38_effects():
    """What each change does: shifts, zooms, colours, thresholds, crops; flips come as often as
    asked, the same for the same key.
    """
    step = number(2 / 3)  # one of four pixels
    moved, grown, bent, grey, dark, bits = both(
        [
            vision.warp(X, aug.translation(step, number(0))),
            vision.warp(X, aug.stretch(number(1 / 3), number(1 / 3)), (2, 2)),
            aug.lens(X, number(0.5)),
            aug.saturation(X, 0),
            aug.contrast(X, 0),
            aug.threshold(X, 0.2),
        ],
        PIXELS,
    )
    np.testing.assert_allclose(moved[..., :3], IMAGES[..., 1:], atol=1e-12)
    np.testing.assert_array_equal(moved[..., 3], 0)
    np.testing.assert_allclose(grown, IMAGES[..., 1:3, 1:3], atol=1e-12)
    assert not bent[..., 0, 0].any() and bent[..., 1, 1].any()
    np.testing.assert_allclose(
        grey, np.tile(np.einsum("c,nchw->nhw", aug.GREY, IMAGES)[:, None], (1, 3, 1, 1))
    )
    np.testing.assert_allclose(dark, IMAGES.mean((1, 2, 3), keepdims=True) + 0 * IMAGES)
    np.testing.assert_array_equal(bits, IMAGES > 0.2)
    key = gc.placeholder("key", (4,), gc.uint32)
    crop = gc.compile([X, key], aug.random_crop(X, key, (2, 3)))
    parts = {IMAGES[:, :, i : i + 2, j : j + 3].tobytes() for i in range(3) for j in range(2)}
    found = {crop(IMAGES, k).tobytes() for k in run(random.split(random.key(1), 40))}
    assert found <= parts and len(found) > 3
    many = np.arange(2000.0).reshape(1000, 1, 1, 2)
    (pairs,) = feeds = symbols(pairs=many)
    turned, again = run([aug.random_flip(pairs, random.key(2), 0.3)] * 2, feeds)
    np.testing.assert_array_equal(turned, again)
    share = (turned != many).any((1, 2, 3)).mean()
    assert abs(share - 0.3) < 4 * math.sqrt(0.21 / 1000)
    np.testing.assert_array_equal(np.sort(turned, axis=3), many)


@row("REG-39", "graphc/vision/augmentation.py")
def test_reg_39_auto_augment():
    """Probability 0 is the identity; one compilation serves other policies; changes are made in
    order.
    """
    places = gc.placeholder("places", (1, 2), gc.int64)
    chances = gc.placeholder("chances", (1, 2), gc.float64)
    sizes = gc.placeholder("sizes", (1, 2), gc.float64)
    y = aug.auto_augment(X, random.key(3), CHANGES, places, chances, sizes)
    f = gc.compile([X, places, chances, sizes], y)
    ones = np.ones((1, 2))
    np.testing.assert_array_equal(f(IMAGES, [[0, 1]], 0 * ones, ones), IMAGES)
    flipped = f(IMAGES, [[2, 0]], ones, 0.5 * ones)
    np.testing.assert_allclose(flipped, IMAGES[..., ::-1] + 0.5)
    middle = IMAGES.mean((1, 2, 3), keepdims=True)
    bright = f(IMAGES, [[1, 0]], ones, [[1.0, 2.0]])
    np.testing.assert_allclose(bright, middle + 2 * (IMAGES - middle) + 2)


@row("REG-40", "graphc/vision/augmentation.py")
def test_reg_40_rand_augment():
    """No change is the identity; one is one of the set, each about as often."""
    assert aug.rand_augment(X, random.key(0), CHANGES, 0, number(1)) is X
    key = gc.placeholder("key", (4,), gc.uint32)
    one = gc.compile([X, key], aug.rand_augment(X, key, CHANGES, 1, number(0.5)))
    singles = run([f(X, number(0.5)) for f in CHANGES], PIXELS)
    seen = np.zeros(4)
    for words in run(random.split(random.key(4), 200)):
        y = one(IMAGES, words)
        seen += [np.allclose(y, s) for s in singles]
    assert seen.sum() == 200 and (abs(seen - 50) < 4 * math.sqrt(200 * 3 / 16)).all()
