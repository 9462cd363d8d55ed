"""A memory that a network reads and writes by weights: the neural Turing machine of Graves, Wayne
and Danihelka (2014).

A memory M is (..., S, W): S slots of W numbers; an address w (..., S) has positive elements that
sum to 1.
"""

from __future__ import annotations

from typing import Any

from graphc.control import scan
from graphc.init import Seed
from graphc.ir.node import Tensor
from graphc.nn.cells import LSTMCell
from graphc.nn.layer import Layer
from graphc.nn.layers import Dense
from graphc.ops.arithmetic import multiply
from graphc.ops.convert import TensorLike, as_operand
from graphc.ops.creation import full, one_hot, zeros
from graphc.ops.exponential import sigmoid, softplus
from graphc.ops.indexing.slicing import split
from graphc.ops.joining import concat, roll
from graphc.ops.layout import broadcast_to, expand_dims
from graphc.ops.powers import power, sqrt
from graphc.ops.reduction import sum as total
from graphc.ops.statistics import softmax
from graphc.ops.trigonometric import tanh


def memory_address(
    memory: Tensor,
    key: Tensor,
    before: Tensor,
    strength: TensorLike,
    gate: TensorLike,
    shifts: Tensor,
    sharpness: TensorLike,
) -> Tensor:
    """The next address (..., S), from a key (..., W) and the address of the step before.

    softmax(strength cos(key, M_i)) by content, mixed by `gate` with the address before, shifted in
    a circle by -1, 0, 1 with the weights `shifts` (..., 3), raised to `sharpness` and made to sum
    to 1. Numbers with leading axes need a last axis of 1.
    """
    key = expand_dims(key, -2)
    lengths = sqrt(total(memory * memory, -1) * total(key * key, -1) + 1e-16)
    content = softmax(as_operand(strength, key.dtype) * (total(memory * key, -1) / lengths))
    mixed = gate * content + (1 - as_operand(gate, key.dtype)) * before
    turns = [roll(mixed, s, axis=-1) * shifts[..., s + 1 : s + 2] for s in (-1, 0, 1)]
    sharp = power(turns[0] + turns[1] + turns[2], sharpness)
    return sharp / total(sharp, -1, keepdims=True)


def memory_read(memory: Tensor, address: Tensor) -> Tensor:
    """sum_i w_i M_i, (..., W)."""
    return total(multiply(memory, expand_dims(address, -1)), -2)


def memory_write(memory: Tensor, address: Tensor, erase: Tensor, add: Tensor) -> Tensor:
    """M_i (1 - w_i erase) + w_i add: the memory after; erase in (0, 1) and add are (..., W)."""
    w = expand_dims(address, -1)
    return memory * (1 - w * expand_dims(erase, -2)) + w * expand_dims(add, -2)


class TuringMachine(Layer):
    """An LSTM that controls one reading and one writing head of a memory.

    Called on x (T, N, inputs) it gives (T, N, outputs). The memory, both addresses and the LSTM are
    the state of one loop; the memory begins as small equal numbers, the addresses at slot 0.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        size: int,
        slots: int,
        width: int,
        seed: Seed = None,
        dtype: Any = "float32",
    ):
        self.slots, self.width = slots, width
        self.controller = LSTMCell(inputs + width, size, seed=seed, dtype=dtype)
        head = width + 6  # key, strength, gate, three shifts, sharpness
        self.heads = Dense(size, 2 * head + 2 * width, seed=seed, dtype=dtype)
        self.readout = Dense(size + width, outputs, seed=seed, dtype=dtype)

    def __call__(self, x: Tensor) -> Tensor:
        batch, dtype = x.shape[1], self.readout.weight.dtype
        address = broadcast_to(one_hot(0, self.slots, dtype), (batch, self.slots))
        memory = full((batch, self.slots, self.width), 0.01, dtype)
        read = zeros((batch, self.width), dtype)
        start = (self.controller.start(batch), memory, address, address, read)
        y: Tensor = scan(self._step, start, x)[1]
        return y

    def _step(self, state: Any, x: Tensor) -> tuple[Any, Tensor]:
        held, memory, reading, writing, read = state
        cell, width = self.controller, self.width
        held = cell.step(held, cell.project(concat([x, read], axis=-1)))
        sizes = [width + 6, 2 * (width + 6), 3 * width + 12]
        first, second, erase, add = split(self.heads(held[0]), sizes, axis=-1)
        writing = self._address(memory, writing, first)
        memory = memory_write(memory, writing, sigmoid(erase), tanh(add))
        reading = self._address(memory, reading, second)
        read = memory_read(memory, reading)
        y = self.readout(concat([held[0], read], axis=-1))
        return (held, memory, reading, writing, read), y

    def _address(self, memory: Tensor, before: Tensor, head: Tensor) -> Tensor:
        w = self.width
        key, strength, gate = head[..., :w], head[..., w : w + 1], head[..., w + 1 : w + 2]
        shifts, sharpness = softmax(head[..., w + 2 : w + 5]), head[..., w + 5 :]
        return memory_address(
            memory, tanh(key), before, softplus(strength), sigmoid(gate), shifts,
            1 + softplus(sharpness),
        )  # fmt: skip
