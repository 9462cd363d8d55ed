"""Rules of products summed over axes: operands are taken as they lie, and as small as they are."""

from __future__ import annotations

from graphc.ir.dim_values import is_unit
from graphc.ir.dims import Dim
from graphc.ir.dtypes import float64
from graphc.ir.node import Node, Tensor
from graphc.ops.layout import broadcast, reshape, transpose
from graphc.ops.linear.contraction import Axes, AxisPair, dot_general, free_axes, matmul
from graphc.ops.reduction import sum
from graphc.ops.source import constant, placeholder
from graphc.passes.rule import procedure
from graphc.passes.rules.facts import made_by, moves_units, number_of

NO_BATCH = ((), ())


def _sides(node: Node) -> list[tuple[Tensor, Axes, Axes]]:
    """Each operand with its batch and contracted axes."""
    batch, contract = node.attrs["batch"], node.attrs["contract"]
    return [(x, batch[k], contract[k]) for k, x in enumerate(node.inputs)]


def _product(sides: list[tuple[Tensor, Axes, Axes]]) -> Tensor:
    (a, batch_a, contract_a), (b, batch_b, contract_b) = sides
    return dot_general(a, b, (batch_a, batch_b), (contract_a, contract_b))


def _matrix(name: str, shape: tuple[int, ...]) -> Tensor:
    return placeholder(name, shape, float64)


@procedure(
    "dot_general",
    exact=False,
    examples=[
        lambda: matmul(transpose(_matrix("a", (4, 3))), _matrix("b", (4, 5))),
        lambda: matmul(_matrix("a", (2, 3, 4)), transpose(_matrix("b", (5, 2, 4)), (1, 2, 0))),
    ],
)
def product_of_transposed(node: Node) -> Tensor | None:
    """A product takes axes in any order, as long as those that are left keep theirs."""
    sides = _sides(node)
    for k, (x, batch, contract) in enumerate(sides):
        if not made_by(x, "transpose"):
            continue
        order = x.node.attrs["axes"]
        left = [order[a] for a in free_axes(x.ndim, batch, contract)]
        if left == sorted(left):
            moved = tuple(order[a] for a in batch), tuple(order[a] for a in contract)
            sides[k] = (x.node.inputs[0], *moved)
            return _product(sides)
    return None


@procedure(
    "transpose",
    exact=False,
    examples=[
        lambda: transpose(matmul(_matrix("a", (3, 4)), _matrix("b", (4, 5)))),
        lambda: transpose(matmul(_matrix("a", (2, 3, 4)), _matrix("b", (2, 4, 5))), (0, 2, 1)),
    ],
)
def transposed_product(node: Node) -> Tensor | None:
    """The operands change places."""
    (y,) = node.inputs
    if not made_by(y, "dot_general"):
        return None
    sides = _sides(y.node)
    count = len(sides[0][1])
    middle = count + len(free_axes(sides[0][0].ndim, *sides[0][1:]))
    swapped = (*range(count), *range(middle, y.ndim), *range(count, middle))
    return _product(sides[::-1]) if node.attrs["axes"] == swapped else None


@procedure(
    "dot_general",
    exact=False,
    examples=[
        lambda: matmul(_matrix("a", (3, 4)), reshape(_matrix("b", (4,)), (4, 1))),
        lambda: matmul(reshape(_matrix("a", (3, 4)), (3, 1, 4)), _matrix("b", (4, 5))),
    ],
)
def product_of_added_axes(node: Node) -> Tensor | None:
    """Axes of length 1 are added to the result: a vector stays one."""
    sides = _sides(node)
    for k, (x, batch, contract) in enumerate(sides):
        units = [a for a in free_axes(x.ndim, batch, contract) if is_unit(x.shape[a])]
        if moves_units(x) and units:
            sides[k] = _without(x, batch, contract, units)
            return reshape(_product(sides), node.types[0].shape)
    return None


def _without(x: Tensor, batch: Axes, contract: Axes, units: list[int]) -> tuple[Tensor, Axes, Axes]:
    """An operand without some axes of length 1."""
    kept = [a for a in range(x.ndim) if a not in units]
    small = reshape(x, tuple(x.shape[a] for a in kept))
    return small, tuple(map(kept.index, batch)), tuple(map(kept.index, contract))


@procedure(
    "dot_general",
    exact=False,
    examples=[
        lambda: matmul(_matrix("a", (3, 1)), _matrix("b", (1, 5))),
        lambda: dot_general(
            _matrix("a", (3, 1, 4)), _matrix("b", (4, 5, 1)), NO_BATCH, ((1, 2), (2, 0))
        ),
    ],
)
def product_over_axis_of_one(node: Node) -> Tensor | None:
    """Nothing is summed: it is a multiplication."""
    (a, batch_a, contract_a), (b, batch_b, contract_b) = _sides(node)
    units = [k for k, axis in enumerate(contract_a) if is_unit(a.shape[axis])]
    if not units:
        return None
    kept = [k for k in range(len(contract_a)) if k not in units]
    first, second = (tuple(axes[k] for k in kept) for axes in (contract_a, contract_b))
    return _product(
        [
            _without(a, batch_a, first, [contract_a[k] for k in units]),
            _without(b, batch_b, second, [contract_b[k] for k in units]),
        ]
    )


@procedure(
    "dot_general",
    exact=False,
    examples=[
        lambda: matmul(broadcast(_matrix("a", (4,)), (3, 4), (1,)), _matrix("b", (4, 5))),
        lambda: matmul(_matrix("a", (2, 3, 4)), broadcast(_matrix("b", (2, 4)), (2, 4, 5), (0, 1))),
    ],
)
def product_of_repeated(node: Node) -> Tensor | None:
    """Equal rows or columns are multiplied once."""
    sides = _sides(node)
    for k, (x, batch, contract) in enumerate(sides):
        if not made_by(x, "broadcast"):
            continue
        free = free_axes(x.ndim, batch, contract)
        again = [a for a in free if a not in x.node.attrs["axes"]]
        if again and number_of(x) is None:
            kept = [a for a in range(x.ndim) if a not in again]
            axes = tuple(map(kept.index, x.node.attrs["axes"]))
            small = broadcast(x.node.inputs[0], tuple(x.shape[a] for a in kept), axes)
            sides[k] = small, tuple(map(kept.index, batch)), tuple(map(kept.index, contract))
            return _respread(node, _product(sides), k, [free.index(a) for a in again])
    return None


def _respread(node: Node, small: Tensor, side: int, again: list[int]) -> Tensor:
    """A product repeated along free axes (by their number) of one side."""
    (a, batch, contract), _ = _sides(node)
    start = len(batch) + (len(free_axes(a.ndim, batch, contract)) if side else 0)
    missing = [start + k for k in again]
    shape = node.types[0].shape
    return broadcast(small, shape, tuple(k for k in range(len(shape)) if k not in missing))


@procedure(
    "dot_general",
    exact=False,
    examples=[
        lambda: matmul(broadcast(constant(1, float64), (3, 4), ()), _matrix("b", (4, 5))),
        lambda: matmul(_matrix("b", (2, 5, 4)), broadcast(constant(1, float64), (4,), ())),
    ],
)
def product_with_ones(node: Node) -> Tensor | None:
    """A product with ones is a sum."""
    sides = _sides(node)
    for k, (x, batch, _) in enumerate(sides):
        if number_of(x) == 1 and not batch:
            y, _, contract = sides[1 - k]
            total = sum(y, tuple(contract), y.dtype)
            left = len(sides[0][0].shape) - len(contract) if not k else 0
            shape = node.types[0].shape
            return broadcast(total, shape, tuple(range(left, left + total.ndim)))
    return None


def _cost(node: Node) -> Dim:
    return node.op.cost(node)


@procedure(
    "dot_general",
    exact=False,
    domain=(0.2, 3),
    examples=[
        lambda: matmul(matmul(_matrix("a", (6, 7)), _matrix("b", (7, 8))), _matrix("v", (8,))),
        lambda: matmul(_matrix("v", (6,)), matmul(_matrix("a", (6, 7)), _matrix("b", (7, 8)))),
    ],
)
def product_in_cheaper_order(node: Node) -> Tensor | None:
    """A matrix product with a vector is better done as two products with vectors.

    Also where the matrix product is needed elsewhere: then this must cost next to nothing.
    """
    a, b = node.inputs
    if node.attrs["batch"] != NO_BATCH:
        return None
    for inner, other, side in ((a, b, 0), (b, a, 1)):
        if made_by(inner, "dot_general") and inner.node.attrs["batch"] == NO_BATCH:
            found = _reordered(node, inner.node, other, side)
            if found is not None:
                return found
    return None


def _reordered(node: Node, inner: Node, other: Tensor, side: int) -> Tensor | None:
    """other * (p * q), or (p * q) * other, with the product next to `other` done first."""
    p, q = inner.inputs
    contract: AxisPair = inner.attrs["contract"]
    outer = node.attrs["contract"][side], node.attrs["contract"][1 - side]
    near, far = (q, p) if side == 0 else (p, q)
    near_axes, far_axes = contract[::-1] if side == 0 else contract
    free = free_axes(near.ndim, near_axes)
    start = p.ndim - len(contract[0]) if side == 0 else 0
    if sorted(outer[0]) != [start + k for k in range(len(free))]:
        return None
    touching = tuple(free[k - start] for k in outer[0])
    if side == 0:
        first = dot_general(near, other, NO_BATCH, (touching, outer[1]))
        places = tuple(sorted(near_axes).index(k) for k in near_axes)
        result = dot_general(far, first, NO_BATCH, (far_axes, places))
    else:
        first = dot_general(other, near, NO_BATCH, (outer[1], touching))
        start = first.ndim - len(near_axes)
        places = tuple(start + sorted(near_axes).index(k) for k in near_axes)
        result = dot_general(first, far, NO_BATCH, (places, far_axes))
    return result if _pays(node, inner, first, result) else None


def _pays(node: Node, inner: Node, first: Tensor, result: Tensor) -> bool:
    """Whether two new products cost less than the old ones, and little more where the inner one is
    needed anyway.
    """
    new = [first.node, result.node]
    if any(n.op is not node.op for n in new):
        return False
    costs = [_cost(n) for n in (node, inner, *new)]
    old_outer, old_inner, *rest = (c if isinstance(c, int) else -1 for c in costs)
    if min(old_outer, old_inner, *rest) < 0:
        return False
    both = rest[0] + rest[1]
    return both < 0.5 * (old_outer + old_inner) and both <= old_outer + 0.25 * old_inner
