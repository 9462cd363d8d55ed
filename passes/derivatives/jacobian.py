"""Whole Jacobians and Hessians: every product with a basis vector at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.ir.errors import GradientError
from graphc.ir.node import Tensor
from graphc.ir.structure import leaves, restore
from graphc.ops.layout import reshape
from graphc.ops.source import placeholder
from graphc.passes.derivatives.along_basis import along_basis
from graphc.passes.derivatives.differentiate import demand_graph, grad, pullback, pushforward


def jacobian(outputs: Any, wrt: Any = None, mode: str | None = None) -> Any:
    """Derivatives of the outputs by tensors `wrt`: axes of an output, then of a tensor.

    The result has the structure of `outputs`, with the structure of `wrt` at each place. `mode` is
    "reverse" (a product for each element of an output), "forward" (one for each element of a
    tensor) or None (forward if the tensor is known to be the smaller, else reverse). All products
    are computed together: memory grows with the number of basis vectors.
    """
    if mode not in ("reverse", "forward", None):
        raise GradientError(f'the mode is "reverse", "forward" or None, not {mode!r}')
    demand_graph("jacobian", outputs, wrt)
    xs, ys = leaves(wrt), leaves(outputs)
    rows: list[dict[Tensor, Tensor]] = [{} for _ in ys]
    for x in xs:
        ways = [mode == "forward" or (mode is None and _is_smaller(x, y)) for y in ys]
        forward = [k for k, way in enumerate(ways) if way]
        columns = _by_columns([ys[k] for k in forward], x) if forward else []
        for k, column in zip(forward, columns, strict=True):
            rows[k][x] = column
    for y, row in zip(ys, rows, strict=True):
        backward = [x for x in xs if x not in row]
        row |= zip(backward, _by_rows(y, backward) if backward else (), strict=True)
    return restore(outputs, [restore(wrt, [row[x] for x in xs]) for row in rows])


def hessian(loss: Tensor, wrt: Any = None) -> Any:
    """The second derivatives of a scalar: for tensors of types [a] and [b] an array [a, b].

    For a structure of tensors, that structure with the structure at each place. Forward over
    reverse mode.
    """
    demand_graph("hessian", loss, wrt)
    return jacobian(grad(loss, wrt), wrt, mode="forward")


def _is_smaller(x: Tensor, y: Tensor) -> bool:
    return isinstance(x.size, int) and isinstance(y.size, int) and x.size < y.size


def _by_rows(y: Tensor, xs: Sequence[Tensor]) -> list[Tensor]:
    """Reverse mode: a vector-Jacobian product for each element of y."""
    cotangent = placeholder("cotangent", y.shape, y.dtype)
    rows = along_basis(pullback([y], xs, [cotangent]), cotangent, last=False)
    return [reshape(row, (*y.shape, *x.shape)) for row, x in zip(rows, xs, strict=True)]


def _by_columns(ys: Sequence[Tensor], x: Tensor) -> list[Tensor]:
    """Forward mode: a Jacobian-vector product for each element of x."""
    tangent = placeholder("tangent", x.shape, x.dtype)
    columns = along_basis(pushforward(ys, [x], [tangent]), tangent, last=True)
    return [reshape(column, (*y.shape, *x.shape)) for column, y in zip(columns, ys, strict=True)]
