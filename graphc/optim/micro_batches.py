"""Gradients of a batch that is too large for memory, from parts of it one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from graphc.control import scan
from graphc.ir.node import Tensor
from graphc.ops.creation import zeros_like
from graphc.ops.extent import extent
from graphc.ops.statistics import mean
from graphc.passes.derivatives.differentiate import grad


def micro_batched(
    loss: Callable[..., Tensor],
    parameters: Mapping[str, Tensor],
    parts: Sequence[Tensor],
) -> tuple[Tensor, dict[str, Tensor]]:
    """The mean of loss(*part) over the parts of a batch, and its gradients by name, which are those
    of the whole batch if the loss is a mean over samples and no layer mixes them (as batch norm
    does). Only one part's activations are in memory at a time: Huang et al. (2019).

    Each of `parts` has the parts along its first axis and samples along the second. The gradients
    are for `Optimiser.apply`.
    """
    names = list(parameters)

    def step(sums: list[Tensor], part: list[Tensor]) -> tuple[list[Tensor], Tensor]:
        value = loss(*part)
        grads = grad(value, [parameters[name] for name in names])
        return [s + g for s, g in zip(sums, grads, strict=True)], value

    start = [zeros_like(parameters[name]) for name in names]
    sums, values = scan(step, start, list(parts))
    count = extent(values.shape[0], values.dtype)
    return mean(values), {name: s / count for name, s in zip(names, sums, strict=True)}
