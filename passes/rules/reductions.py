"""Rules of sums and other reductions: less is reduced, in one go, without moving anything first."""

from __future__ import annotations

import builtins

import numpy as np

from graphc.ir.dim_values import is_unit, product
from graphc.ir.dims import Dim, size
from graphc.ir.dtypes import NUMBERS, DType, float64
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.types import is_static
from graphc.ops.axis_groups import factor_groups
from graphc.ops.extent import extent
from graphc.ops.layout import broadcast, reshape, transpose
from graphc.ops.reduction import all, any, largest, max, min, prod, sum
from graphc.ops.source import placeholder
from graphc.passes.rule import Sides, procedure, rule
from graphc.passes.rules.facts import made_by, number_of

#: Their result depends on the order only by rounding; nor do they keep the sign of a zero.
SUMS = ("sum", "prod")
#: The result is one of the elements (or a truth), in whatever order they are looked at.
CHOICES = ("max", "min", "any", "all")
ROWS = size("rows")


def _reduced(node: Node, x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """x reduced along axes as a node does it."""
    return apply(node.op, x, **{**node.attrs, "axes": axes}).outputs[0] if axes else x


def _cube() -> Tensor:
    return placeholder("x", (2, 3, 4), float64)


@procedure(
    "max",
    examples=[lambda: max(placeholder("x", ("rows", 3)), (0, 1))],
)
def largest_of_some(node: Node) -> Tensor | None:
    """Sizes for which a maximum has no value are refused before any rule is asked, so that all
    maxima along axes that may have no elements have one then, and become the same.
    """
    same = largest(node.inputs[0], node.attrs["axes"])
    return None if same.node.attrs == node.attrs else same


@procedure(
    *SUMS,
    exact=False,
    examples=[lambda: sum(sum(_cube(), 1), 0), lambda: prod(prod(_cube(), 2), 1)],
)
def sum_of_sums(node: Node) -> Tensor | None:
    """One pass instead of two, and one rounding less."""
    return _of_reduction(node)


@procedure(
    *CHOICES, examples=[lambda: max(max(_cube(), 1), 1), lambda: any(any(_cube() < 0, 0), 1)]
)
def choice_of_choices(node: Node) -> Tensor | None:
    """One pass instead of two."""
    return _of_reduction(node)


def _of_reduction(node: Node) -> Tensor | None:
    (y,) = node.inputs
    if y.node.op is not node.op:
        return None
    (x,), inner = y.node.inputs, y.node.attrs["axes"]
    kept = [k for k in range(x.ndim) if k not in inner]
    axes = tuple(sorted((*inner, *(kept[k] for k in node.attrs["axes"]))))
    return apply(node.op, x, **{**y.node.attrs, **node.attrs, "axes": axes}).outputs[0]


@procedure(*SUMS, exact=False, examples=[lambda: sum(placeholder("x", (2, 1, 3)), (1, 2))])
def sum_along_axes_of_one(node: Node) -> Tensor | None:
    """The sum of one element is that element."""
    return _along_units(node)


@procedure(
    *CHOICES,
    examples=[
        lambda: max(placeholder("x", (2, 1, 3)), (1, 2)),
        lambda: min(placeholder("x", ("rows", 1)), 1),
    ],
)
def choice_along_axes_of_one(node: Node) -> Tensor | None:
    """The largest of one element is that element."""
    return _along_units(node)


def _along_units(node: Node) -> Tensor | None:
    (x,), axes = node.inputs, node.attrs["axes"]
    units = [a for a in axes if is_unit(x.shape[a])]
    if not units:
        return None
    kept = [k for k in range(x.ndim) if k not in units]
    flat = reshape(x, tuple(x.shape[k] for k in kept))
    return _reduced(node, flat, tuple(kept.index(a) for a in axes if a not in units))


@procedure(
    *SUMS,
    exact=False,
    examples=[lambda: sum(transpose(_cube(), (1, 2, 0)), 0), lambda: sum(transpose(_cube()), 2)],
)
def sum_of_transposed(node: Node) -> Tensor | None:
    """Axes are added up where they are; what is left is turned, if it must be."""
    return _of_transposed(node)


@procedure(*CHOICES, examples=[lambda: max(transpose(_cube(), (2, 1, 0)), 0)])
def choice_of_transposed(node: Node) -> Tensor | None:
    """Axes are reduced where they are; what is left is turned, if it must be."""
    return _of_transposed(node)


def _of_transposed(node: Node) -> Tensor | None:
    (y,) = node.inputs
    if not made_by(y, "transpose"):
        return None
    (x,), order = y.node.inputs, y.node.attrs["axes"]
    axes = tuple(sorted(order[a] for a in node.attrs["axes"]))
    left = [order[k] for k in range(y.ndim) if k not in node.attrs["axes"]]
    return transpose(_reduced(node, x, axes), [sorted(left).index(k) for k in left])


@procedure(
    *SUMS,
    exact=False,
    examples=[lambda: sum(reshape(_cube(), (24,))), lambda: sum(reshape(_cube(), (6, 4, 1)), 0)],
)
def sum_of_reshaped(node: Node) -> Tensor | None:
    """Elements are added up where they are."""
    return _of_reshaped(node)


@procedure(
    *CHOICES,
    examples=[lambda: max(reshape(_cube(), (24,))), lambda: min(reshape(_cube(), (6, 4, 1)), 0)],
)
def choice_of_reshaped(node: Node) -> Tensor | None:
    """Elements are looked at where they are."""
    return _of_reshaped(node)


def _of_reshaped(node: Node) -> Tensor | None:
    (y,), reduced = node.inputs, node.attrs["axes"]
    if not made_by(y, "reshape"):
        return None
    (x,) = y.node.inputs
    axes: list[int] = []
    for ours, theirs in factor_groups(x.shape, y.shape):
        big = [k for k in theirs if not is_unit(y.shape[k])]
        if not big or builtins.all(k not in reduced for k in big):
            continue
        if builtins.any(k not in reduced for k in big):
            return None
        axes += [k for k in ours if not is_unit(x.shape[k])]
    return reshape(_reduced(node, x, tuple(axes)), node.types[0].shape)


def _count(node: Node) -> tuple[Tensor, tuple[int, ...], Dim] | None:
    """(x, its reduced axes, how often each element comes) for a reduction of a broadcast."""
    (y,), reduced = node.inputs, node.attrs["axes"]
    if not made_by(y, "broadcast"):
        return None
    (x,), kept = y.node.inputs, y.node.attrs["axes"]
    count = product(y.shape[a] for a in reduced if a not in kept)
    if is_unit(count):
        return None
    return x, tuple(k for k, a in enumerate(kept) if a in reduced), count


def _respread(node: Node, result: Tensor) -> Tensor:
    """What is left of a reduced broadcast, repeated along the other axes."""
    kept, reduced = node.inputs[0].node.attrs["axes"], node.attrs["axes"]
    left = [k for k in range(node.inputs[0].ndim) if k not in reduced]
    axes = tuple(left.index(a) for a in kept if a not in reduced)
    return broadcast(result, node.types[0].shape, axes)


@procedure(
    "sum",
    exact=False,
    examples=[
        lambda: sum(broadcast(_cube(), (5, 2, 3, 4), (1, 2, 3)), (0, 2)),
        lambda: sum(broadcast(placeholder("x", ("rows",), "int64"), (ROWS, ROWS), (0,)), 1),
    ],
)
def sum_of_repeated(node: Node) -> Tensor | None:
    """A sum of n equal terms is n times one, rounded once.

    Of no terms it is 0, whatever they are: a count that may be 0 must not meet an infinity.
    """
    found = _count(node)
    if found is None:
        return None
    x, axes, count = found
    if isinstance(count, int):
        safe = count > 0 and _holds(count, x.dtype)
    else:
        value = number_of(x)
        safe = x.dtype.bits >= 32 and (
            x.dtype.is_integer or (value is not None and np.isfinite(value))
        )
    if not safe or (axes and x.dtype.bits < 32):
        return None
    return _respread(node, _reduced(node, x, axes) * extent(count, x.dtype))


def _holds(count: int, dtype: DType) -> bool:
    """Whether a dtype has this number."""
    if dtype.is_integer:
        return count <= int(np.iinfo(dtype.numpy).max)
    return float(np.float64(count).astype(dtype.numpy)) == count


@procedure(
    *CHOICES,
    examples=[
        lambda: max(broadcast(_cube(), (5, 2, 3, 4), (1, 2, 3)), (0, 2)),
        lambda: all(
            broadcast(placeholder("x", ("rows",), "bool"), (ROWS, 4), (0,)),
            1,
        ),
    ],
)
def choice_of_repeated(node: Node) -> Tensor | None:
    """The largest of equal elements is any of them, if there is one at all."""
    found = _count(node)
    if found is None or not is_static((found[2],)) or found[2] == 0:
        return None
    return _respread(node, _reduced(node, found[0], found[1]))


@rule("sum", dtypes=NUMBERS, exact=False, examples=[{"axes": (1,), "x": (3, 5)}])
def sum_of_negatives(x: Tensor, axes: tuple[int, ...]) -> Sides:
    """One sign is changed instead of many."""
    return sum(-x, axes, x.dtype), -sum(x, axes, x.dtype)
