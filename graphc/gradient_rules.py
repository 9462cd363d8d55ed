"""Functions whose gradient the user gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphc.ops.convert import TensorLike, as_tensor
from graphc.ops.custom import Rule, Vjp, with_gradient


def custom_gradient(f: Callable[..., Any], vjp: Vjp) -> Callable[..., Any]:
    """f with the gradient `vjp(inputs, outputs, cotangents)`: a cotangent or None for each input.

    f takes tensors and returns a tensor or a tuple of them; the three arguments of vjp are tuples
    of tensors. Tensors that f uses but does not take get no gradient.

        clipped = custom_gradient(lambda x: x, lambda xs, ys, gs: (gc.clip(gs[0], -1, 1),))
    """

    def wrapped(*operands: TensorLike) -> Any:
        inputs = tuple(as_tensor(x) for x in operands)
        result = f(*inputs)
        results = result if isinstance(result, tuple) else (result,)
        node = with_gradient(tuple(map(as_tensor, results)), inputs, Rule(vjp, _mapped))
        return node.outputs if isinstance(result, tuple) else node.outputs[0]

    return wrapped


def _mapped(vjp: Vjp) -> Vjp:
    """vjp over a leading axis of everything."""
    from graphc.passes.derivatives.batch import vmap

    mapped: Vjp = vmap(vjp)
    return mapped
