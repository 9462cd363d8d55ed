"""Layers of convolutions and pooling, for images (N, C, *sizes)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from graphc import init
from graphc.init import Seed
from graphc.ir.dims import Dim
from graphc.ir.errors import ShapeError
from graphc.ir.node import Tensor
from graphc.nn.layer import Layer, first_value
from graphc.nn.layers import Activation, Init, checked_activation
from graphc.nn.options import options_of
from graphc.ops.convolutions.convolving import (
    Padding,
    PerAxis,
    conv,
    conv_local,
    conv_transpose,
    count_positions,
    pad_widths,
    per_axis,
)
from graphc.ops.convolutions.pooling import average_pool, max_pool
from graphc.ops.layout import reshape
from graphc.ops.source import variable


class _Kernels(Layer):
    """What layers of convolutions share: kernels, a bias for each output channel, an activation."""

    def __init__(
        self,
        shape: tuple[int, ...],
        outputs: int,
        activation: Activation | None,
        bias: bool,
        weights: Init,
        seed: Seed,
        dtype: Any,
    ):
        self.weight = variable(first_value(weights, shape, seed, dtype), "weight")
        self.bias = variable(init.zeros((outputs,), dtype), "bias") if bias else None
        self.activation = checked_activation(activation)

    def _finished(self, y: Tensor) -> Tensor:
        if self.bias is not None:
            y = y + reshape(self.bias, (self.bias.shape[0], *(1 for _ in y.shape[2:])))
        return y if self.activation is None else self.activation(y)


def _check(inputs: int, outputs: int, taps: tuple[int, ...], groups: int) -> None:
    if isinstance(taps, int):
        raise ShapeError(
            f"taps are one number for each spatial axis, such as ({taps}, {taps}), not {taps}\n"
            "  hint: nn.conv2d takes one number for both"
        )
    if inputs % groups or outputs % groups:
        raise ShapeError(f"{inputs} and {outputs} channels do not fall into {groups} groups")


class Conv(_Kernels):
    """`conv` with `outputs` kernels of `taps` (one number for each spatial axis), a bias, and an
    activation.

    Kernels are (outputs, inputs / groups, *taps), He uniform unless `weights` says otherwise.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        taps: tuple[int, ...],
        stride: PerAxis = 1,
        padding: Padding = "valid",
        dilation: PerAxis = 1,
        groups: int = 1,
        activation: Activation | None = None,
        bias: bool = True,
        weights: Init = init.he_uniform,
        seed: Seed = None,
        dtype: Any = "float32",
    ):
        _check(inputs, outputs, taps, groups)
        shape = (outputs, inputs // groups, *taps)
        super().__init__(shape, outputs, activation, bias, weights, seed, dtype)
        self.stride, self.padding, self.dilation, self.groups = stride, padding, dilation, groups

    def __call__(self, x: Tensor) -> Tensor:
        y = conv(x, self.weight, self.stride, self.padding, self.dilation, self.groups)
        return self._finished(y)


class ConvTranspose(_Kernels):
    """`conv_transpose` with kernels (inputs, outputs / groups, *taps), a bias, an activation.

    A call may say which lengths its result is to have.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        taps: tuple[int, ...],
        stride: PerAxis = 1,
        padding: PerAxis = 0,
        output_padding: PerAxis = 0,
        dilation: PerAxis = 1,
        groups: int = 1,
        activation: Activation | None = None,
        bias: bool = True,
        weights: Init = init.he_uniform,
        seed: Seed = None,
        dtype: Any = "float32",
    ):
        _check(inputs, outputs, taps, groups)
        shape = (inputs, outputs // groups, *taps)
        super().__init__(shape, outputs, activation, bias, weights, seed, dtype)
        self.stride, self.padding, self.output_padding = stride, padding, output_padding
        self.dilation, self.groups = dilation, groups

    def __call__(self, x: Tensor, lengths: Sequence[Dim] | None = None) -> Tensor:
        more = (self.output_padding, self.dilation, self.groups, lengths)
        return self._finished(conv_transpose(x, self.weight, self.stride, self.padding, *more))


@options_of(Conv)
def conv1d(inputs: int, outputs: int, taps: int, **options: Any) -> Conv:
    """A `Conv` over one spatial axis."""
    return Conv(inputs, outputs, (taps,), **options)


@options_of(Conv)
def conv2d(inputs: int, outputs: int, taps: PerAxis, **options: Any) -> Conv:
    """A `Conv` over two spatial axes; one number of taps stands for both."""
    return Conv(inputs, outputs, per_axis(taps, 2, "taps"), **options)


@options_of(Conv)
def conv3d(inputs: int, outputs: int, taps: PerAxis, **options: Any) -> Conv:
    """A `Conv` over three spatial axes; one number of taps stands for all."""
    return Conv(inputs, outputs, per_axis(taps, 3, "taps"), **options)


class SeparableConv(Layer):
    """A kernel of its own for each channel (`multiplier` for each), then 1 x 1 kernels across
    channels.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        taps: tuple[int, ...],
        stride: PerAxis = 1,
        padding: Padding = "same",
        multiplier: int = 1,
        activation: Activation | None = None,
        bias: bool = True,
        seed: Seed = None,
        dtype: Any = "float32",
    ):
        middle, source = inputs * multiplier, init.generator(seed)
        own = {"stride": stride, "padding": padding, "groups": inputs}
        self.depthwise = Conv(inputs, middle, taps, bias=False, seed=source, dtype=dtype, **own)  # type: ignore[arg-type]
        across = tuple(1 for _ in taps)
        self.pointwise = Conv(
            middle, outputs, across, activation=activation, bias=bias, seed=source, dtype=dtype
        )

    def __call__(self, x: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(x))


class MaxPool(Layer):
    """`max_pool` with these windows."""

    def __init__(self, window: PerAxis, stride: PerAxis | None = None, padding: Padding = "valid"):
        self.window, self.stride, self.padding = window, stride, padding

    def __call__(self, x: Tensor) -> Tensor:
        return max_pool(x, self.window, self.stride, self.padding)


class AveragePool(Layer):
    """`average_pool` with these windows."""

    def __init__(self, window: PerAxis, stride: PerAxis | None = None, padding: Padding = "valid"):
        self.window, self.stride, self.padding = window, stride, padding

    def __call__(self, x: Tensor) -> Tensor:
        return average_pool(x, self.window, self.stride, self.padding)


class LocalConv(Layer):
    """`conv_local` over images of one size (C, *sizes): kernels (*positions, outputs, C, *taps),
    one set for each position and nothing shared; a bias for each output of each position.
    """

    def __init__(
        self,
        image: tuple[int, ...],
        outputs: int,
        taps: tuple[int, ...],
        stride: PerAxis = 1,
        padding: Padding = "valid",
        activation: Activation | None = None,
        bias: bool = True,
        weights: Init = init.he_uniform,
        seed: Seed = None,
        dtype: Any = "float32",
    ):
        channels, *sizes = image
        strides = per_axis(stride, len(sizes), "stride")
        widths = pad_widths(padding, sizes, taps, strides)
        positions = count_positions(sizes, taps, strides, widths)
        shape: Any = (*positions, outputs, channels, *taps)

        def of_each(shape: tuple[int, ...], seed: Seed, dtype: Any) -> Any:
            flat = (math.prod(shape) // (channels * math.prod(taps)), channels, *taps)
            return weights(flat, seed, dtype=dtype).reshape(shape)

        self.weight = variable(first_value(of_each, shape, seed, dtype), "weight")
        own: Any = (outputs, *positions)
        self.bias = variable(init.zeros(own, dtype), "bias") if bias else None
        self.stride, self.padding, self.activation = stride, padding, activation

    def __call__(self, x: Tensor) -> Tensor:
        y = conv_local(x, self.weight, self.stride, self.padding)
        y = y if self.bias is None else y + self.bias
        return y if self.activation is None else self.activation(y)
