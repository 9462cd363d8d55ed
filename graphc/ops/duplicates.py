"""Independent copies of what depends on variables: `copy.deepcopy` and `pickle` of models."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.ir.errors import GraphError
from graphc.ir.node import Tensor
from graphc.ir.walk import substitute, topological
from graphc.ops.source import copied_variable, state_of, variable


def deep_copy(x: Tensor, memo: dict[int, Any]) -> Tensor:
    """A variable with an array of its own, or the same computation on such variables. What depends
    on no variable never changes, so it is its own copy.
    """
    if x.node.op.name == "variable":
        return copied_variable(x)
    nodes = topological([x])
    variables = [y for node in nodes if node.op.name == "variable" for y in node.outputs]
    return substitute([x], {y: copy.deepcopy(y, memo) for y in variables})[0]


def pickled(x: Tensor) -> tuple[Callable[..., Tensor], tuple[Any, ...]]:
    """How a variable is pickled: its array and what is known of it. Raises GraphError for what is
    computed, and for arguments.
    """
    if x.node.op.name != "variable":
        raise GraphError(
            f"a symbolic tensor cannot be pickled, unless it is a variable\n  {x.describe()}\n"
            "  hint: keep arrays instead, such as a variable's .value or a layer's .state_dict()"
        )
    state = state_of(x)
    return _restored, (state.array, x.label, state.trainable, state.advance)


def _restored(array: np.ndarray, label: str | None, trainable: bool, advance: Any) -> Tensor:
    x = variable(array, label, array.dtype, trainable)
    state_of(x).advance = advance
    return x
