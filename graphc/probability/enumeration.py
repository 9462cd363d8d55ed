"""Laws over few discrete states, by going through all of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graphc.ir.dims import Dim
from graphc.ir.errors import GraphError, ShapeError
from graphc.ir.node import Tensor
from graphc.ops.convert import cast
from graphc.ops.joining import concat
from graphc.ops.layout import broadcast, reshape, transpose
from graphc.ops.reduction import sum as total
from graphc.ops.source import iota
from graphc.ops.statistics import logsumexp, softmax

MOST_STATES = 2**20


def all_states(sizes: Sequence[int]) -> Tensor:
    """Every way to choose one of `sizes[k]` values for each variable k: int64[states, variables] in
    row-major order, the last variable changing fastest.
    """
    count = math.prod(sizes)
    if count > MOST_STATES:
        raise GraphError(f"{count} states are too many to enumerate; at most {MOST_STATES}")
    columns, step = [], count
    for size in sizes:
        step //= size
        columns.append(reshape(iota((count,)) // step % size, (count, 1)))
    return concat(columns, axis=1)


def binary_states(count: int | Dim, dtype: Any = "float32") -> Tensor:
    """All rows of `count` zeros and ones: (2**count, count), 00, 01, 10, 11 for two."""
    if not isinstance(count, int):
        raise GraphError(f"only a known number of units can be enumerated, not {count}")
    return cast(all_states([2] * count), dtype)


def log_partition(energy: Callable[[Tensor], Tensor], states: Tensor) -> Tensor:
    """log Z, Z the sum of e^-energy over the rows of `states`, for which `energy` gives one number
    each.
    """
    return logsumexp(-energy(states))


def joint_logits(sizes: Sequence[int], factors: Mapping[tuple[int, ...], Tensor]) -> Tensor:
    """The sum of log factors as a table with one axis for each variable: log p but for log Z.

    factors: for a clique of distinct variables, the logarithms of its factor, one axis for each
    variable in the clique's order.
    """
    result: Tensor | None = None
    for clique, table in factors.items():
        wanted = tuple(sizes[k] for k in clique)
        if table.shape != wanted or len(set(clique)) < len(clique):
            raise ShapeError(
                f"the factor of variables {clique} needs shape {wanted}\n  {table.describe()}"
            )
        order = sorted(range(len(clique)), key=clique.__getitem__)
        spread = broadcast(transpose(table, tuple(order)), tuple(sizes), tuple(sorted(clique)))
        result = spread if result is None else result + spread
    if result is None:
        raise GraphError("there are no factors")
    return result


def joint_law(logits: Tensor) -> Tensor:
    """e^logits / Z: a table of probabilities whose sum is 1."""
    return reshape(softmax(reshape(logits, (-1,))), logits.shape)


def marginal(law: Tensor, *variables: int) -> Tensor:
    """The law of some variables, in the order of their axes: the others are summed out."""
    others = tuple(k for k in range(law.ndim) if k not in variables)
    return total(law, axis=others) if others else law
