"""Where random numbers begin: keys, and generators that hand them out.

Either handle keys yourself (`key`, `split`, `fold_in`), or hand a `Generator` wherever a key is
asked for: it is a variable that steps on with every call of a compiled function, and each draw in
the graph has a key of its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.ir.dims import Dim
from graphc.ir.errors import DTypeError, GraphError
from graphc.ir.node import Tensor
from graphc.ops.convert import as_tensor, cast
from graphc.ops.layout import broadcast, broadcast_to
from graphc.ops.randomness.philox import random_bits, random_fold
from graphc.ops.recurrence import shift
from graphc.ops.select import where
from graphc.ops.source import as_shape, constant, iota, variable

_WORD = 0xFFFFFFFF


class Generator:
    """A source of keys whose state is a variable.

    Every compiled function that draws from a generator also steps it on, without being told, so
    each call gives new numbers. Within one call each draw has a key of its own, by the order in
    which the draws were written. Inside `vmap` and `scan` use keys: a draw written there is one
    draw for all elements or steps.
    """

    def __init__(self, seed: int):
        self.state = variable(_words(seed), "generator", trainable=False)
        self.state.node.attrs["state"].advance = _stepped
        self._draws = 0

    def key(self) -> Tensor:
        """The key of the next draw; no two calls give the same."""
        self._draws += 1
        return fold_in(self.state, self._draws - 1)


KeyLike = Tensor | Generator


def _stepped(state: Tensor) -> Tensor:
    """The state after a call: its last two words, as one number, plus one."""
    place = iota((4,))
    carry = where(shift(state, 1) == np.uint32(_WORD), where(place == 3, 1, 0), 0)
    return state + cast(where(place == 2, 1, carry), "uint32")


def _words(seed: int) -> np.ndarray:
    if not isinstance(seed, (int, np.integer)):
        raise GraphError(f"a seed is an int, not {seed!r:.80}")
    seed = int(seed)
    if not 0 <= seed < 2**128:
        raise GraphError(f"a seed is at least 0 and below 2**128, not {seed}")
    return np.asarray([seed >> 32 * k & _WORD for k in range(4)], np.uint32)


def key(seed: int | Tensor) -> Tensor:
    """A key, u32[4], from a number: an int below 2**128, or an integer scalar of the graph."""
    if isinstance(seed, Tensor):
        return fold_in(key(0), seed)
    return constant(_words(seed))


def fold_in(key: KeyLike, data: int | Tensor) -> Tensor:
    """The key that `data` (an int or an integer scalar, say a step's number) gives; unlike those of
    other numbers.
    """
    parent = draw_key(key)
    number = constant(data, "uint64") if isinstance(data, int) else as_tensor(data)
    if not number.dtype.is_integer:
        raise DTypeError(f"a key is made by an integer, not {number.dtype}\n  {number.describe()}")
    number = cast(number, "uint64")
    return random_fold(parent, broadcast_to(number, parent.shape[:-1]))


def split(key: KeyLike, number: int | Dim = 2) -> Tensor:
    """Keys u32[number, 4] to use instead of this one."""
    parent = draw_key(key)
    (length,) = as_shape(number)
    parents = broadcast(parent, (length, *parent.shape), tuple(range(1, parent.ndim + 1)))
    numbers = iota((length,), 0, "uint64")
    return random_fold(parents, broadcast(numbers, parents.shape[:-1], (0,)))


def draw_key(key: KeyLike) -> Tensor:
    """A key itself, or the next one of a generator."""
    if isinstance(key, Generator):
        return key.key()
    if not isinstance(key, Tensor):
        raise GraphError(
            f"random numbers need a key or a Generator, not {key!r:.80}\n"
            "  hint: gc.random.key(seed), or gc.random.Generator(seed) to draw anew in each call"
        )
    return key


def bits(key: KeyLike, shape: Any = (), dtype: Any = "uint32") -> Tensor:
    """Uniform random words, uint32 or uint64."""
    return random_bits(draw_key(key), shape, dtype)
