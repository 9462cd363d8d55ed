"""The operators and methods of a tensor, attached to the class when the ops are loaded."""

from __future__ import annotations

from typing import Any

from graphc.ir.node import Tensor
from graphc.ops import cast, layout, reduction
from graphc.ops.operators import TensorOperators


class TensorMethods(TensorOperators):
    """What `Tensor` can do beside describing itself; each is the function of the same name."""

    __slots__ = ()

    def __getitem__(self: Any, key: Any) -> Tensor:
        from graphc.ops.indexing import getitem

        return getitem(self, key)

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
        from graphc.ops.indexing import At

        return At(self)

    def astype(self: Any, dtype: Any) -> Tensor:
        return cast.astype(self, dtype)

    def reshape(self: Any, *shape: Any) -> Tensor:
        return layout.reshape(self, shape[0] if len(shape) == 1 else shape)

    def transpose(self: Any, *axes: Any) -> Tensor:
        order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes or None
        return layout.transpose(self, order)

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

    def mean(self: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
        from graphc.ops.statistics import mean

        return mean(self, axis=axis, keepdims=keepdims)


_OWN = ("__module__", "__doc__", "__slots__", "__qualname__")
for _name, _method in (vars(TensorOperators) | vars(TensorMethods)).items():
    if _name not in _OWN:
        setattr(Tensor, _name, _method)
