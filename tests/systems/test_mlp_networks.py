"""Multi-layer perceptrons (catalogue 1, C)."""

import numpy as np

import graphc as gc
from graphc import nn
from tests.systems.catalogue import CS, S, both, check_gradients, row, symbols

LABELS = np.array([0, 1, 2, 1, 0])


def network():
    """The 4-6-3 network whose figures the catalogue prints: feeds, logits, mean cross-entropy."""
    feeds = symbols(X=S(0, 5, 4), W1=S(1, 4, 6), b1=S(2, 6), W2=S(3, 6, 3), b2=S(4, 3))
    X, W1, b1, W2, b2 = feeds
    logits = gc.tanh(X @ W1 + b1) @ W2 + b2
    return feeds, logits, nn.cross_entropy(logits, gc.constant(LABELS))


@row("MLP-28", "graphc/nn/layers.py")
def test_mlp_28_mlp_of_any_depth():
    """CS of logits, mean CE and its gradients as printed; gradients by differences; parameter
    counts of two networks.
    """
    feeds, logits, loss = network()
    _, *parameters = feeds
    values = both([logits, loss, *gc.grad(loss, parameters)], feeds)
    printed = [-1.744198056, 1.157523920, 0.606096367, -0.317597653, -0.033876437, -0.289783888]
    np.testing.assert_allclose(
        [CS(values[0]), float(values[1]), *map(CS, values[2:])], printed, atol=1e-9
    )
    check_gradients(loss, feeds)
