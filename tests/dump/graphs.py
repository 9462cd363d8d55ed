"""Graphs that dumps are tested on. Their lines show in golden texts: add below, not between."""

import numpy as np

import graphc as gc
from graphc.executable import Executable


def rows() -> Executable:
    """A row kernel with several reductions, and a variable that steps on."""
    x = gc.placeholder("x", ("n", 8))
    scale = gc.variable(np.full(8, 0.5, np.float32), "scale")
    weighted = (x * scale).named("weighted")
    probability = gc.softmax(weighted).named("probability")
    updates = {scale: scale - 0.1 * weighted.sum(axis=0)}
    return gc.compile([x], probability, updates, name="rows", isa="x86-64-v3")


def product() -> Executable:
    """A product with an epilogue, labelled with what could break a page or a picture."""
    x = gc.placeholder("x", ("batch", 16))
    weight = gc.variable(np.zeros((16, 4), np.float32), 'w <"&\\{{svg}}')
    return gc.compile([x], gc.relu(x @ weight).named("</script>"), name="product")
