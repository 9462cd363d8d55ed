"""Scatter: an array with elements set, added to or otherwise combined at positions known at run
time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from graphc.ir.dims import Dim, floordiv
from graphc.ir.dtypes import DType, bfloat16, bool_, float32, float64, int32
from graphc.ir.errors import DTypeError, ShapeError
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import KernelWriter, Op, Sample
from graphc.ir.types import TensorType
from graphc.ops.convert import TensorLike, as_operand, as_tensor
from graphc.ops.gather import (
    MODES,
    as_indices,
    check_indices,
    check_lines,
    check_mode,
    front_key,
    line_order,
    may_be_empty,
    resolve,
    resolve_arrays,
    rest_axes,
    settle,
    spread_indices,
)  # fmt: skip
from graphc.ops.layout import broadcast_to, normal_axis, transpose
from graphc.ops.located import locate_errors
from graphc.ops.sampling import moved

COMBINES = ("set", "add", "mul", "max", "min")
_UFUNCS = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}

#: Elements along the last axis that is not indexed, which one instance of the kernel works on.
CHUNK = 64


class Scatter(Op):
    """x with `updates` combined into the elements that a gather at the same indices would read.

    Updates are applied in row-major order, so that with "set" the last one stays. `mode`, `axes`
    and `batch` are those of a gather; in mode "fill" an update whose index lies outside is left
    out. `unique` promises that no element is met twice, which makes gradients cheaper.
    """

    lowering = "loops"

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        x, updates, *indices = inputs
        shape = check_indices(x, indices, attrs["axes"], attrs["batch"])
        rest = rest_axes(x.ndim, attrs["axes"], attrs["batch"])
        expected = (*shape, *(x.shape[k] for k in rest))
        if updates.shape != expected:
            raise ShapeError(
                f"updates {updates} do not have the shape {expected} of what they update"
            )
        if updates.dtype is not x.dtype:
            raise DTypeError(f"operands of one dtype needed, not {x.dtype} and {updates.dtype}")
        if x.dtype is bool_ and attrs["combine"] in ("add", "mul"):
            raise DTypeError(
                f'bools can be combined by "set", "max" and "min", not {attrs["combine"]!r}'
            )
        return (x,)

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        from graphc.ops.scatter_grads import scatter_grads

        (g,) = cotangents
        assert g is not None
        return (*scatter_grads(node, g), *(None for _ in node.inputs[2:]))

    def batch(
        self, node: Node, inputs: Sequence[Tensor], axes: Sequence[int | None], size: Dim
    ) -> Sequence[Tensor]:
        x, updates, *indices = spread_indices(inputs, axes, size)
        a = node.attrs
        shifted = tuple(k + 1 for k in a["axes"])
        return (
            scatter(
                x, updates, indices, shifted, a["batch"] + 1, a["mode"], a["combine"], a["unique"]
            ),
        )

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        x, updates, *indices = inputs
        axes, batch, combine = attrs["axes"], attrs["batch"], attrs["combine"]
        lengths = [x.shape[a] for a in axes]
        positions, inside = resolve_arrays("scatter", indices, lengths, axes, attrs["mode"])
        result = np.array(x)
        front = np.moveaxis(result, axes, range(batch, batch + len(axes)))
        key = tuple(
            np.broadcast_to(k, inside.shape)[inside] for k in front_key(positions, x.shape, batch)
        )
        with np.errstate(all="ignore"):
            for k, update in zip(zip(*key, strict=True), updates[inside], strict=True):
                front[k] = update if combine == "set" else _UFUNCS[combine](front[k], update)
        return result

    def loops(self, node: Node, kernel: KernelWriter) -> None:
        x = node.inputs[0]
        axes, batch = node.attrs["axes"], node.attrs["batch"]
        rest = rest_axes(x.ndim, axes, batch)
        apart = (*range(batch), *rest[:-1])
        extents = [x.shape[k] for k in apart]
        if rest:
            extents.append(floordiv(x.shape[rest[-1]] + (CHUNK - 1), CHUNK))
        with kernel.parallel(extents) as point:
            here = dict(zip(apart, point, strict=False))
            writer = _Writer(node, kernel, here, rest[-1] if rest else None, point)
            writer.copy()
            writer.update()

    def cost(self, node: Node) -> Dim:
        return 0 if node.attrs["combine"] == "set" else node.inputs[1].size

    def samples(self) -> Sequence[Sample]:
        rows = {"axes": (0,), "batch": 0, "mode": "error", "unique": False}
        pairs = {"axes": (0, 2), "batch": 0, "mode": "wrap", "unique": False}
        lines = {"axes": (2,), "batch": 1, "mode": "clip", "unique": False}
        holes = {"axes": (1,), "batch": 0, "mode": "fill", "unique": False}
        apart = {**rows, "unique": True}
        table = np.array([[0, -1, 3], [2, 2, -4]])
        cases: tuple[tuple[tuple[int, ...], dict[str, Any], list[Any], tuple[int, ...]], ...] = (
            ((4, 3), rows, [table], (2, 3, 3)),
            ((4, 2, 3), pairs, [table.astype(np.int32) * 3, table - 7], (2, 3, 2)),
            ((2, 3, 4), lines, [table * 2], (2, 3, 3)),
            ((2, 3), holes, [np.array([-1, 0, 3, 2, 0])], (5, 2)),
            ((5, 2), apart, [np.array([3, 0, -1])], (3, 2)),
            ((0, 3), rows, [np.zeros((0, 2), np.int64)], (0, 2, 3)),
        )
        return tuple(
            sample
            for shape, attrs, indices, updates in cases
            for combine in COMBINES
            for sample in moved(
                [shape, updates], {**attrs, "combine": combine}, _kinds(combine), indices
            )
        )


def _kinds(combine: str) -> tuple[DType, ...]:
    numbers = (float64, float32, bfloat16, int32)
    return numbers if combine in ("add", "mul") else (*numbers, bool_)


class _Writer:
    """Writes one instance: the part of the output with these indices along the axes that run in
    parallel.
    """

    def __init__(
        self, node: Node, kernel: KernelWriter, here: dict[int, Any], line: int | None, point: Any
    ):
        self.node, self.kernel, self.here, self.line = node, kernel, here, line
        self.x, self.updates, *self.indices = node.inputs
        self.axes, self.batch = node.attrs["axes"], node.attrs["batch"]
        if line is not None:
            n = kernel.dim(self.x.shape[line])
            self.begin = point[-1] * CHUNK
            self.end = kernel.ops.minimum(self.begin + CHUNK, n)

    def copy(self) -> None:
        """output = x"""
        extents = [self.x.shape[a] for a in self.axes]
        with nested(self.kernel, extents) as positions:
            at = {**self.here, **dict(zip(self.axes, positions, strict=True))}
            with self._line(at) as index:
                self.kernel.store(0, index, self.kernel.load(0, index))

    def update(self) -> None:
        """Each update in row-major order."""
        k = self.kernel
        shared = [self.here[a] for a in range(self.batch)]
        with nested(k, self.indices[0].shape[self.batch :]) as place:
            at, valid = self._positions([*shared, *place])
            guard = ExitStack() if valid is None else k.when(valid)
            with guard, self._line(at) as index:
                rest = rest_axes(self.x.ndim, self.axes, self.batch)
                new = k.load(1, [*shared, *place, *(index[a] for a in rest)])
                if self.node.attrs["combine"] != "set":
                    new = self._combined(k.reload(0, index), new)
                k.store(0, index, new)

    def _positions(self, index: list[Any]) -> tuple[dict[int, Any], Any]:
        """Where an update goes along each axis, and whether it goes anywhere (None: always)."""
        k, mode = self.kernel, self.node.attrs["mode"]
        at, valid = dict(self.here), None
        for which, (axis, t) in enumerate(zip(self.axes, self.indices, strict=True)):
            n = self.x.shape[axis]
            given = k.load(2 + which, index)
            i, position, ok = resolve(k.ops, given, t.dtype, k.dim(n), mode)
            if ok is None and may_be_empty(n) and mode != "proven":
                ok = k.dim(n) > 0
            if ok is not None:
                if mode != "fill":
                    k.check(ok, f"axis {axis} of length {n}", i)
                valid = ok if valid is None else valid & ok
            at[axis] = k.register(position).get()
        return at, valid

    @contextmanager
    def _line(self, at: dict[int, Any]) -> Iterator[list[Any]]:
        """The index of each element that the instance has at these positions."""
        if self.line is None:
            yield [at[a] for a in range(self.x.ndim)]
            return
        with self.kernel.loop(self.begin, self.end) as j:
            yield [{**at, self.line: j}[a] for a in range(self.x.ndim)]

    def _combined(self, old: Any, new: Any) -> Any:
        b, combine, dtype = self.kernel.ops, self.node.attrs["combine"], self.x.dtype
        if dtype is bool_:
            return old | new if combine == "max" else old & new
        half = dtype.is_float and dtype.bits == 16
        p, q = (b.cast(v, float32) if half else v for v in (old, new))
        if combine in ("add", "mul"):
            return b.cast(p + q if combine == "add" else p * q, dtype)
        return b.cast(b.maximum(p, q) if combine == "max" else b.minimum(p, q), dtype)


@contextmanager
def nested(kernel: KernelWriter, extents: Sequence[Dim]) -> Iterator[tuple[Any, ...]]:
    """Serial loops over all indices of these extents, the last one innermost."""
    with ExitStack() as stack:
        yield tuple(stack.enter_context(kernel.loop(kernel.dim(0), kernel.dim(d))) for d in extents)


_SCATTER = Scatter("scatter")


def scatter(
    x: Tensor,
    updates: Tensor,
    indices: Sequence[Tensor],
    axes: Sequence[int],
    batch: int = 0,
    mode: str = "error",
    combine: str = "set",
    unique: bool = False,
) -> Tensor:
    """`Scatter` of updates into x; constant indices are checked here if they can be."""
    if mode == "error":
        indices, mode = settle(indices, [x.shape[a] for a in axes], axes)
    attrs = {"axes": tuple(axes), "batch": batch, "mode": mode, "combine": combine}
    return apply(_SCATTER, x, updates, *indices, **attrs, unique=bool(unique)).outputs[0]


@locate_errors
def put_along_axis(
    x: TensorLike,
    indices: TensorLike,
    values: TensorLike,
    axis: int = -1,
    combine: str = "set",
    mode: str = "error",
) -> Tensor:
    """x with `values` set (or added, ...) at each line's indices along an axis; the reverse of
    take_along_axis.
    """
    check_mode(mode, MODES[:4])
    if combine not in COMBINES:
        raise ShapeError(f"there is no combination {combine!r}\n  hint: {', '.join(COMBINES)}")
    x, t = as_tensor(x), as_indices(indices)
    axis = normal_axis(axis, x.ndim)
    check_lines(x, t, axis)
    updates = broadcast_to(as_operand(values, x.dtype), t.shape)
    return put_lines(x, t, updates, axis, combine, mode)


def put_lines(
    x: Tensor, t: Tensor, updates: Tensor, axis: int, combine: str, mode: str, unique: bool = False
) -> Tensor:
    """`put_along_axis` of checked operands."""
    order = line_order(x.ndim, axis)
    lines, places, values = (transpose(y, order) for y in (x, t, updates))
    last = x.ndim - 1
    result = scatter(lines, values, [places], [last], last, mode, combine, unique)
    return transpose(result, tuple(order.index(k) for k in range(x.ndim)))
