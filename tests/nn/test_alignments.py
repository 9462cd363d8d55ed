"""Connectionist temporal classification against all ways written out."""

import itertools

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from tests.support.run import TARGETS


def spelt(way: tuple[int, ...], blank: int) -> list[int]:
    """What classes step by step spell."""
    return [k for k, _ in itertools.groupby(way) if k != blank]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("label", [[], [1], [1, 1], [2, 1], [0, 2, 0], [2, 2, 2]])
def test_a_loss_counts_every_way_to_spell_the_labels(label: list[int], target: str) -> None:
    blank = 1 if 0 in label else 0
    label = [2 if k == blank else k for k in label]
    logits = np.random.default_rng(0).standard_normal((5, 1, 3))
    p = np.exp(logits[:, 0]) / np.exp(logits[:, 0]).sum(1, keepdims=True)
    ways = [w for w in itertools.product(range(3), repeat=5) if spelt(w, blank) == label]
    wanted = -np.log(sum(np.prod(p[range(5), w]) for w in ways))
    x = gc.placeholder("x", ("time", 1, 3), "float64")
    labels = np.array([[*label, *[-1] * (4 - len(label))]])
    loss = nn.ctc_loss(x, labels, label_lengths=[len(label)], blank=blank, reduction="sum")
    found = gc.compile([x], loss, target=target)(logits)
    np.testing.assert_allclose(found, wanted, rtol=1e-10)


def test_labels_that_do_not_fit_cost_infinity_and_have_no_gradient() -> None:
    logits, labels = np.zeros((2, 2, 3), np.float32), np.array([[1, 1], [1, 2]])
    x = gc.placeholder("x", logits.shape)
    losses = nn.ctc_loss(x, labels, reduction="none")
    found, slope = gc.compile([x], [losses, gc.grad(gc.sum(losses), x)])(logits)
    np.testing.assert_allclose(found, [np.inf, np.log(9)], rtol=1e-6)
    assert (slope[:, 0] == 0).all() and (slope[:, 1] != 0).all()


def test_sequences_of_other_shapes_are_refused() -> None:
    x = gc.placeholder("x", (7, 3, 4))
    with pytest.raises(gc.ShapeError, match=r"labels are \(batch, most\) = \(3, \.\.\.\)"):
        nn.ctc_loss(x, gc.zeros((2, 5), "int64"))
    with pytest.raises(gc.DTypeError, match="labels are integers"):
        nn.ctc_loss(x, gc.zeros((3, 5)))
    with pytest.raises(gc.ShapeError, match=r"floats \(time, batch, classes\)"):
        nn.ctc_loss(x[0], gc.zeros((3, 5), "int64"))
