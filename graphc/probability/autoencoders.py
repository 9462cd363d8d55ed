"""Autoencoders: a code of the input from which the input is restored, and what keeps the code from
being a copy.
"""

from __future__ import annotations

from typing import Any

from graphc import init
from graphc.init import Seed
from graphc.ir.errors import ShapeError
from graphc.ir.node import Tensor
from graphc.nn.layer import Layer, first_value
from graphc.nn.layers import Activation, Init
from graphc.nn.losses import mse
from graphc.ops.arithmetic import absolute
from graphc.ops.axes import matrix_transpose
from graphc.ops.convert import TensorLike
from graphc.ops.linear.contraction import matmul
from graphc.ops.randomness.distributions import uniform
from graphc.ops.randomness.generator import KeyLike
from graphc.ops.reduction import sum as total
from graphc.ops.select import where
from graphc.ops.source import variable
from graphc.passes.derivatives.jacobian import jacobian


class Autoencoder(Layer):
    """decoder(encoder(x)), of two layers or functions; each can be compiled and exported alone."""

    def __init__(self, encoder: Activation, decoder: Activation):
        self.encoder, self.decoder = encoder, decoder

    def encode(self, x: Tensor) -> Tensor:
        """The code of x."""
        return self.encoder(x)

    def decode(self, code: Tensor) -> Tensor:
        """The x that a code stands for."""
        return self.decoder(code)

    def __call__(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))

    def loss(self, x: Tensor, seen: Tensor | None = None) -> Tensor:
        """The mean squared error of x restored from itself, or from what was `seen` of it (Vincent
        et al., 2008: noise was added, or parts are missing).
        """
        return mse(self(x if seen is None else seen), x)


class TiedAutoencoder(Autoencoder):
    """Codes activation(x W + b), restored as output(code Wᵀ + c): one matrix W (inputs, codes) is
    used twice, and its gradient is the sum of both uses.
    """

    def __init__(
        self,
        inputs: int,
        codes: int,
        activation: Activation | None = None,
        output: Activation | None = None,
        weights: Init = init.glorot_uniform,
        seed: Seed = None,
        dtype: Any = "float32",
    ):
        self.weight = variable(first_value(weights, (inputs, codes), seed, dtype), "weight")
        self.bias = variable(init.zeros((codes,), dtype), "bias")
        self.output_bias = variable(init.zeros((inputs,), dtype), "output_bias")
        self.activation, self.output = activation, output

    def encode(self, x: Tensor) -> Tensor:
        y = matmul(x, self.weight) + self.bias
        return y if self.activation is None else self.activation(y)

    def decode(self, code: Tensor) -> Tensor:
        y = matmul(code, matrix_transpose(self.weight)) + self.output_bias
        return y if self.output is None else self.output(y)


def mask_out(x: Tensor, rate: float, key: KeyLike) -> Tensor:
    """x with each element 0 with probability `rate`; the others stay as they are."""
    return where(uniform(key, x.shape) < rate, 0, x)


def contraction(codes: Tensor, x: Tensor) -> Tensor:
    """The squared Frobenius norm (N,) of each sample's Jacobian of codes (N, K) by inputs
    (N, ...): the penalty of contractive autoencoders (Rifai et al., 2011).

    Codes of a sample must depend on its own input only.
    """
    if codes.ndim != 2 or x.ndim < 2 or codes.shape[0] != x.shape[0]:
        raise ShapeError(
            f"codes (N, K) of inputs (N, ...) are needed, not {codes.type} of {x.type}\n"
            f"  {codes.describe()}"
        )
    slopes = jacobian(total(codes, axis=0), x, "reverse")
    return total(slopes * slopes, axis=(0, *range(2, slopes.ndim)))


def predictive_sparse_loss(
    x: Tensor, codes: Tensor, dictionary: Tensor, predicted: Tensor, rate: TensorLike
) -> Tensor:
    """|codes V - x|² + rate |codes|₁ + |codes - predicted|², summed over all samples, for codes
    (N, K) and a dictionary V (K, D): predictive sparse decomposition (Kavukcuoglu et al., 2008).
    Codes and the weights behind `predicted` take turns to lower it.
    """
    restored, guess = matmul(codes, dictionary) - x, codes - predicted
    return total(restored * restored) + rate * total(absolute(codes)) + total(guess * guess)
