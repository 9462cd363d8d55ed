"""Sequences from a model, word by word, in one compiled loop.

A model is `step(state, words) -> (logits, state)`: words (N,) are the last ones, logits (N, V)
those of the next, and a state is any structure of tensors whose first axis is N.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.control import scan, while_loop
from graphc.ir.errors import GraphError, ShapeError
from graphc.ir.node import Tensor
from graphc.ir.structure import leaves, restore
from graphc.ops.creation import full, zeros
from graphc.ops.indexing.dynamic_slicing import dynamic_update_slice
from graphc.ops.indexing.gather import take, take_along_axis
from graphc.ops.layout import broadcast_to, expand_dims, reshape
from graphc.ops.logic import logical_and, logical_not, logical_or
from graphc.ops.randomness.distributions import categorical
from graphc.ops.randomness.generator import KeyLike, fold_in
from graphc.ops.reduction import all as every
from graphc.ops.reduction import argmax
from graphc.ops.select import where
from graphc.ops.sorting.topk import topk
from graphc.ops.source import constant, iota
from graphc.ops.statistics import log_softmax

Step = Callable[[Any, Tensor], tuple[Tensor, Any]]
Choice = Callable[[Tensor, Tensor], Tensor]


def decode(step: Step, state: Any, first: Tensor, choose: Choice, length: int, end: int) -> Tensor:
    """Words (N, length) after the words `first` (N,): `choose(logits, t)` gives each next one.

    The loop stops when all sequences have `end` in them, or after `length` words; what follows an
    end is ends.
    """
    if length < 1:
        raise GraphError(f"a length of {length} words")
    words = full((*first.shape, length), end, first.dtype)
    done = zeros(first.shape, "bool")

    def going(carry: Any) -> Tensor:
        t, done = carry[0], carry[3]
        return logical_and(t < length, logical_not(every(done)))

    def body(carry: Any) -> Any:
        t, state, last, done, words = carry
        logits, state = step(state, last)
        new = where(done, end, choose(logits, t).astype(first.dtype))
        words = dynamic_update_slice(words, expand_dims(new, -1), (0, t))
        return t + 1, state, new, logical_or(done, new == end), words

    start = (constant(np.int64(0)), state, first, done, words)
    found: Tensor = while_loop(going, body, start)[4]
    return found


def greedy(step: Step, state: Any, first: Tensor, length: int, end: int) -> Tensor:
    """The most probable word each time, the first of equal ones."""
    return decode(step, state, first, lambda logits, t: argmax(logits, -1), length, end)


def sample(
    step: Step,
    state: Any,
    first: Tensor,
    key: KeyLike,
    length: int,
    end: int,
    temperature: float = 1.0,
    top_k: int | None = None,
) -> Tensor:
    """Words drawn from softmax(logits / temperature), among the `top_k` most probable if given."""
    start = fold_in(key, 0)

    def choose(logits: Tensor, t: Tensor) -> Tensor:
        kept = logits * (1 / temperature)
        if top_k is not None:
            kept = where(kept >= topk(kept, top_k)[0][..., -1:], kept, -np.inf)
        return categorical(fold_in(start, t), kept)

    return decode(step, state, first, choose, length, end)


def prompted(step: Step, state: Any, prompt: Tensor) -> Any:
    """The state after all words of a prompt (N, T) but the last, from which decoding goes on with
    that last one.
    """
    before = prompt[:, :-1]
    return scan(lambda s, words: (step(s, words)[1], None), state, before.T)[0]


def beam_search(
    step: Step, state: Any, first: Tensor, length: int, end: int, beams: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Words (N, beams, length), their sums of log p (N, beams), and the means over words, best mean
    first.

    Of all extensions of the `beams` best beginnings the best are kept, by their sums of log p. One
    that has reached `end` stays as it is; when all have, or after `length` words, the loop stops.
    """
    n, flat = first.shape[0], (first.shape[0] * beams,)
    rows = expand_dims(iota((n,)) * beams, -1)
    spread = reshape(rows // beams + zeros((1, beams), "int64"), flat)
    scores = broadcast_to(constant(np.where(np.arange(beams), -np.inf, 0.0)), (n, beams))
    carry = (
        constant(np.int64(0)),
        restore(state, [take(x, spread, axis=0) for x in leaves(state)]),
        take(first, spread, axis=0),
        scores,
        zeros((n, beams), "bool"),
        full((n, beams, length), end, first.dtype),
        zeros((n, beams), "int64"),
    )

    def going(carry: Any) -> Tensor:
        return logical_and(carry[0] < length, logical_not(every(carry[4])))

    def body(carry: Any) -> Any:
        t, state, last, scores, done, words, lengths = carry
        logits, state = step(state, last)
        size = _known(logits)
        logs = reshape(log_softmax(logits).astype("float64"), (n, beams, size))
        stay = where(iota((size,)) == end, 0.0, constant(np.float64(-np.inf)))
        logs = where(expand_dims(done, -1), stay, logs)
        every_one = reshape(expand_dims(scores, -1) + logs, (n, -1))
        scores, places = topk(every_one, beams)
        parents, new = places // size, (places % size).astype(first.dtype)
        origin = reshape(parents + rows, flat)
        state = restore(state, [take(x, origin, axis=0) for x in leaves(state)])
        done, lengths = (take_along_axis(x, parents, 1) for x in (done, lengths))
        words = reshape(take(reshape(words, (*flat, length)), origin, axis=0), words.shape)
        words = dynamic_update_slice(words, expand_dims(new, -1), (0, 0, t))
        lengths = lengths + where(done, 0, 1)
        return (
            t + 1,
            state,
            reshape(new, flat),
            scores,
            logical_or(done, new == end),
            words,
            lengths,
        )

    _, _, _, scores, _, words, lengths = while_loop(going, body, carry)
    means, order = topk(scores / lengths, beams)
    best = take(reshape(words, (*flat, length)), reshape(order + rows, flat), axis=0)
    return reshape(best, words.shape), take_along_axis(scores, order, 1), means


def _known(logits: Tensor) -> int:
    """The number of words, which must be known."""
    size = logits.shape[-1]
    if not isinstance(size, int):
        raise ShapeError(f"a beam search needs to know how many words there are: {size}")
    return size
