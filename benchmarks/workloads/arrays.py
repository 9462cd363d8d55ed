"""Random arrays of a workload's own seed."""

import itertools

import numpy as np


class Normal:
    """Normal float32 arrays of one seed: `n(rows, columns, scale=...)`."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def __call__(self, *shape, scale=1.0):
        return self.rng.standard_normal(shape, dtype=np.float32) * np.float32(scale)

    def labels(self, *shape, classes=10):
        """Whole numbers below `classes`."""
        return self.rng.integers(0, classes, shape)

    def gain(self, *shape):
        """What normalisations multiply by: near 1."""
        return 1 + self(*shape, scale=0.1)

    def shift(self, *shape):
        """Biases and whatever else is added: near 0."""
        return self(*shape, scale=0.1)

    def weight(self, inputs, outputs):
        """A matrix that keeps the size of what it multiplies."""
        return self(inputs, outputs, scale=inputs**-0.5)

    def kernel(self, outputs, inputs, k):
        """Convolution weights that keep the size of what they multiply, before a relu."""
        return self(outputs, inputs, k, k, scale=(2 / (inputs * k * k)) ** 0.5)

    def dense(self, sizes):
        """Weights and biases of a stack of dense layers, named W1, b1, W2, ..."""
        arrays = {}
        for i, (a, b) in enumerate(itertools.pairwise(sizes), 1):
            arrays[f"W{i}"] = self(a, b, scale=(2 / a) ** 0.5)
            arrays[f"b{i}"] = self.shift(b)
        return arrays
