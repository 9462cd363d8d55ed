"""Checkpoints: parts of a graph whose inner values the gradient computes again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphc.ir.node import Tensor
from graphc.ir.structure import leaves, restore
from graphc.ir.walk import substitute, topological
from graphc.ops.barrier import barrier
from graphc.ops.custom import Rule, Vjp, with_gradient
from graphc.ops.source import placeholder
from graphc.passes.batch import as_tensors, vmap
from graphc.passes.differentiate import pullback


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """f with the same values and gradients, but less memory between the two.

    The gradient keeps the arguments of f (and tensors that f takes from around it) and computes
    what lies between them and the results again. Arguments and results are tensors or structures
    (tuple, list, dict) of them.

        for block in blocks:
            x = gc.checkpoint(block)(x)
    """

    def wrapped(*args: Any) -> Any:
        tensors = tuple(as_tensors(arg) for arg in args)
        given = leaves(tensors)
        since = placeholder("start").node.serial
        symbols = [placeholder(f"argument{k}", x.shape, x.dtype) for k, x in enumerate(given)]
        result = as_tensors(f(*restore(tensors, symbols)))
        inner = leaves(result)
        around = _taken_from_around(inner, since)
        inputs = (*given, *around)
        outputs = substitute(inner, dict(zip(symbols, given, strict=True)))
        rule = Rule(_recomputing(inner, (*symbols, *around)), vmap)
        return restore(result, with_gradient(outputs, inputs, rule).outputs)

    return wrapped


def _taken_from_around(inner: Sequence[Tensor], since: int) -> list[Tensor]:
    """Tensors of nodes with a serial below `since` that newer nodes read."""
    read = [x for node in topological(inner, since) for x in node.inputs]
    outer = [x for x in (*read, *inner) if x.node.serial < since]
    return list(dict.fromkeys(x for x in outer if x.node.op.name != "constant"))


def _recomputing(inner: Sequence[Tensor], symbols: Sequence[Tensor]) -> Vjp:
    """The vector-Jacobian product of a graph over symbols, which computes that graph again."""

    def vjp(
        inputs: tuple[Tensor, ...], outputs: tuple[Tensor, ...], cotangents: tuple[Tensor, ...]
    ) -> list[Tensor | None]:
        again = barrier((*inputs, *cotangents))
        xs, gs = again[: len(inputs)], again[len(inputs) :]
        ys = substitute(inner, dict(zip(symbols, xs, strict=True)))
        floats = [(y, g) for y, g in zip(ys, gs, strict=True) if y.dtype.is_float]
        wrt = [x for x in xs if x.dtype.is_float]
        found = iter(pullback([y for y, _ in floats], wrt, [g for _, g in floats]))
        return [next(found) if x.dtype.is_float else None for x in xs]

    return vjp
