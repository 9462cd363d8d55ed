"""Loops and branches for users: functions traced once into bodies."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

from graphc.ir.dims import Dim, floordiv
from graphc.ir.dtypes import bool_, int64
from graphc.ir.errors import DTypeError, GraphError, ShapeError
from graphc.ir.given import call
from graphc.ir.node import Tensor, apart, located
from graphc.ir.plain import plain
from graphc.ir.structure import leaves, restore
from graphc.ir.subgraph import Subgraph, free_tensors
from graphc.ir.types import TensorType
from graphc.ir.walk import interned, substitute
from graphc.ops.cast import astype
from graphc.ops.convert import as_tensor
from graphc.ops.joining import concat
from graphc.ops.layout import reshape
from graphc.ops.loops.control import scan_node, switch_node, while_node
from graphc.ops.source import as_shape, placeholder
from graphc.passes.derivatives.batch import as_tensors
from graphc.passes.derivatives.checkpoint import checkpoint
from graphc.passes.loops.loop_operands import loop_operands

Segment = int | Literal["sqrt"] | None
_CARRY = "the carry, which is one argument: a tensor, or a tuple, list or dict of tensors"
Run = Callable[[Sequence[Tensor], Sequence[Tensor], Dim], Sequence[Tensor]]


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | str | Dim | None = None,
    reverse: bool = False,
    segment: Segment = None,
) -> tuple[Any, Any]:
    """(carry, ys) after `carry, y = f(carry, x)` for every x along the first axis of `xs`; ys are
    the y, stacked.

    init: the first carry, a tensor or a structure (tuple, list, dict) of them; every step must give
    one of the same types.
    xs: a tensor or structure of tensors with a common first axis, whose length may be symbolic;
    None with `length` given.
    reverse: from the last x to the first; ys stay in the order of xs.
    segment: the gradient keeps only the carry after every so many steps, and runs each segment once
    more to have what is in between. What it keeps then grows as length / segment + segment, which
    is least for "sqrt": about the root of a length that is known. Values and gradients are the
    same, and a training step takes about a third more work. Any length will do, but one that
    is not a multiple, or not known to be, copies xs and ys.

    f runs once, on symbols. It may read any other tensor of the graph. One native loop is compiled;
    gradients flow through carries, xs and whatever f reads.
    """
    carry, stacks = as_tensors(init), as_tensors(xs)
    inputs, xs_list = leaves(carry), leaves(stacks) if xs is not None else []
    steps = _length(xs_list, length)
    symbols = [_symbol(x.type, f"carry{k}") for k, x in enumerate(inputs)]
    elements = [_symbol(TensorType(x.dtype, x.shape[1:]), f"x{k}") for k, x in enumerate(xs_list)]
    given = restore(stacks, elements) if xs is not None else None
    new, y = _pair(call("the function of a scan", "(carry, x)", f, restore(carry, symbols), given))
    new, y = as_tensors(new), as_tensors(y)
    outputs = [*_like_carry(inputs, leaves(new)), *([] if y is None else leaves(y))]
    body, shared = close([*symbols, *elements], outputs)

    def run(start: Sequence[Tensor], rows: Sequence[Tensor], count: Dim) -> Sequence[Tensor]:
        return scan_node(body, start, rows, shared, count, reverse)

    results = in_segments(run, inputs, xs_list, steps, segment, reverse)
    last = restore(carry, results[: len(inputs)])
    return last, None if y is None else restore(y, results[len(inputs) :])


def in_segments(
    run: Run,
    start: Sequence[Tensor],
    rows: Sequence[Tensor],
    steps: Dim,
    segment: Segment,
    reverse: bool,
) -> Sequence[Tensor]:
    """`run(start, rows, steps)`, a loop's carries and then its stacks, run segment by segment: only
    carries between segments are kept for the gradient. Steps that are left over come last.
    """
    if segment is None:
        return run(start, rows, steps)
    size = _segment_size(steps, segment)
    whole = floordiv(steps, size)
    full, count = whole * size, len(start)

    @checkpoint
    def piece(state: list[Tensor], part: list[Tensor]) -> tuple[Any, Any]:
        results = list(run(state, part, size))
        return results[:count], results[count:]

    def segments(state: Sequence[Tensor]) -> tuple[Sequence[Tensor], list[Tensor]]:
        cut = [reshape(x[:full], (whole, size, *x.shape[1:])) for x in rows]
        last, stacks = scan(piece, list(state), cut, whole, reverse)
        return last, [reshape(y, (full, *y.shape[2:])) for y in stacks]

    def rest(state: Sequence[Tensor]) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
        results = run(state, [x[full:] for x in rows], steps - full)
        return results[:count], results[count:]

    if full == steps:
        last, stacks = segments(start)
    elif reverse:
        state, after = rest(start)
        last, before = segments(state)
    else:
        state, before = segments(start)
        last, after = rest(state)
    if full != steps:
        stacks = [concat([a, b], axis=0) for a, b in zip(before, after, strict=True)]
    return [*last, *stacks]


def _segment_size(steps: Dim, segment: int | str) -> int:
    segment = plain(segment)
    if isinstance(segment, int) and segment > 0:
        return segment
    if segment != "sqrt":
        raise GraphError(f"a segment is a number of steps above 0, or 'sqrt', not {segment!r}")
    if not isinstance(steps, int):
        raise GraphError(
            f"the root of {steps} is not known when the graph is built\n"
            "  hint: give the segment as a number of steps; any length may follow"
        )
    root = max(1, math.isqrt(steps))
    return next((s for s in range(root, 2 * root) if steps % s == 0), root)


def while_loop(
    condition: Callable[[Any], Any],
    body: Callable[[Any], Any],
    init: Any,
    max_steps: int | None = None,
) -> Any:
    """`carry = body(carry)` from `init` on, as long as `condition(carry)` holds.

    condition gives one bool. With `max_steps` the loop ends after that many steps in any case, and
    gradients flow through it; without, it has no gradient.
    """
    carry = as_tensors(init)
    if max_steps is not None:
        return _bounded(condition, body, carry, max_steps)
    inputs = leaves(carry)
    symbols = [_symbol(x.type, f"carry{k}") for k, x in enumerate(inputs)]
    state = restore(carry, symbols)
    test = as_tensor(call("the condition of a while loop", _CARRY, condition, state))
    new = call("the body of a while loop", _CARRY, body, state)
    outputs = _like_carry(inputs, leaves(as_tensors(new)))
    both, shared = close(symbols, [test, *outputs])
    conditions, bodies = (
        Subgraph(both.inputs, both.outputs[:1]),
        Subgraph(both.inputs, both.outputs[1:]),
    )
    return restore(carry, while_node(conditions, bodies, inputs, shared))


def _bounded(
    condition: Callable[[Any], Any], body: Callable[[Any], Any], carry: Any, max_steps: int
) -> Any:
    def step(state: Any, _: Any) -> tuple[Any, None]:
        test = call("the condition of a while loop", _CARRY, condition, state)
        return cond(test, body, lambda same: same, state), None

    return scan(step, carry, length=max_steps)[0]


def cond(predicate: Any, yes: Callable[..., Any], no: Callable[..., Any], *operands: Any) -> Any:
    """`yes(*operands)` where the scalar `predicate` is true, else `no(*operands)`; only the branch
    taken is computed, with what it alone reads.

    Both branches must give the same structure of the same types. An index that is used outside of
    them is checked in any case: `gc.take(table, i)` may fail where no branch needs it, unless it is
    written inside of one. Sizes that make a length negative are refused by the branch that has it.
    """
    chosen = as_tensor(predicate)
    hint = "hint: gc.where chooses between two tensors, element by element"
    if chosen.shape != ():
        raise ShapeError(
            f"the predicate of a cond must be a scalar\n  {chosen.describe()}\n  {hint}"
        )
    for branch in (yes, no):
        if not callable(branch):
            raise GraphError(f"a branch of a cond is a function, not {branch!r:.80}\n  {hint}")
    index = astype(astype(chosen, bool_), int64)
    return _chosen(index, {"branch no": no, "branch yes": yes}, operands)


def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """`branches[index](*operands)`; an index outside is clipped to the nearest.

    Only the branch taken is computed, with what it alone reads. An index that is used outside of
    the branches is checked in any case.
    """
    chosen = astype(as_tensor(index), int64)
    if chosen.shape != ():
        raise ShapeError(f"the index of a switch must be a scalar\n  {chosen.describe()}")
    if not branches:
        raise GraphError("a switch has no branch to take")
    return _chosen(chosen, {f"branch {k}": branch for k, branch in enumerate(branches)}, operands)


def _chosen(chosen: Tensor, branches: dict[str, Callable[..., Any]], operands: Any) -> Any:
    """The results of the branch that the scalar says; errors name the branches so."""
    tensors = as_tensors(tuple(operands))
    begin = _symbol(chosen.type, "begin").node.serial
    with apart():
        results = [
            as_tensors(call(name, "the operands", branch, *tensors))
            for name, branch in branches.items()
        ]
    try:
        _check_alike(branches, [[y.type for y in leaves(r)] for r in results])
    except GraphError as error:
        raise located(error, "switch", [chosen]) from None
    flat = [y for r in results for y in leaves(r)]
    shared = free_tensors(flat, [], since=begin)
    symbols = [_symbol(x.type, f"operand{k}") for k, x in enumerate(shared)]
    inside = interned(flat, dict(zip(shared, symbols, strict=True)), begin)
    count = len(leaves(results[0]))
    parts = [tuple(inside[k : k + count]) for k in range(0, len(inside), count)]
    bodies = [Subgraph(tuple(symbols), part) for part in parts]
    return restore(results[0], switch_node(chosen, bodies, interned(shared, {}, begin)))


def _check_alike(names: Iterable[str], types: Sequence[Sequence[TensorType]]) -> None:
    """Raises unless all branches give values of the same types."""
    first, *others = zip(names, types, strict=True)
    for name, found in others:
        if found != first[1]:
            ours, theirs = (", ".join(map(str, t)) or "nothing" for t in (first[1], found))
            alike = [t.dtype for t in found] == [t.dtype for t in first[1]]
            kind = ShapeError if alike else DTypeError
            raise kind(f"{first[0]} gives {ours}, but {name} gives {theirs}: they must agree")


def close(inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> tuple[Subgraph, list[Tensor]]:
    """A body whose inputs are `inputs` and then symbols of what else the outputs read, and the
    latter.
    """
    begin = min((x.node.serial for x in inputs), default=0)
    shared = loop_operands(outputs, inputs, begin)
    symbols = [_symbol(x.type, f"shared{k}") for k, x in enumerate(shared)]
    inside = substitute(outputs, dict(zip(shared, symbols, strict=True)))
    return Subgraph((*inputs, *symbols), tuple(inside)), shared


def _symbol(type_: TensorType, name: str) -> Tensor:
    return placeholder(name, type_.shape, type_.dtype)


def _pair(result: Any) -> tuple[Any, Any]:
    if not isinstance(result, tuple) or len(result) != 2:
        raise GraphError(f"the function of a scan must give (carry, y), not {result!r}")
    return result


def _length(xs: Sequence[Tensor], length: int | str | Dim | None) -> Dim:
    lengths = [x.shape[0] if x.ndim else None for x in xs]
    if None in lengths:
        raise ShapeError(
            "a scan goes along the first axis, and a scalar has none\n"
            f"  {xs[lengths.index(None)].describe()}"
        )
    if length is not None:
        lengths.append(as_shape((length,))[0])
    if not lengths:
        raise GraphError("a scan needs xs or a length")
    for x, d in zip(xs, lengths, strict=False):
        if d != lengths[-1]:
            raise ShapeError(f"a scan over lengths {d} and {lengths[-1]}\n  {x.describe()}")
    return lengths[-1]  # type: ignore[return-value]


def _like_carry(old: Sequence[Tensor], new: Sequence[Tensor]) -> list[Tensor]:
    if len(old) != len(new):
        raise GraphError(f"the carry has {len(old)} tensors, but the step gives {len(new)}")
    return list(new)
