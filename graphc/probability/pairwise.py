"""Pairs of units that like or dislike to be on together: Markov random fields, Boltzmann machines
(Ackley, Hinton and Sejnowski, 1985) and Hopfield networks (1982).

Units are the last axis of x; couplings R (n, n) need not be symmetric: R[i, j] and R[j, i] add up.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.control import scan
from graphc.ir.dtypes import as_dtype
from graphc.ir.node import Tensor
from graphc.nn.layer import Layer
from graphc.ops.arithmetic import sign
from graphc.ops.axes import matrix_transpose
from graphc.ops.convert import cast
from graphc.ops.diagonal import diag, diagonal
from graphc.ops.exponential import sigmoid
from graphc.ops.extent import extent
from graphc.ops.joining import concat
from graphc.ops.layout import broadcast_to, expand_dims
from graphc.ops.linear.contraction import matmul
from graphc.ops.randomness.distributions import bernoulli
from graphc.ops.randomness.generator import KeyLike, split
from graphc.ops.reduction import sum as total
from graphc.ops.select import where
from graphc.ops.source import iota, variable
from graphc.ops.statistics import logsumexp
from graphc.probability.enumeration import binary_states


def pairwise_energy(x: Tensor, couplings: Tensor, bias: Tensor) -> Tensor:
    """-x R x - b x: p(x) is proportional to e^-energy."""
    return -total(matmul(x, couplings) * x, axis=-1) - matmul(x, bias)


def pairwise_logits(x: Tensor, couplings: Tensor, bias: Tensor) -> Tensor:
    """For each unit, of values 0 and 1, the logit of its being 1 given all others of x."""
    mutual, own = _conditional(couplings, bias)
    return matmul(x, mutual) + own


def _conditional(couplings: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Symmetric couplings without diagonal, and biases: the logits of units of 0 and 1, whose
    squares are themselves.
    """
    both = couplings + matrix_transpose(couplings)
    alone = diagonal(couplings)
    return both - diag(2 * alone), bias + alone


def gibbs_sweeps(
    x: Tensor, couplings: Tensor, bias: Tensor, key: KeyLike, sweeps: int, kept: int = 0
) -> Tensor:
    """x after `sweeps` rounds in which each unit in turn is drawn given the others (Geman and
    Geman, 1984); the first `kept` units stay as they are.
    """
    mutual, own = _conditional(couplings, bias)
    units = iota(own.shape)

    def visit(state: Tensor, unit: tuple[Tensor, ...]) -> tuple[Tensor, None]:
        place, row, alone, draw = unit
        chance = sigmoid(matmul(state, row) + alone)
        new = cast(bernoulli(draw, chance), state.dtype)
        return where(units == place, expand_dims(new, -1), state), None

    def sweep(state: Tensor, draw: Tensor) -> tuple[Tensor, None]:
        visits = (units[kept:], mutual[kept:], own[kept:], split(draw, own.shape[0])[kept:])
        return scan(visit, state, visits)[0], None

    return scan(sweep, x, split(key, sweeps))[0]  # type: ignore[no-any-return]


class BoltzmannMachine(Layer):
    """Visible units v and hidden units h, of 0 and 1, with
    energy -v R v - v W h - h S h - b v - c h; all weights are 0 at first.

    Parameters are `couplings`, the matrix [[R, W], [0, S]] (only the sum of R[i, j] and R[j, i]
    matters), and `bias`, (b, c).
    """

    def __init__(self, visible: int, hidden: int, dtype: Any = "float32"):
        count, kind = visible + hidden, as_dtype(dtype).numpy
        self.visible, self.hidden = visible, hidden
        self.couplings = variable(np.zeros((count, count), kind), "couplings")
        self.bias = variable(np.zeros(count, kind), "bias")

    def energy(self, x: Tensor) -> Tensor:
        """The energy of rows (v, h)."""
        return pairwise_energy(x, self.couplings, self.bias)

    def free_energy(self, v: Tensor) -> Tensor:
        """-log of the sum over h of e^-energy, for rows v: by enumeration."""
        h = binary_states(self.hidden, v.dtype)
        shape = (v.shape[0], h.shape[0])
        shown = broadcast_to(expand_dims(v, 1), (*shape, self.visible))
        every = concat([shown, broadcast_to(h, (*shape, self.hidden))], axis=-1)
        return -logsumexp(-self.energy(every), axis=-1)

    def log_partition(self) -> Tensor:
        """log Z, by enumeration of all units."""
        return logsumexp(-self.energy(binary_states(self.visible + self.hidden, self.bias.dtype)))

    def nll(self, v: Tensor) -> Tensor:
        """-log p(v) for rows v: its gradient is that of the energy averaged over p(h | v), less
        that averaged over p(v, h).
        """
        return self.free_energy(v) + self.log_partition()

    def gibbs(self, x: Tensor, key: KeyLike, sweeps: int, clamped: bool = False) -> Tensor:
        """Rows (v, h) after so many sweeps over all units, or over h alone."""
        kept = self.visible if clamped else 0
        return gibbs_sweeps(x, self.couplings, self.bias, key, sweeps, kept)


def hopfield_couplings(patterns: Tensor) -> Tensor:
    """Hebb's couplings of patterns (count, n) of -1 and 1: the mean over n of outer products, with
    no self-couplings. The energy of a state is `pairwise_energy(x, W / 2, 0)`.
    """
    size = patterns.shape[-1]
    both = matmul(matrix_transpose(patterns), patterns) / extent(size, patterns.dtype)
    return both - diag(diagonal(both))


def hopfield_recall(x: Tensor, couplings: Tensor, sweeps: int) -> tuple[Tensor, Tensor]:
    """(the last state, the states after each update (sweeps, n, *x)) from states x of -1 and 1: one
    unit at a time takes the sign of its input, and stays where that is 0, so that the energy never
    rises.
    """
    units = iota((x.shape[-1],))

    def visit(state: Tensor, unit: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        place, row = unit
        pull = expand_dims(matmul(state, row), -1)
        turned = where(pull == 0, state, sign(pull))
        new = where(units == place, turned, state)
        return new, new

    return scan(lambda state, _: scan(visit, state, (units, couplings)), x, length=sweeps)
