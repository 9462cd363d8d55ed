"""Chains over K states, seen or hidden: all in logarithms, after Rabiner (1989).

log_start is (K,), log_steps (K, K) from row to column, log_shown (K, symbols); sequences are
integers (T,).
"""

from __future__ import annotations

from graphc.control import scan
from graphc.ir.node import Tensor
from graphc.ops.convert import TensorLike, as_tensor
from graphc.ops.indexing.gather import take
from graphc.ops.joining import concat
from graphc.ops.layout import expand_dims
from graphc.ops.reduction import argmax
from graphc.ops.reduction import max as largest
from graphc.ops.reduction import sum as total
from graphc.ops.statistics import logsumexp
from graphc.passes.derivatives.differentiate import grad


def chain_log_probability(log_start: Tensor, log_steps: Tensor, states: TensorLike) -> Tensor:
    """log p(s_1) + sum_t log p(s_t | s_t-1)."""
    s = as_tensor(states)
    return log_start[s[0]] + total(log_steps[s[:-1], s[1:]])


def hidden_log_probability(
    log_start: Tensor, log_steps: Tensor, log_shown: Tensor, seen: TensorLike
) -> Tensor:
    """log p of the symbols seen, over all paths of hidden states: the forward algorithm. Its
    gradients are expected counts.
    """
    shown = take(log_shown, as_tensor(seen), axis=1).T

    def step(log_p: Tensor, emitted: Tensor) -> tuple[Tensor, None]:
        return logsumexp(expand_dims(log_p, -1) + log_steps, 0) + emitted, None

    last, _ = scan(step, log_start + shown[0], shown[1:])
    return logsumexp(last)


def most_probable_path(
    log_start: Tensor, log_steps: Tensor, log_shown: Tensor, seen: TensorLike
) -> tuple[Tensor, Tensor]:
    """(the hidden states (T,) that best explain the symbols, log p of both): Viterbi (1967)."""
    shown = take(log_shown, as_tensor(seen), axis=1).T

    def step(log_p: Tensor, emitted: Tensor) -> tuple[Tensor, Tensor]:
        ways = expand_dims(log_p, -1) + log_steps
        return largest(ways, 0) + emitted, argmax(ways, 0)

    log_p, origins = scan(step, log_start + shown[0], shown[1:])
    last = argmax(log_p)
    _, path = scan(lambda s, origin: (origin[s],) * 2, last, origins, reverse=True)
    return concat([path, expand_dims(last, 0)]), largest(log_p)


def expected_steps(log_p: Tensor, log_steps: Tensor) -> Tensor:
    """How often each step is taken on average, given what is seen: (K, K), from the log p that
    `hidden_log_probability` gave.
    """
    found: Tensor = grad(log_p, log_steps)
    return found
