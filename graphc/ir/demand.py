"""What sizes must fulfil: that no length is negative or divided by less than one, and that there
are elements where an op needs some.
"""

from __future__ import annotations

from graphc.ir.dims import Dim
from graphc.ir.node import Tensor
from graphc.ir.record import dataclass

#: How what is said of a length begins.
LENGTH = "the length"
#: How what is said of too few elements begins.
NOTHING = "there are no elements"
#: How what is said of a divisor begins.
DIVIDED = "a length is divided by"


@dataclass(frozen=True, eq=False)
class Demand:
    """`number` must be at least 0 for `tensor` to be; where it is not, `what` says why, beginning
    with LENGTH, NOTHING or DIVIDED.
    """

    number: Dim
    tensor: Tensor
    what: str


def of_length(d: Dim, tensor: Tensor) -> Demand:
    """That a length of a tensor is at least 0."""
    return Demand(d, tensor, f"{LENGTH} {d}")


def of_elements(count: Dim, tensor: Tensor, where: str) -> Demand:
    """That a tensor is made of one element at least; `where` is such as "along axis 1 of x"."""
    return Demand(count - 1, tensor, f"{NOTHING} {where}")


def of_divisor(d: Dim, tensor: Tensor) -> Demand:
    """That what a length of a tensor is divided by is at least 1."""
    return Demand(d - 1, tensor, f"{DIVIDED} {d}")


def said(what: str, number: int | str) -> str:
    """What is said of a demand that is not fulfilled."""
    return f"{what} would be {number}" if what.startswith(LENGTH) else what


def is_demand(what: str) -> bool:
    """Whether a check is of what sizes must fulfil."""
    return what.startswith((LENGTH, NOTHING, DIVIDED))
