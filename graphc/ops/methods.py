"""The operators and methods of a tensor, attached to the class when the ops are loaded."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from graphc.ir.errors import GraphError
from graphc.ir.node import Tensor
from graphc.ops import axes, cast, cumulative, layout, reduction, rounding, select, statistics
from graphc.ops.duplicates import deep_copy, pickled
from graphc.ops.numpy_calls import NumpyCalls
from graphc.ops.operators import TensorOperators
from graphc.ops.source import state_of


class TensorMethods(TensorOperators, NumpyCalls):
    """What `Tensor` can do beside describing itself; each is the function of the same name."""

    __slots__ = ()

    def __deepcopy__(self: Any, memo: dict[int, Any]) -> Tensor:
        return deep_copy(self, memo)

    def __copy__(self: Any) -> Any:
        return self

    def __reduce_ex__(self: Any, _: Any) -> Any:
        return pickled(self)

    def __setitem__(self: Any, key: Any, new: Any) -> None:
        raise GraphError(
            f"a symbolic tensor never changes\n  {self.describe()}\n"
            "  hint: y = x.at[index].set(new) is x with elements replaced"
        )

    def __getitem__(self: Any, key: Any) -> Tensor:
        from graphc.ops.indexing.brackets import getitem

        return getitem(self, key)

    @property
    def value(self: Any) -> np.ndarray:
        """What a variable holds now, as a copy; assign to it to change it in place."""
        return state_of(self).array.copy()

    @value.setter
    def value(self: Any, new: Any) -> None:
        state_of(self).assign(self, new)

    @property
    def T(self: Any) -> Tensor:
        """The axes in reversed order."""
        return layout.transpose(self)

    @property
    def mT(self: Any) -> Tensor:
        """The last two axes exchanged."""
        return layout.transpose(self, (*range(self.ndim - 2), self.ndim - 1, self.ndim - 2))

    @property
    def at(self: Any) -> Any:
        """`x.at[index].set(y)` and its like: x with elements replaced or combined."""
        from graphc.ops.indexing.brackets import At

        return At(self)

    def astype(self: Any, dtype: Any) -> Tensor:
        return cast.astype(self, dtype)

    def reshape(self: Any, *shape: Any) -> Tensor:
        return layout.reshape(self, shape[0] if len(shape) == 1 else shape)

    def transpose(self: Any, *items: Any) -> Tensor:
        order = items[0] if len(items) == 1 and not isinstance(items[0], int) else items or None
        return layout.transpose(self, order)

    def swapaxes(self: Any, axis1: int, axis2: int) -> Tensor:
        return axes.swapaxes(self, axis1, axis2)

    def ravel(self: Any) -> Tensor:
        return axes.ravel(self)

    def squeeze(self: Any, axis: Any = None) -> Tensor:
        return layout.squeeze(self, axis)

    def sum(self: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
        return reduction.sum(self, axis, dtype, keepdims)

    def prod(self: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
        return reduction.prod(self, axis, dtype, keepdims)

    def max(self: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
        return reduction.max(self, axis, keepdims)

    def min(self: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
        return reduction.min(self, axis, keepdims)

    def any(self: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
        return reduction.any(self, axis, keepdims)

    def all(self: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
        return reduction.all(self, axis, keepdims)

    def argmax(self: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
        return reduction.argmax(self, axis, keepdims)

    def argmin(self: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
        return reduction.argmin(self, axis, keepdims)

    def mean(self: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
        return statistics.mean(self, axis, dtype, keepdims)

    def var(self: Any, axis: Any = None, correction: float = 0, keepdims: bool = False) -> Tensor:
        return statistics.var(self, axis, correction, keepdims)

    def std(self: Any, axis: Any = None, correction: float = 0, keepdims: bool = False) -> Tensor:
        return statistics.std(self, axis, correction, keepdims)

    def cumsum(self: Any, axis: int | None = None, dtype: Any = None) -> Tensor:
        return cumulative.cumsum(self, axis, dtype)

    def clip(self: Any, low: Any = None, high: Any = None) -> Tensor:
        return select.clip(self, low, high)

    def round(self: Any, decimals: int = 0) -> Tensor:
        return rounding.round(self, decimals)


_OWN = ("__module__", "__doc__", "__slots__", "__qualname__")
for _name, _method in (vars(TensorOperators) | vars(NumpyCalls) | vars(TensorMethods)).items():
    if _name not in _OWN:
        if inspect.isfunction(_method) and not _name.startswith("_") and not _method.__doc__:
            _method.__doc__ = f"The function `graphc.{_name}` of this tensor."
        setattr(Tensor, _name, _method)
