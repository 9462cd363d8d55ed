"""Cells: what a recurrent layer does in one step.

Shapes: N sequences, D inputs, H units, g gate blocks side by side in the order that a cell names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphc import init
from graphc.init import Seed
from graphc.ir.dims import Dim
from graphc.ir.errors import ShapeError
from graphc.ir.node import Tensor
from graphc.nn.layer import Layer
from graphc.ops.activations import relu
from graphc.ops.creation import zeros
from graphc.ops.exponential import sigmoid
from graphc.ops.indexing.slicing import split
from graphc.ops.linear.contraction import matmul
from graphc.ops.powers import rsqrt
from graphc.ops.source import variable
from graphc.ops.statistics import mean
from graphc.ops.trigonometric import tanh

State = Any
Function = Callable[[Tensor], Tensor]


class Cell(Layer):
    """Base of cells: `step(state, z)` gives the next state from z = x @ input_weight + bias.

    A state is a tensor (N, H), or a tuple of tensors whose first is the output h. A subclass says
    how many gate `blocks` it has, and gives `step`; `project` may be replaced where z is not a
    plain product, and `project_by_step` is false where z of one step depends on others.

    inputs, size: lengths of the last axis of x and of the state. bias: whether b is added to
    x @ input_weight. state_bias: whether a second one is added to the product with h. seed: of the
    first weights, Glorot uniform. Raises ShapeError where x has another last axis.
    """

    blocks: int = 1
    project_by_step: bool = True

    def __init__(
        self,
        inputs: int,
        size: int,
        bias: bool = True,
        state_bias: bool = False,
        seed: Seed = None,
        dtype: Any = "float32",
    ):
        self.size, width = size, self.blocks * size
        seed = init.generator(seed)
        weights = init.glorot_uniform((inputs, width), seed, dtype=dtype)
        self.input_weight = variable(weights, "input_weight")
        steps = init.glorot_uniform((size, width), seed, dtype=dtype)
        self.state_weight = variable(steps, "state_weight")
        self.bias = variable(init.zeros((width,), dtype), "bias") if bias else None
        self.state_bias = (
            variable(init.zeros((width,), dtype), "state_bias") if state_bias else None
        )

    def project(self, x: Tensor) -> Tensor:
        """What the inputs (..., D) add to the gates (..., g H): for all steps in one product."""
        if x.shape[-1] != self.input_weight.shape[0]:
            raise ShapeError(
                f"{type(self).__name__} needs {self.input_weight.shape[0]} inputs\n  {x.describe()}"
            )
        z = matmul(x, self.input_weight)
        return z if self.bias is None else z + self.bias

    def recur(self, h: Tensor) -> Tensor:
        """What the output of the step before adds to the gates."""
        z = matmul(h, self.state_weight)
        return z if self.state_bias is None else z + self.state_bias

    def start(self, batch: Dim) -> State:
        """A state of zeros."""
        return zeros((batch, self.size), self.state_weight.dtype)

    def step(self, state: State, z: Tensor) -> State:
        """The next state."""
        raise NotImplementedError(type(self).__name__)


def output(state: State) -> Tensor:
    """What a cell in this state gives to the layer above."""
    h: Tensor = state[0] if isinstance(state, tuple) else state
    return h


class RNNCell(Cell):
    """h' = activation(norm(x Wx + b + h Wh)): Elman (1990). With a norm, such as a LayerNorm, leave
    the bias to it: Ba, Kiros and Hinton (2016).
    """

    def __init__(
        self,
        inputs: int,
        size: int,
        activation: Function = tanh,
        norm: Function | None = None,
        bias: bool | None = None,
        state_bias: bool = False,
        seed: Seed = None,
        dtype: Any = "float32",
    ):
        bias = norm is None if bias is None else bias
        super().__init__(inputs, size, bias, state_bias, seed, dtype)
        self.activation, self.norm = activation, norm

    def step(self, state: State, z: Tensor) -> State:
        z = z + self.recur(state)
        return self.activation(z if self.norm is None else self.norm(z))


class LSTMCell(Cell):
    """Blocks i, f, g, o: c' = s(f) c + s(i) tanh(g) and h' = s(o) squash(c'), where s is the
    logistic function: Hochreiter and Schmidhuber (1997), Gers et al. (2000). The state is (h, c).

    `squash` is tanh; None leaves the cell as it is.
    """

    blocks = 4

    def __init__(
        self,
        inputs: int,
        size: int,
        squash: Function | None = tanh,
        bias: bool = True,
        state_bias: bool = False,
        seed: Seed = None,
        dtype: Any = "float32",
    ):
        super().__init__(inputs, size, bias, state_bias, seed, dtype)
        self.squash = squash

    def start(self, batch: Dim) -> State:
        h = super().start(batch)
        return h, h

    def step(self, state: State, z: Tensor) -> State:
        h, c = state
        i, f, g, o = split(z + self.recur(h), 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * tanh(g)
        return sigmoid(o) * (c if self.squash is None else self.squash(c)), c


class GRUCell(Cell):
    """Blocks r, z, n: h' = (1 - s(z)) h + s(z) tanh(n): Cho et al. (2014).

    The candidate n reads the reset state (s(r) h) Wn; with `reset_after` it reads s(r) (h Wn + its
    state bias), so that all products with h are one.
    """

    blocks = 3

    def __init__(
        self,
        inputs: int,
        size: int,
        reset_after: bool = False,
        bias: bool = True,
        state_bias: bool = False,
        seed: Seed = None,
        dtype: Any = "float32",
    ):
        super().__init__(inputs, size, bias, state_bias, seed, dtype)
        self.reset_after = reset_after

    def step(self, state: State, z: Tensor) -> State:
        h, size = state, self.size
        if self.reset_after:
            gates = self.recur(h)
            reset, update = _two(sigmoid(z[..., : 2 * size] + gates[..., : 2 * size]))
            new = tanh(z[..., 2 * size :] + reset * gates[..., 2 * size :])
        else:
            w, b = self.state_weight, self.state_bias
            gates = matmul(h, w[:, : 2 * size]) + (0 if b is None else b[: 2 * size])
            reset, update = _two(sigmoid(z[..., : 2 * size] + gates))
            candidate = matmul(reset * h, w[:, 2 * size :]) + (0 if b is None else b[2 * size :])
            new = tanh(z[..., 2 * size :] + candidate)
        return (1 - update) * h + update * new


class LightGRUCell(Cell):
    """Blocks z, n: h' = (1 - s(z)) h + s(z) relu(n), without a reset gate. What the inputs add to
    them has mean 0 and variance 1 over time and batch: Ravanelli et al. (2018).

    The statistics are those of the sequences given, in training and after, unless `norm` is another
    function of x Wx, (T, N, 2 H).
    """

    blocks = 2
    project_by_step = False

    def __init__(
        self,
        inputs: int,
        size: int,
        norm: Function | None = None,
        bias: bool = False,
        state_bias: bool = False,
        seed: Seed = None,
        dtype: Any = "float32",
    ):
        super().__init__(inputs, size, bias, state_bias, seed, dtype)
        self.norm = norm or over_time_and_batch

    def project(self, x: Tensor) -> Tensor:
        return self.norm(super().project(x))

    def step(self, state: State, z: Tensor) -> State:
        update, new = _two(z + self.recur(state))
        update = sigmoid(update)
        return (1 - update) * state + update * relu(new)


def over_time_and_batch(z: Tensor, eps: float = 1e-5) -> Tensor:
    """z with mean 0 and variance 1 over all axes but the last."""
    axes = tuple(range(z.ndim - 1))
    centred = z - mean(z, axes, keepdims=True)
    return centred * rsqrt(mean(centred * centred, axes, keepdims=True) + eps)


def _two(z: Tensor) -> tuple[Tensor, Tensor]:
    first, second = split(z, 2, axis=-1)
    return first, second
