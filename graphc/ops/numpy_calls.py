"""NumPy's functions on tensors: its operators between an array and a tensor, and errors for the
rest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.ir.errors import GraphError
from graphc.ir.node import Tensor
from graphc.ops import arithmetic, comparison, division, logic, powers
from graphc.ops.linear.contraction import matmul

_OPERATORS: dict[np.ufunc, Callable[..., Tensor]] = {
    np.add: arithmetic.add, np.subtract: arithmetic.subtract, np.multiply: arithmetic.multiply,
    np.divide: arithmetic.divide, np.floor_divide: division.floor_divide,
    np.remainder: division.remainder, np.power: powers.power, np.matmul: matmul,
    np.bitwise_and: logic.bitwise_and, np.bitwise_or: logic.bitwise_or,
    np.bitwise_xor: logic.bitwise_xor, np.left_shift: logic.left_shift,
    np.right_shift: logic.right_shift, np.less: comparison.less,
    np.less_equal: comparison.less_equal, np.greater: comparison.greater,
    np.greater_equal: comparison.greater_equal, np.equal: comparison.equal,
    np.not_equal: comparison.not_equal,
}  # fmt: skip


class NumpyCalls:
    """What NumPy asks a tensor for when it meets one among its arguments."""

    __slots__ = ()

    def __array_ufunc__(
        self: Any, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any
    ) -> Tensor:
        """An array's operator is the tensor's; any other function raises GraphError."""
        if method == "__call__" and not options and ufunc in _OPERATORS:
            return _OPERATORS[ufunc](*inputs)
        raise _no_numpy(self, ufunc.__name__)

    def __array_function__(
        self: Any, function: Callable[..., Any], types: Any, args: Any, options: Any
    ) -> Tensor:
        where = getattr(function, "__module__", "numpy").removeprefix("numpy").removeprefix(".")
        raise _no_numpy(self, f"{where}.{function.__name__}" if where else function.__name__)


def _no_numpy(x: Tensor, name: str) -> GraphError:
    return GraphError(
        f"numpy.{name} needs arrays, and a symbolic tensor has no value while the graph is built\n"
        f"  {x.describe()}\n"
        f"  hint: functions of tensors are graphc's own, under NumPy's names: look for gc.{name}"
    )
