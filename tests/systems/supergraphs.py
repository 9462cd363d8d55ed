"""A small supergraph whose weights are fixtures, and agreement with the reference."""

from __future__ import annotations

import numpy as np

import graphc as gc
from graphc import nn
from tests.systems.catalogue import S

WIDE = {"dtype": "float64"}
X = S(0, 4, 3)
OPERATIONS = {
    "identity": lambda stride: lambda x: x,
    "zero": lambda stride: lambda x: 0 * x,
    "dense": lambda stride: nn.Dense(3, 3, gc.tanh, bias=False, seed=stride, **WIDE),
}


def supergraph(nodes=2, **options):
    """Its edges' weights are fixtures."""
    net = nn.Supergraph(1, nodes, OPERATIONS, **WIDE, **options)
    for k, edge in enumerate(net.edges):
        edge["dense"].weight.value = S(k, 3, 3)
    return net


def agree(found, inputs, outputs, *values):
    """The reference gives the same, to 1e-11."""
    meant = gc.compile(inputs, outputs, target="reference")(*values)
    for a, b in zip(found, meant, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-11)
