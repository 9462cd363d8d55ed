"""A recurrent network that makes a sequence of choices; `score_surrogate` of their log probability
and what they were worth gives its gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.init import Seed
from graphc.ir.node import Tensor
from graphc.nn.cells import LSTMCell, output
from graphc.nn.layer import Layer
from graphc.nn.layers import Dense, Embedding
from graphc.ops.creation import zeros
from graphc.ops.indexing.gather import take_along_axis
from graphc.ops.joining import stack
from graphc.ops.layout import expand_dims
from graphc.ops.randomness.distributions import categorical
from graphc.ops.randomness.generator import KeyLike, split
from graphc.ops.statistics import log_softmax


class Controller(Layer):
    """Choices one after the other, each from `options[k]` options, given those before (Zoph and Le,
    2017): an LSTM reads the choice before, and a layer of its own gives each step's logits.
    """

    def __init__(
        self, options: Sequence[int], hidden: int = 16, seed: Seed = None, dtype: Any = "float32"
    ):
        self.options, self.hidden = list(options), hidden
        self.cell = LSTMCell(hidden, hidden, seed=seed, dtype=dtype)
        self.before = [Embedding(n, hidden, seed, dtype) for n in self.options[:-1]]
        self.heads = [Dense(hidden, n, seed=seed, dtype=dtype) for n in self.options]

    def sample(self, key: KeyLike, count: int) -> tuple[Tensor, Tensor]:
        """(choices (count, steps), int64; the log probability (count,) of each row)."""
        keys = split(key, len(self.options))
        return self._steps(count, lambda k, logits: categorical(keys[k], logits))

    def log_probability(self, choices: Tensor) -> Tensor:
        """The log probability (count,) of rows of choices."""
        return self._steps(choices.shape[0], lambda k, logits: choices[:, k])[1]

    def _steps(self, count: Any, choose: Any) -> tuple[Tensor, Tensor]:
        kind = self.heads[0].weight.dtype
        state = self.cell.start(count)
        x, made, logs = zeros((count, self.hidden), dtype=kind), [], []
        for k, head in enumerate(self.heads):
            state = self.cell.step(state, self.cell.project(x))
            scores = log_softmax(head(output(state)))
            made.append(choose(k, scores))
            logs.append(take_along_axis(scores, expand_dims(made[-1], 1), axis=1)[:, 0])
            x = self.before[k](made[-1]) if k < len(self.before) else x
        return stack(made, axis=1), sum(logs[1:], logs[0])
