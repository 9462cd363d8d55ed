"""Reverse-mode differentiation: the gradient of a graph is a graph.

Forward mode is the transpose of the transpose: the vector-Jacobian product is linear in its
cotangents, so its own vector-Jacobian product with respect to them is the Jacobian-vector product.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np

from graphc.ir.dtypes import float32, float64
from graphc.ir.errors import DTypeError, GradientError, ShapeError
from graphc.ir.node import Node, Tensor
from graphc.ir.op import Op
from graphc.ir.structure import leaves, restore
from graphc.ir.walk import substitute, topological
from graphc.ops.arithmetic import add
from graphc.ops.layout import broadcast
from graphc.ops.loops.control import Control
from graphc.ops.source import constant, placeholder
from graphc.passes.derivatives.loop_gradients import pull_control
from graphc.passes.derivatives.shifts import without_effect
from graphc.passes.derivatives.stabilise import stabilised
from graphc.passes.pattern import literal


def grad(loss: Tensor, wrt: Any = None) -> Any:
    """The gradient of a scalar with respect to a tensor or a tuple, list or dict of tensors.

    The result has the structure of `wrt`, and each gradient the type of its tensor. Any tensor of
    the graph will do, not only a leaf; every way from it to the loss counts, also through others in
    `wrt` that are computed from it, unless `stop_gradient` ends it. A tensor that the loss does not
    depend on has a gradient of zeros. Raises GradientError for a loss that is no floating scalar,
    for an integer tensor or a number in `wrt`, and for an op on the way that has no gradient.
    """
    demand_graph("grad", loss, wrt)
    if not isinstance(loss, Tensor):
        raise GradientError(f"a loss must be a scalar tensor, not {loss!r:.80}")
    if loss.shape != ():
        raise GradientError(
            f"a loss must be a scalar, not {loss.type}\n  loss: {loss.describe()}\n"
            "  hint: take its sum or mean, or use gc.vjp or gc.jacobian"
        )
    _demand_float("loss", loss)
    return restore(wrt, pullback([loss], leaves(wrt), [constant(1, loss.dtype)]))


def demand_graph(function: str, y: Any, wrt: Any) -> None:
    """Raises unless there are tensors to differentiate, and what by."""
    if callable(y) and not isinstance(y, Tensor):
        raise GradientError(
            f"{function} takes tensors of a graph, not a function\n"
            f"  hint: call it with placeholders: gc.{function}(f(x), x)"
        )
    if wrt is None:
        raise GradientError(
            f"{function} needs the tensors to differentiate by\n"
            f"  hint: gc.{function}(y, [x, w]) gives one result for each"
        )


def vjp(outputs: Any, inputs: Any, cotangents: Any) -> Any:
    """The product of `cotangents` (structured and shaped as `outputs`, tensors or arrays) and the
    Jacobian, structured as `inputs`.
    """
    ys = leaves(outputs)
    gs = _beside("cotangent", ys, cotangents)
    return restore(inputs, pullback(ys, leaves(inputs), gs))


def jvp(outputs: Any, inputs: Any, tangents: Any) -> Any:
    """The product of the Jacobian and `tangents` (structured and shaped as `inputs`, tensors or
    arrays), structured as `outputs`.
    """
    xs = leaves(inputs)
    ts = _beside("tangent", xs, tangents)
    return restore(outputs, pushforward(leaves(outputs), xs, ts))


def hvp(loss: Tensor, wrt: Any, vectors: Any) -> Any:
    """The product of the Hessian of a scalar and `vectors`, tensors or arrays, both structured and
    shaped as `wrt`.
    """
    xs = leaves(wrt)
    vs = _beside("vector", xs, vectors)
    return restore(wrt, pullback(leaves(grad(loss, xs)), xs, vs))


def pullback(ys: Sequence[Tensor], xs: Sequence[Tensor], gs: Sequence[Tensor]) -> list[Tensor]:
    """Cotangents of `xs`, given the cotangents `gs` of `ys`."""
    for x in xs:
        _demand_float("gradient", x)
        _demand_identity(x)
    since = min((x.node.serial for x in xs), default=0)
    order = topological(ys, since)
    active = _depending(order, xs)
    stable = stabilised(ys, xs, order, active)
    if stable is not ys:
        ys, order = stable, topological(stable, since)
        active = _depending(order, xs)
    idle = without_effect(ys, order, active).difference(xs)
    active = _depending(order, xs, idle) if idle else active
    total = {y: list[Tensor]() for y in ys}
    for y, g in zip(ys, gs, strict=True):
        total[y].append(g)
    for node in reversed(order):
        if any(x in active for x in node.inputs):
            _pull_through(node, active, total)
    return [_sum(total[x]) if total.get(x) else zeros_like(x) for x in xs]


def pushforward(ys: Sequence[Tensor], xs: Sequence[Tensor], ts: Sequence[Tensor]) -> list[Tensor]:
    """Tangents of `ys`, given the tangents `ts` of `xs`."""
    for y in ys:
        _demand_float("tangent", y)
    dummies = [placeholder(f"cotangent{k}", y.shape, y.dtype) for k, y in enumerate(ys)]
    tangents = pullback(pullback(ys, xs, dummies), dummies, ts)
    # A linear map has the same derivative everywhere: what is left of the dummies may be any value.
    return substitute(tangents, {d: zeros_like(d) for d in dummies})


def zeros_like(x: Tensor) -> Tensor:
    """Zeros of the type of x."""
    return broadcast(constant(0, x.dtype), x.shape, ())


def _depending(
    order: Iterable[Node], xs: Iterable[Tensor], idle: Collection[Tensor] = ()
) -> set[Tensor]:
    """The floating tensors that depend on `xs` through floating tensors that are not `idle`, `xs`
    among them.
    """
    active = set(xs)
    for node in order:
        if any(x in active for x in node.inputs):
            active.update(y for y in node.outputs if y.dtype.is_float and y not in idle)
    return active


def _pull_through(node: Node, active: set[Tensor], total: dict[Tensor, list[Tensor]]) -> None:
    """Adds what the node passes back to the cotangents of its inputs."""
    cotangents = [_sum(total[y]) if total.get(y) else None for y in node.outputs]
    if all(g is None for g in cotangents):
        return
    for y, g in zip(node.outputs, cotangents, strict=True):
        if g is not None:
            total[y] = [g]
    wanted = [x in active for x in node.inputs]
    for x, g in zip(node.inputs, _gradients(node, cotangents, wanted), strict=True):
        if g is None or x not in active:
            continue
        assert g.type == x.type, f"{node.op.name} gives a gradient {g.type} to an input {x.type}"
        total.setdefault(x, []).append(g)


def _gradients(
    node: Node, cotangents: Sequence[Tensor | None], wanted: Sequence[bool]
) -> Sequence[Tensor | None]:
    try:
        if isinstance(node.op, Control):
            return pull_control(node, cotangents, wanted, pullback)
        return _checked_there(node, cotangents, node.op.grad(node, *cotangents))
    except GradientError as error:
        if getattr(error, "located", False):
            raise
        lines = [str(error)]
        operands = zip("abcdefgh", node.inputs, strict=False)
        lines += [f"  {label}: {x.describe()}" for label, x in operands]
        lines += [f"  at {node.source}"] if node.source else []
        located = GradientError("\n".join(lines))
        located.located = True  # type: ignore[attr-defined]
        raise located from None


def _checked_there(
    node: Node, cotangents: Sequence[Tensor | None], found: Sequence[Tensor | None]
) -> Sequence[Tensor | None]:
    """What a node with checks passes back; what checks in it the same indices again speaks of the
    user's line of that node.
    """
    if type(node.op).checks is not Op.checks:
        since = 1 + max(node.serial, *(g.node.serial for g in cotangents if g is not None))
        for new in topological((g for g in found if g is not None), since):
            if type(new.op).checks is not Op.checks:
                new.source = node.source
    return found


def _sum(terms: Sequence[Tensor]) -> Tensor:
    """The terms added one after the other, first to last; those that come twice, as a square's, are
    doubled first, which rounds nothing. The range of 16-bit floats is too short for that.
    """
    wide = terms[0].dtype in (float32, float64)
    once: list[Tensor] = []
    for term in terms:
        if wide and once and once[-1] is term:
            once[-1] = add(term, term)
        else:
            once.append(term)
    result = once[0]
    for term in once[1:]:
        result = add(result, term)
    return result


def _demand_float(what: str, x: Tensor) -> None:
    if not x.dtype.is_float:
        raise GradientError(f"a {what} needs a floating dtype, not {x.dtype}\n  {x.describe()}")


def _demand_identity(x: Tensor) -> None:
    if literal(x) is not None:
        raise GradientError(
            f"a number has no gradient, since all equal numbers are one node\n  {x.describe()}\n"
            "  hint: differentiate by a placeholder or a variable"
        )


def _beside(what: str, models: Sequence[Tensor], structure: Any) -> list[Tensor]:
    """The tensors of a structure, one of the same type for each of the models."""
    given = leaves(_without_arrays(structure))
    if len(models) != len(given):
        raise GradientError(f"{len(models)} {what}s needed, one for each tensor, not {len(given)}")
    for x, v in zip(models, given, strict=True):
        if v.type != x.type:
            kind = DTypeError if v.dtype is not x.dtype else ShapeError
            raise kind(
                f"a {what} must have its tensor's type {x.type}, not {v.type}\n  {x.describe()}"
            )
    return given


def _without_arrays(structure: Any) -> Any:
    """The structure with constants for arrays."""
    if isinstance(structure, (np.ndarray, np.generic)):
        return constant(structure)
    if isinstance(structure, dict):
        structure = list(structure.values())
    if isinstance(structure, (tuple, list)):
        return [_without_arrays(item) for item in structure]
    return structure
