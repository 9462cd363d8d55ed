"""Pairs of images and texts, of things and their transforms (catalogue 4, C)."""

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from tests.systems.catalogue import S, both, row, run, symbols
from tests.systems.sequences import differentiated, learns

PAIRS = "graphc/nn/contrastive.py"


@row("ATT-35", PAIRS)
def test_att_35_image_text_pairs():
    """Losses of rows, columns and their mean as printed; ln n for equal embeddings; with unit norms
    the same as cosines; it learns.
    """
    feeds = symbols(images=S(0, 4, 3), texts=S(1, 4, 3))
    images, texts = feeds
    rows, columns = nn.pair_losses(images, texts)
    mean = nn.pair_loss(images, texts)
    same = nn.pair_loss(
        images[:1] + gc.zeros((4, 3), "float64"), texts[:1] + gc.zeros((4, 3), "float64")
    )
    unit = [x / gc.norm(x, axis=1, keepdims=True) for x in feeds]
    cosines = nn.cosine_similarities(images, texts) * 5.0
    by_cosine = nn.cross_entropy(cosines, gc.arange(4))
    found, _ = differentiated([rows, columns, mean, same, nn.pair_losses(*unit, 5.0)[0], by_cosine],
                              mean, feeds)  # fmt: skip
    np.testing.assert_allclose(
        found[:4], [0.868239771, 0.868313623, 0.868276697, np.log(4)], atol=1e-9
    )
    assert found[4] == pytest.approx(found[5], rel=1e-12)
    free = [gc.variable(S(k, 4, 3).astype(np.float32)) for k in (0, 1)]
    learns(nn.pair_loss(*free), free)


@row("ATT-36", PAIRS)
def test_att_36_zero_shot_and_linear_probe():
    """The nearest text is the largest logit of an image's row; the loss of a linear probe on frozen
    features has a Hessian without negative eigenvalues, and falls.
    """
    feeds = symbols(images=S(0, 4, 3), texts=S(1, 5, 3))
    images, texts = feeds
    distances = nn.square_distances(images, texts)
    nearest, most = both([gc.argmin(distances, 1), gc.argmax(distances * -0.5, 1)], feeds)
    np.testing.assert_array_equal(nearest, most)
    by_hand = ((S(0, 4, 3)[:, None] - S(1, 5, 3)) ** 2).sum(-1).argmin(1)
    np.testing.assert_array_equal(nearest, by_hand)
    w = gc.placeholder("w", (9,), gc.float64)
    labels = gc.constant(np.array([0, 1, 2, 1]))
    logits = gc.constant(S(0, 4, 3)) @ gc.reshape(w, (3, 3))
    hessian = run(gc.hessian(nn.cross_entropy(logits, labels), w), {w: S(2, 9)})
    assert np.linalg.eigvalsh(hessian).min() > -1e-12
    probe = nn.Dense(3, 3, seed=0)
    features = gc.stop_gradient(gc.constant(S(0, 4, 3).astype(np.float32)))
    learns(nn.cross_entropy(probe(features), labels), probe.parameters(), rate=0.1)


@row("ATT-37", PAIRS)
def test_att_37_invariance_pretraining():
    """A constant map has no loss of the pure form, so training shrinks the features; the form that
    compares pairs keeps them apart; a stopped side sends no gradient.
    """
    x = gc.constant(S(0, 6, 3).astype(np.float32))
    y = x + gc.constant(0.1 * S(5, 6, 3).astype(np.float32))
    flat = nn.Dense(3, 2, seed=0)
    flat.weight.value *= 0
    assert run(nn.invariance_loss(flat(x), flat(y))) == 0
    pure, apart = nn.Dense(3, 2, seed=0), nn.Dense(3, 2, seed=0)
    learns(nn.invariance_loss(pure(x), pure(y)), pure.parameters(), steps=100)
    learns(nn.pair_loss(apart(x), apart(y)), apart.parameters(), steps=100)
    spread = run([gc.sum(gc.var(f(x), 0)) for f in (pure, apart)])
    assert spread[0] < 0.5 < spread[1]
    a, b = gc.placeholder("a", (6, 3), gc.float64), gc.placeholder("b", (6, 3), gc.float64)
    loss = nn.invariance_loss(a, gc.stop_gradient(b))
    feeds = {a: S(0, 6, 3), b: S(1, 6, 3)}
    left, right = run(gc.grad(loss, [a, b]), feeds)
    assert np.any(left != 0) and np.all(right == 0)
