"""One network that proposes moves on a board and says who will win: Silver et al. (2017)."""

from __future__ import annotations

from typing import Any

from graphc import init
from graphc.init import Seed
from graphc.ir.node import Tensor
from graphc.nn.branches import Residual
from graphc.nn.convolution import conv2d
from graphc.nn.layer import Layer
from graphc.nn.layers import Dense, Sequential
from graphc.nn.losses import cross_entropy, mse
from graphc.ops.activations import relu
from graphc.ops.axes import flatten
from graphc.ops.trigonometric import tanh


class PolicyValue(Layer):
    """(logits of the moves f[N, moves], value in (-1, 1) for who is to move f[N]) of boards
    f[N, planes, H, W]: a convolution, residual blocks, and a head for each.
    """

    def __init__(
        self,
        planes: int,
        board: tuple[int, int],
        moves: int,
        channels: int = 256,
        blocks: int = 19,
        seed: Seed = None,
        dtype: Any = "float32",
    ):
        options: dict[str, Any] = {"seed": init.generator(seed), "dtype": dtype}
        same = {"padding": 1, **options}
        self.trunk = Sequential(
            conv2d(planes, channels, 3, activation=relu, **same),
            *(
                Residual(
                    Sequential(
                        conv2d(channels, channels, 3, activation=relu, **same),
                        conv2d(channels, channels, 3, **same),
                    ),
                    activation=relu,
                )
                for _ in range(blocks)
            ),
        )
        cells = board[0] * board[1]
        self.policy = Sequential(
            conv2d(channels, 2, 1, activation=relu, **options),
            flatten_rows,
            Dense(2 * cells, moves, **options),
        )
        self.value = Sequential(
            conv2d(channels, 1, 1, activation=relu, **options),
            flatten_rows,
            Dense(cells, channels, relu, **options),
            Dense(channels, 1, tanh, **options),
        )

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        y = self.trunk(x)
        return self.policy(y), self.value(y)[:, 0]


def flatten_rows(x: Tensor) -> Tensor:
    """All axes but the first in one."""
    return flatten(x, 1)


def policy_value_loss(logits: Tensor, value: Tensor, shares: Tensor, outcome: Tensor) -> Tensor:
    """The mean of (outcome - value)^2 - shares . log softmax(logits), where a search gave each move
    its share and the game its outcome, from -1 to 1.
    """
    return mse(value, outcome) + cross_entropy(logits, shares)
