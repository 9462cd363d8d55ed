"""How much of the input one output of a stack of convolutions sees."""

from __future__ import annotations

from graphc.nn.convolution import AveragePool, Conv, MaxPool
from graphc.nn.layer import Layer
from graphc.ops.convolutions.convolving import per_axis


def receptive_field(network: Layer, axes: int = 2) -> tuple[int, ...]:
    """How many neighbouring elements of the input, along each spatial axis, one output depends on.

    For layers in a chain (every `Conv`, `MaxPool` and `AveragePool` within `network`, in order):
    1 + sum over layers of (taps - 1) * dilation * product of the strides before.
    """
    fields, jumps = [1] * axes, [1] * axes
    for layer in network.layers():
        shape = _shape(layer, axes)
        if shape is None:
            continue
        for k, (taps, stride, dilation) in enumerate(zip(*shape, strict=True)):
            fields[k] += (taps - 1) * dilation * jumps[k]
            jumps[k] *= stride
    return tuple(fields)


def _shape(layer: Layer, axes: int) -> tuple[tuple[int, ...], ...] | None:
    """Taps, strides and dilations of a layer along each axis; None for one that is pointwise."""
    if isinstance(layer, Conv):
        taps = tuple(d for d in layer.weight.shape[2:] if isinstance(d, int))
        stride = per_axis(layer.stride, axes, "stride")
        return taps, stride, per_axis(layer.dilation, axes, "dilation")
    if isinstance(layer, (MaxPool, AveragePool)):
        taps = per_axis(layer.window, axes, "window")
        stride = taps if layer.stride is None else per_axis(layer.stride, axes, "stride")
        return taps, stride, (1,) * axes
    return None
