"""Connectionist temporal classification beside PyTorch's."""

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from tests.support.peer import torch

F = torch.nn.functional
SIZES = [(7, 3, 4, 2), (12, 2, 5, 5), (5, 4, 3, 1), (9, 1, 6, 4)]


def drawn(seed, time, batch, classes, most, blank):
    """Logits, labels and lengths: every sample's labels fit into its steps."""
    rng = np.random.default_rng(seed)
    logits = rng.standard_normal((time, batch, classes)) * 2
    labels = rng.integers(0, classes - 1, (batch, most))
    labels += labels >= blank
    steps = rng.integers(min(time, 2 * most), time + 1, batch)
    return logits, labels, steps, rng.integers(0, most + 1, batch)


def theirs(logits, labels, steps, counts, blank):
    x = torch.tensor(logits, requires_grad=True)
    given = (torch.tensor(v) for v in (labels, steps, counts))
    losses = F.ctc_loss(x.log_softmax(-1), *given, blank=blank, reduction="none")
    losses.sum().backward()
    return losses.detach().numpy(), x.grad.numpy()


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("blank", [0, 2])
@pytest.mark.parametrize("sizes", SIZES)
def test_losses_and_gradients_are_theirs(sizes, blank, named):
    values = drawn((*sizes, blank), *sizes, blank)
    time, batch, classes, most = ("time", "batch", sizes[2], "most") if named else sizes
    x = gc.placeholder("x", (time, batch, classes), "float64")
    t = gc.placeholder("t", (batch, most), "int64")
    steps, counts = (gc.placeholder(n, (batch,), "int64") for n in ("steps", "counts"))
    losses = nn.ctc_loss(x, t, steps, counts, blank, reduction="none")
    run = gc.compile([x, t, steps, counts], [losses, gc.grad(gc.sum(losses), x)])
    for ours, wanted in zip(run(*values), theirs(*values, blank), strict=True):
        np.testing.assert_allclose(ours, wanted, rtol=1e-9, atol=1e-12)


def test_without_lengths_all_steps_and_labels_count():
    logits, labels, *_ = drawn(0, 11, 3, 5, 4, 0)
    x = gc.placeholder("x", logits.shape, "float64")
    found = gc.compile([x], nn.ctc_loss(x, labels))(logits)
    wanted, _ = theirs(logits, labels, np.full(3, 11), np.full(3, 4), 0)
    np.testing.assert_allclose(found, wanted.mean(), rtol=1e-9)
