"""Pictures of what networks respond to."""

from __future__ import annotations

from collections.abc import Callable

from graphc.control import scan
from graphc.gradient_rules import custom_gradient
from graphc.ir.node import Tensor
from graphc.ops.activations import relu
from graphc.ops.powers import rsqrt
from graphc.ops.reduction import sum
from graphc.ops.select import where
from graphc.passes.derivatives.differentiate import grad


def ascend(
    score: Callable[[Tensor], Tensor],
    x: Tensor,
    rate: float,
    steps: int,
    decay: float = 0.0,
    change: Callable[[Tensor], Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """x after `steps` steps of length `rate` up the gradient of the scalar score(x), and the score
    before each of them (steps,): activation maximisation, Erhan et al. (2009).

    Every step takes the part `decay` of x away first, a prior for small values; `change`, if given,
    then blurs or moves the image.
    """

    def step(x: Tensor, _: None) -> tuple[Tensor, Tensor]:
        value = score(x)
        g = grad(value, x)
        direction = g * rsqrt(sum(g * g) + 1e-30)
        new = x * (1 - decay) + rate * direction
        return (new if change is None else change(new)), value

    last, values = scan(step, x, length=steps)
    return last, values


def _deconvolved(
    inputs: tuple[Tensor, ...], outputs: object, gs: tuple[Tensor, ...]
) -> list[Tensor]:
    return [relu(gs[0])]


def _guided(inputs: tuple[Tensor, ...], outputs: object, gs: tuple[Tensor, ...]) -> list[Tensor]:
    return [where(inputs[0] > 0, relu(gs[0]), 0)]


def deconv_relu(x: Tensor) -> Tensor:
    """relu whose backward signal is rectified and not gated: with it in place of relu, the gradient
    of a unit for the image is the picture of a deconvolutional network (Zeiler and Fergus, 2014).
    The gradient of a convolution is the one with transposed kernels, that of a maximum goes back to
    the place it came from.
    """
    return _deconv_relu(x)


def guided_relu(x: Tensor) -> Tensor:
    """relu whose backward signal is gated and rectified: Springenberg et al. (2015)."""
    return _guided_relu(x)


_deconv_relu: Callable[[Tensor], Tensor] = custom_gradient(relu, _deconvolved)
_guided_relu: Callable[[Tensor], Tensor] = custom_gradient(relu, _guided)
