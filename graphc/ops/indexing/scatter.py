"""Scatter: an array with elements replaced or combined at positions known at run time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.dims import Dim
from graphc.ir.dtypes import DType, bfloat16, bool_, float32, float64, int32
from graphc.ir.errors import DTypeError, ShapeError
from graphc.ir.node import Node, Tensor, apply, of_axes
from graphc.ir.op import KernelWriter, Op, Sample
from graphc.ir.types import TensorType
from graphc.ops.axes import line_order
from graphc.ops.convert import TensorLike, as_operand, as_tensor
from graphc.ops.indexing.gather import check_lines, spread_indices
from graphc.ops.indexing.modes import (
    MODES,
    as_indices,
    check_indices,
    check_mode,
    check_places,
    front_key,
    resolve_arrays,
    rest_axes,
    settle,
)  # fmt: skip
from graphc.ops.indexing.scatter_kernel import write_scatter
from graphc.ops.layout import broadcast, broadcast_to, normal_axis, transpose
from graphc.ops.literal import Literal
from graphc.ops.located import locate_errors
from graphc.ops.sampling import moved
from graphc.ops.source import constant, is_scalar_constant

COMBINES = ("set", "add", "mul", "max", "min")
_UFUNCS = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}


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
        from graphc.ops.indexing.scatter_grads import scatter_grads

        (g,) = cotangents
        assert g is not None
        x, updates, *indices = node.inputs
        return (*scatter_grads(node, x, updates, indices, g), *(None for _ in indices))

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

    def checks(self, node: Node) -> Sequence[Tensor]:
        count = len(node.attrs["axes"])
        return check_places(node, node.inputs[len(node.inputs) - count :], node.types[0].shape)

    def loops(self, node: Node, kernel: KernelWriter) -> None:
        write_scatter(node, kernel)

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
                [shape, updates], {**attrs, "combine": combine}, kinds(combine), indices
            )
        )


def kinds(combine: str) -> tuple[DType, ...]:
    """The dtypes on which samples combine so."""
    numbers = (float64, float32, bfloat16, int32)
    return numbers if combine in ("add", "mul") else (*numbers, bool_)


class ScatterNew(Scatter):
    """As `Scatter`, into an array of `shape` that holds `fill` and is never made as such."""

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        return super().infer(TensorType(inputs[0].dtype, attrs["shape"]), *inputs, **attrs)

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        from graphc.ops.indexing.scatter_grads import scatter_grads

        (g,) = cotangents
        assert g is not None
        updates, *indices = node.inputs
        _, for_updates = scatter_grads(node, _filled(node), updates, indices, g)
        return (for_updates, *(None for _ in indices))

    def batch(
        self, node: Node, inputs: Sequence[Tensor], axes: Sequence[int | None], size: Dim
    ) -> Sequence[Tensor]:
        return _SCATTER.batch(node, (_filled(node), *inputs), (None, *axes), size)

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        x = np.full(attrs["shape"], attrs["fill"].array, inputs[0].dtype)
        return super().reference(x, *inputs, **attrs)

    def loops(self, node: Node, kernel: KernelWriter) -> None:
        fill = kernel.ops.const(node.attrs["fill"].array.item(), node.types[0].dtype)
        write_scatter(node, kernel, fill)

    def cost(self, node: Node) -> Dim:
        return 0 if node.attrs["combine"] == "set" else node.inputs[0].size

    def samples(self) -> Sequence[Sample]:
        return tuple(
            Sample(
                lambda rng, s=sample: s.make(rng)[1:],  # type: ignore[misc]
                {**sample.attrs, "shape": x.shape, "fill": Literal(np.asarray(2, x.dtype))},
                note=sample.note,
            )
            for sample in super().samples()
            for x in sample.make(np.random.default_rng(0))[:1]
        )


def _filled(node: Node) -> Tensor:
    """What a `ScatterNew` writes into."""
    return broadcast(constant(node.attrs["fill"].array), node.attrs["shape"], ())


_SCATTER = Scatter("scatter")
_SCATTER_NEW = ScatterNew("scatter_new")


def _filling(x: Tensor) -> Literal | None:
    """The number that fills x, if x is one number broadcast."""
    if x.node.op.name != "broadcast" or not is_scalar_constant(x.node.inputs[0]):
        return None
    return Literal(x.node.inputs[0].node.attrs["value"].array)


def scatter(
    x: Tensor,
    updates: Tensor,
    indices: Sequence[Tensor],
    axes: Sequence[int],
    batch: int = 0,
    mode: str = "error",
    combine: str = "set",
    unique: bool = False,
    given: Sequence[int] | None = None,
) -> Tensor:
    """`Scatter` of updates into x; constant indices are checked here if they can be. Errors name
    the axes `given` where these are others.
    """
    if mode == "error":
        indices, mode = settle(indices, [x.shape[a] for a in axes], given or axes)
    attrs = {"axes": tuple(axes), "batch": batch, "mode": mode, "combine": combine}
    attrs["unique"] = bool(unique)
    fill = _filling(x)
    if fill is not None:
        more = {**attrs, "shape": x.shape, "fill": fill}
        found = apply(_SCATTER_NEW, updates, *indices, **more).outputs[0]
    else:
        found = apply(_SCATTER, x, updates, *indices, **attrs).outputs[0]
    return of_axes(found, given) if given else found


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
    result = scatter(lines, values, [places], [last], last, mode, combine, unique, given=[axis])
    return transpose(result, tuple(order.index(k) for k in range(x.ndim)))
