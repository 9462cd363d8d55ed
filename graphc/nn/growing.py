"""Networks that grow: more units in a layer, and units trained to correlate with an error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from graphc import init
from graphc.init import Seed
from graphc.ir.node import Tensor
from graphc.nn.layers import Dense
from graphc.ops.arithmetic import absolute
from graphc.ops.layout import transpose
from graphc.ops.linear.contraction import matmul
from graphc.ops.reduction import sum
from graphc.ops.source import state_of
from graphc.ops.statistics import mean

Array = np.ndarray[Any, Any]


def widened(first: Dense, second: Dense, units: int, seed: Seed = None) -> tuple[Dense, Dense]:
    """Copies of two layers in a row with more units between them, which start with no effect: their
    outgoing weights are 0.
    """
    old, after = state_of(first.weight).array, state_of(second.weight).array
    (inputs, hidden), outputs, kind = old.shape, after.shape[1], old.dtype.name
    left = Dense(
        inputs, hidden + units, first.activation, first.bias is not None,
        init.glorot_uniform, seed, kind,
    )  # fmt: skip
    right = Dense(
        hidden + units, outputs, second.activation, second.bias is not None,
        lambda shape, seed, dtype: init.zeros(shape, dtype), None, kind,
    )  # fmt: skip
    for new, was in ((left, first), (right, second)):
        for name, x in was.variables().items():
            state = state_of(new.variables()[name])
            state.array[_corner(state_of(x).array)] = state_of(x).array
    return left, right


def _corner(small: Array) -> tuple[slice, ...]:
    return tuple(slice(0, d) for d in small.shape)


def grown_slots(old: Mapping[str, Array], new: Mapping[str, Array]) -> dict[str, Array]:
    """The variables of a new optimiser with those of an old one in their first rows and columns."""
    result = {name: array.copy() for name, array in new.items()}
    for name, array in old.items():
        result[name][_corner(array)] = array
    return result


def correlation(activation: Tensor, errors: Tensor) -> Tensor:
    """The sum over outputs of the size of the covariance (times N) of a unit's activation (N,) with
    the errors (N, outputs): what a new unit of cascade correlation maximises (Fahlman and
    Lebiere, 1990).
    """
    centred = errors - mean(errors, 0, keepdims=True)
    return sum(absolute(matmul(transpose(centred), activation - mean(activation))))
