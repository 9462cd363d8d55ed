"""Averages of the weights that an optimiser passes through."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from graphc.ir.errors import GraphError
from graphc.ir.node import Tensor
from graphc.ir.walk import substitute
from graphc.nn.layer import state_of
from graphc.ops.convert import cast
from graphc.ops.division import remainder
from graphc.ops.select import where
from graphc.ops.source import variable
from graphc.optim.optimiser import named


class WeightAverage:
    """Variables that hold an average of parameters, stepped on with them.

    Without `decay` it is the mean of the first weights and of those after each step (Polyak and
    Juditsky, 1992; Ruppert, 1988), or with `every` of those after each `every` steps alone
    (stochastic weight averaging: Izmailov et al., 2018). With `decay` it begins at the first
    weights and becomes decay * average + (1 - decay) * weights.
    """

    def __init__(self, decay: float | None = None, every: int | None = None):
        if decay is not None and every is not None:
            raise GraphError("a weight average has a decay or a cycle, not both")
        self.decay, self.every = decay, every
        self.averages: dict[Tensor, Tensor] = {}
        self.count: Tensor | None = None

    def updates(
        self,
        updates: Mapping[Tensor, Tensor],
        parameters: Iterable[Tensor] | Mapping[str, Tensor],
    ) -> dict[Tensor, Tensor]:
        """The updates of an optimiser, and those of the averages and of the count of steps."""
        result = dict(updates)
        for name, p in named(parameters).items():
            state = state_of(p)
            assert state is not None
            self.averages[p] = variable(state.array.copy(), f"{name}.average", trainable=False)
        self.count = variable(np.int64(0), "averaged", trainable=False)
        for p, average in self.averages.items():
            result[average] = self._next(average, updates.get(p, p))
        result[self.count] = self.count + 1
        return result

    def averaged(self, outputs: Sequence[Tensor]) -> list[Tensor]:
        """The outputs as they are with the averages for weights."""
        return substitute(outputs, self.averages)

    def _next(self, average: Tensor, new: Tensor) -> Tensor:
        if self.decay is not None:
            return average * self.decay + new * (1 - self.decay)
        assert self.count is not None
        step = self.count + 1
        if self.every is None:
            return average + (new - average) / cast(step + 1, average.dtype)
        share = cast(step // self.every, average.dtype)
        ends = remainder(step, self.every) == 0
        return where(ends, average + (new - average) / where(ends, share, 1.0), average)
