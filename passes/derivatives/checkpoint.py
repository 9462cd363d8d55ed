"""Checkpoints: parts of a graph whose inner values the gradient computes again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphc.ir.errors import GraphError
from graphc.ir.node import Tensor
from graphc.ir.structure import leaves, restore
from graphc.ir.subgraph import literal_nodes
from graphc.ir.walk import substitute, topological
from graphc.ops.barrier import barrier
from graphc.ops.custom import Rule, Vjp, with_gradient
from graphc.ops.source import placeholder
from graphc.passes.derivatives.batch import as_tensors, vmap
from graphc.passes.derivatives.differentiate import pullback


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """f with the same values and gradients, but less memory between the two.

    The gradient keeps the arguments of f (and tensors that f takes from around it) and computes
    what lies between them and the results again. Arguments and results are tensors or structures
    (tuple, list, dict) of them.

        for block in blocks:
            x = gc.checkpoint(block)(x)
    """
    if isinstance(f, Tensor) or not callable(f):
        came = f.describe() if isinstance(f, Tensor) else repr(f)[:80]
        raise GraphError(
            f"checkpoint needs a function or a layer, not {came}\n"
            "  hint: gc.checkpoint(f)(x), not gc.checkpoint(f(x))"
        )

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
    """Tensors of nodes with a serial below `since` that newer nodes read; not those of numbers
    alone, which are older where an equal one was made before.
    """
    literal = literal_nodes(inner)
    read = [x for node in topological(inner, since) for x in node.inputs]
    outer = [x for x in (*read, *inner) if x.node.serial < since]
    taken = [x for x in outer if x.node.op.name != "constant" and x.node not in literal]
    return list(dict.fromkeys(taken))


def _behind_barrier(
    inputs: Sequence[Tensor], cotangents: Sequence[Tensor]
) -> tuple[list[Tensor], list[Tensor]]:
    """The inputs and cotangents such that what is computed from them again comes late. Arguments
    and variables need no barrier where something computed has one.
    """
    kept = [x for x in inputs if x.node.op.lowering != "source"] or list(inputs)
    kept = list(dict.fromkeys((*kept, *cotangents)))
    again = dict(zip(kept, barrier(kept), strict=True))
    return [again.get(x, x) for x in inputs], [again[g] for g in cotangents]


def _recomputing(inner: Sequence[Tensor], symbols: Sequence[Tensor]) -> Vjp:
    """The vector-Jacobian product of a graph over symbols, which computes that graph again."""

    def vjp(
        inputs: tuple[Tensor, ...], outputs: tuple[Tensor, ...], cotangents: tuple[Tensor, ...]
    ) -> list[Tensor | None]:
        again, gs = _behind_barrier(inputs, cotangents)
        fresh = [placeholder(f"again{k}", x.shape, x.dtype) for k, x in enumerate(inputs)]
        ys = substitute(inner, dict(zip(symbols, fresh, strict=True)))
        floats = [(y, g) for y, g in zip(ys, gs, strict=True) if y.dtype.is_float]
        wrt = [x for x in fresh if x.dtype.is_float]
        found = pullback([y for y, _ in floats], wrt, [g for _, g in floats])
        placed = iter(substitute(found, dict(zip(fresh, again, strict=True))))
        return [next(placed) if x.dtype.is_float else None for x in inputs]

    return vjp
