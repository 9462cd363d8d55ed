"""The loops of what runs along an axis: each line is computed from the one before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphc.ir.dim_values import product
from graphc.ir.dims import floordiv
from graphc.ir.dtypes import DType, float32, int64
from graphc.ir.node import Node
from graphc.ir.op import KernelWriter

#: What a line has at a place: of the inputs' values and of the total before, None at the first.
Step = Callable[[Sequence[Any], Any], Any]
#: Elements of a line that one instance follows.
BLOCK = 128


def carried(dtype: DType) -> DType:
    """The type of a total: 16-bit floats are carried in float32."""
    return float32 if dtype.is_float and dtype.bits == 16 else dtype


def write_running(node: Node, kernel: KernelWriter, step: Step) -> None:
    """The loops of a node that runs along its attribute `axis`, from the end if `reverse`."""
    axis, (type_,) = node.attrs["axis"], node.types
    if axis < type_.ndim - 1 and carried(type_.dtype) is type_.dtype:
        _write_lines(node, kernel, step)
    else:
        _write_elements(node, kernel, step)


def _place(node: Node, kernel: KernelWriter, t: Any) -> Any:
    n = kernel.dim(node.types[0].shape[node.attrs["axis"]])
    return n - kernel.ops.const(1, int64) - t if node.attrs["reverse"] else t


def _write_lines(node: Node, kernel: KernelWriter, step: Step) -> None:
    """Blocks of neighbouring elements go along the axis together, and find in memory what they
    stored last; the axes after it are as one.
    """
    axis, shape, ops = node.attrs["axis"], node.types[0].shape, kernel.ops
    zero, one = ops.const(0, int64), ops.const(1, int64)
    n, rest = kernel.dim(shape[axis]), product(shape[axis + 1 :])
    others = (zero,) * (len(shape) - axis - 2)
    blocks = floordiv(rest + (BLOCK - 1), BLOCK)
    with kernel.parallel((*shape[:axis], blocks), shape[axis] * BLOCK) as (*outer, block):
        begin = block * ops.const(BLOCK, int64)
        end = ops.minimum(begin + ops.const(BLOCK, int64), kernel.dim(rest))

        def line(t: Any, before: Any) -> None:
            with kernel.loop(begin, end, vector=True) as i:

                def at(k: Any) -> tuple[Any, ...]:
                    return (*outer, _place(node, kernel, k), *others, i)

                values = [kernel.load(k, at(t)) for k in range(len(node.inputs))]
                total = None if before is None else kernel.reload(0, at(before))
                kernel.store(0, at(t), step(values, total))

        with kernel.when(n > zero):
            line(zero, None)
        with kernel.loop(one, n) as t:
            line(t, t - one)


def _write_elements(node: Node, kernel: KernelWriter, step: Step) -> None:
    """One element after the other, with the total in a register."""
    axis, (type_,), ops = node.attrs["axis"], node.types, kernel.ops
    shape, wide = type_.shape, carried(type_.dtype)
    zero, one = ops.const(0, int64), ops.const(1, int64)
    n = kernel.dim(shape[axis])
    lines = (*shape[:axis], *shape[axis + 1 :])
    with kernel.parallel(lines, shape[axis]) as others:

        def element(t: Any, total: Any) -> Any:
            at = (*others[:axis], _place(node, kernel, t), *others[axis:])
            values = [ops.cast(kernel.load(k, at), wide) for k in range(len(node.inputs))]
            value = step(values, total)
            kernel.store(0, at, ops.cast(value, type_.dtype))
            return value

        total = kernel.register(ops.const(0, wide))
        with kernel.when(n > zero):
            total.set(element(zero, None))
        with kernel.loop(one, n) as t:
            total.set(element(t, total.get()))
