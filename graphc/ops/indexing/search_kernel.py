"""The kernel of a binary search: of many values at once, a vector of them, or of one by one."""

from __future__ import annotations

from typing import Any

from graphc.ir.dim_values import product
from graphc.ir.dims import floordiv, minimum
from graphc.ir.dtypes import int64
from graphc.ir.node import Node
from graphc.ir.op import KernelWriter
from graphc.ops.sorting.keys import comes_before

#: Values that are searched at once: so many reads do not wait for each other.
AT_ONCE = 64


def write_search(node: Node, kernel: KernelWriter) -> None:
    """Writes the search of all values."""
    values, batch = node.inputs[1], node.attrs["batch"]
    if kernel.lanes > 1 and values.ndim > batch == 0:
        _write_vectors(node, kernel)
        return
    with kernel.parallel(values.shape) as point:
        _write_one(node, kernel, point)


def _goes_after(node: Node, kernel: KernelWriter, found: Any, value: Any) -> Any:
    """Whether a value goes somewhere after an element."""
    dtype = node.inputs[0].dtype
    if node.attrs["side"] == "left":
        return comes_before(kernel.ops, dtype, False, found, value)
    return ~comes_before(kernel.ops, dtype, False, value, found)


def _write_vectors(node: Node, k: KernelWriter) -> None:
    """In steps that are halved each time, a value goes on over elements that it comes after."""
    a, values = node.inputs
    ops, zero, count = k.ops, k.dim(0), product(values.shape)
    n, width = k.dim(a.shape[0]), minimum(count, AT_ONCE)
    places = k.scratch(int64, AT_ONCE)
    groups = floordiv(count + AT_ONCE - 1, AT_ONCE)
    with k.parallel((groups,), width * 16) as (group,):
        first = k.register(group * AT_ONCE).get()
        here = k.register(ops.minimum(k.dim(count) - first, k.dim(AT_ONCE))).get()

        def at(i: Any) -> tuple[Any, ...]:
            return (*(0 for _ in values.shape[1:]), first + i)

        with k.loop(zero, here, vector=True) as i:
            k.store(places, (i,), zero)
        step = k.register(k.dim(1))
        with k.repeat(lambda: step.get() * 2 <= n):
            step.set(step.get() * 2)
        with k.repeat(lambda: (step.get() > 0) & (n > 0)):
            apart = step.get()
            with k.loop(zero, here, vector=True) as i:
                place = k.reload(places, (i,))
                further = place + apart
                found = k.load(0, (ops.minimum(further, n) - 1,))
                on = (further <= n) & _goes_after(node, k, found, k.load(1, at(i)))
                k.store(places, (i,), ops.select(on, further, place))
            step.set(apart >> 1)
        with k.loop(zero, here, vector=True) as i:
            k.store(0, at(i), k.reload(places, (i,)))


def _write_one(node: Node, kernel: KernelWriter, point: tuple[Any, ...]) -> None:
    """By halving what may be the place."""
    ops, batch = kernel.ops, node.attrs["batch"]
    value = kernel.register(kernel.load(1, point))
    low = kernel.register(kernel.dim(0))
    high = kernel.register(kernel.dim(node.inputs[0].shape[-1]))
    with kernel.repeat(lambda: low.get() < high.get()):
        middle = kernel.register((low.get() + high.get()) >> 1)
        found = kernel.load(0, (*point[:batch], middle.get()))
        right = kernel.register(_goes_after(node, kernel, found, value.get()))
        low.set(ops.select(right.get(), middle.get() + 1, low.get()))
        high.set(ops.select(right.get(), high.get(), middle.get()))
    kernel.store(0, point, low.get())
