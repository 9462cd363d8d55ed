"""Vectors behind conditions: what no lane reads has its address in the buffer all the same, and a
choice between two places of a buffer that holds for all lanes is made of the places.

A masked load of an address that is not there has no effect but costs hundreds of cycles.
"""

from __future__ import annotations

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.ir.dtypes import DType, int32, int64


def first_lanes(count: Expr, lanes: int) -> Expr:
    """The mask of the first `count` lanes, or of all: compared are numbers half as wide as indices,
    which takes one instruction.
    """
    bound = e.cast(e.minimum(count, lanes), int32)
    return e.ramp(e.const(0, int32), lanes) < e.broadcast(bound, lanes)


def load_in_place(buffer: str, index: Expr, dtype: DType, mask: Expr | None) -> Expr:
    """The load of a vector of indices, from the buffer's beginning where it reads no lane."""
    if mask is not None and index.op == "ramp":
        index = e.ramp(kept_inside(index.args[0], mask), index.lanes)
    return e.load(buffer, index, dtype, mask)


def kept_inside(first: Expr, mask: Expr) -> Expr:
    """The first place that a vector reads, or 0 where it is known to read no lane."""
    read = _some_lane(mask)
    return first if read is None else e.select(read, first, e.const(0, int64))


def one_of_two(x: Expr) -> Expr:
    """A choice between elements of a buffer as the element at a choice of indices: each must be
    read where it is chosen, and under equal conditions besides. Other choices as they are.
    """
    condition, yes, no = x.args
    if yes.op != "load" or no.op != "load" or yes.attr != no.attr:
        return x
    own, other = _conditions(yes), _conditions(no)
    denied = ~condition
    if condition not in own or denied not in other:
        return x
    rest = [c for c in own if c is not condition]
    if set(rest) != {c for c in other if c is not denied}:
        return x
    mask = None
    for c in rest:
        mask = c if mask is None else mask & c
    index = e.select(condition, yes.args[0], no.args[0])
    return e.load(yes.attr, index, x.dtype, mask)


def _conditions(load: Expr) -> list[Expr]:
    """What must all hold for an element to be read."""
    return [c for mask in load.args[1:] for c in _conjuncts(mask)]


def _conjuncts(mask: Expr) -> list[Expr]:
    if mask.op != "and":
        return [mask]
    return [c for part in mask.args for c in _conjuncts(part)]


def _some_lane(mask: Expr) -> Expr | None:
    """A scalar that holds wherever a lane of the mask does, and mostly nowhere else; None where
    nothing is known.
    """
    known = [c for part in _conjuncts(mask) if (c := _holds(part, True)) is not None]
    if not known:
        return None
    result = known[0]
    for c in known[1:]:
        result = result & c
    return result


def _holds(mask: Expr, wanted: bool) -> Expr | None:
    """Whether some lane of a condition, or of its opposite, holds."""
    if mask.op == "broadcast":
        return mask.args[0] if wanted else ~mask.args[0]
    if mask.op == "not":
        return _holds(mask.args[0], not wanted)
    lower = mask.op in ("lt", "le")
    if not (lower or mask.op in ("gt", "ge")):
        return None
    if mask.args[0].op != "ramp" or mask.args[1].op != "broadcast":
        return None
    first, bound = mask.args[0].args[0], mask.args[1].args[0]
    best = first if lower == wanted else first + (mask.lanes - 1)
    holds = e.compare(mask.op, best, bound)
    return holds if wanted else ~holds
