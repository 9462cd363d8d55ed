"""Batching: a function of single elements becomes one of whole batches, op by op."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graphc.ir.dims import Dim
from graphc.ir.errors import GraphError, ShapeError, UnsupportedError
from graphc.ir.node import Node, Tensor
from graphc.ir.plain import plain
from graphc.ir.structure import leaves, restore
from graphc.ir.walk import blame, topological
from graphc.ops.axes import moveaxis
from graphc.ops.convert import as_tensor
from graphc.ops.layout import broadcast
from graphc.ops.loops.control import Control
from graphc.ops.source import placeholder
from graphc.passes.derivatives.loop_batching import batch_control


def vmap(f: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0) -> Callable[..., Any]:
    """f mapped over an axis of its arguments, as if in a loop, without the loop.

    in_axes: the axis of each argument to map over; None for an argument that all calls share. One
    value for all, or a tuple with one for each argument (an int, None, or the argument's structure
    of them).
    out_axes: where the axis of the results goes, likewise; None for one that does not depend on
    the mapped arguments.

    Arguments are tensors, arrays, numbers, or structures (tuple, list, dict) of them; mapped axes
    must have one length, which may be symbolic. f runs once, on symbols without the axis. Random
    numbers that f draws are the same for every element, unless they come from mapped keys.

        per_example = gc.vmap(lambda x, t: gc.grad(loss(x, t), weights))(xs, ts)
    """
    if not callable(f):
        raise GraphError(f"vmap takes a function, not {f!r:.80}\n  hint: gc.vmap(f)(x)")

    def mapped(*args: Any) -> Any:
        tensors = tuple(as_tensors(arg) for arg in args)
        given = leaves(tensors)
        axes = _axes_of(in_axes, tensors)
        size = _mapped_size(given, axes)
        fresh = [_element(x, axis, k) for k, (x, axis) in enumerate(zip(given, axes, strict=True))]
        result = as_tensors(f(*restore(tensors, fresh)))
        moved = {
            symbol: moveaxis(x, axis, 0)
            for symbol, x, axis in zip(fresh, given, axes, strict=True)
            if axis is not None
        }
        pairs = zip(batch(leaves(result), moved, size), _axes_of(out_axes, result), strict=True)
        return restore(result, [_placed(y, axis, size) for y, axis in pairs])

    return mapped


def batch(
    outputs: Sequence[Tensor], elements: Mapping[Tensor, Tensor], size: Dim
) -> list[tuple[Tensor, bool]]:
    """The outputs for a batch, and whether they gained a leading axis of length `size`.

    Each key of `elements` stands for one element of its value along the first axis. Outputs that
    depend on no key are given back as they are.
    """
    new: dict[Tensor, Tensor] = dict(elements)
    oldest = min((x.node.serial for x in elements), default=0)
    for node in topological(outputs, since=oldest):
        if any(x in new for x in node.inputs):
            new.update(zip(node.outputs, batch_node(node, new, size), strict=True))
    return [(new.get(y, y), y in new) for y in outputs]


def batch_node(node: Node, new: Mapping[Tensor, Tensor], size: Dim) -> Sequence[Tensor]:
    """The node's outputs with a leading axis, given its inputs in `new` with that axis."""
    inputs = [new.get(x, x) for x in node.inputs]
    axes = [0 if x in new else None for x in node.inputs]
    try:
        if isinstance(node.op, Control):
            results: Sequence[Tensor] = batch_control(node, inputs, axes, size, batch)
        else:
            results = node.op.batch(node, inputs, axes, size)
    except NotImplementedError as error:
        where = f"\n  at {node.source}" if node.source else ""
        raise UnsupportedError(f"{node.op.name} has no batching rule{where}") from error
    for y, result in zip(node.outputs, results, strict=True):
        assert result.shape == (size, *y.shape) and result.dtype is y.dtype, (
            f"the batching rule of {node.op.name} gives {result.type} for {size} of {y.type}"
        )
        if y.label and not result.label:
            result.label = y.label
        blame(result, node)
    return results


def as_tensors(structure: Any) -> Any:
    """The structure with its arrays and numbers as tensors."""
    if isinstance(structure, dict):
        return {key: as_tensors(item) for key, item in structure.items()}
    if isinstance(structure, (tuple, list)):
        items = [as_tensors(item) for item in structure]
        if hasattr(structure, "_fields"):
            return type(structure)(*items)
        return type(structure)(items)
    return None if structure is None else as_tensor(structure)


def _axes_of(axes: Any, structure: Any) -> list[int | None]:
    """One axis for each tensor of a structure, given one for all or a structure of them."""
    axes = plain(axes)
    if axes is None or isinstance(axes, int):
        return [axes] * len(leaves(structure))
    if isinstance(structure, dict) and isinstance(axes, dict):
        return [k for key, item in structure.items() for k in _axes_of(axes[key], item)]
    if isinstance(structure, (tuple, list)) and isinstance(axes, (tuple, list)):
        if len(structure) == len(axes):
            pairs = zip(axes, structure, strict=True)
            return [k for part, item in pairs for k in _axes_of(part, item)]
        raise GraphError(f"{len(structure)} axes needed, one for each of them, not {axes}")
    raise GraphError(f"axes {axes!r} do not fit the structure of what they are for")


def _mapped_size(given: Sequence[Tensor], axes: Sequence[int | None]) -> Dim:
    """The length of the mapped axes."""
    size: Dim | None = None
    first: Tensor | None = None
    for x, axis in zip(given, axes, strict=True):
        if axis is None:
            continue
        if not -x.ndim <= axis < x.ndim:
            raise ShapeError(f"vmap: there is no axis {axis} to map over\n  {x.describe()}")
        if first is None:
            first, size = x, x.shape[axis]
        elif x.shape[axis] != size:
            raise ShapeError(
                f"vmap: mapped axes of lengths {size} and {x.shape[axis]}\n"
                f"  a: {first.describe()}\n  b: {x.describe()}"
            )
    if size is None:
        raise GraphError("vmap: no argument has an axis to map over")
    return size


def _element(x: Tensor, axis: int | None, k: int) -> Tensor:
    """A symbol for one element along the axis; x itself where there is none."""
    if axis is None:
        return x
    shape = [d for j, d in enumerate(x.shape) if j != axis % x.ndim]
    name = x.name if x.name and x.name.isidentifier() else f"element{k}"
    return placeholder(name, shape, x.dtype)


def _placed(result: tuple[Tensor, bool], axis: int | None, size: Dim) -> Tensor:
    """A result with its mapped axis at `axis`."""
    y, mapped = result
    if axis is None:
        if mapped:
            raise GraphError(f"vmap: a result with out_axes=None is mapped\n  {y.describe()}")
        return y
    full = y if mapped else broadcast(y, (size, *y.shape), tuple(range(1, y.ndim + 1)))
    return moveaxis(full, 0, axis)
