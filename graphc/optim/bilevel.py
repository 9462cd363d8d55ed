"""Gradients of what training leads to, with respect to what it was given: penalties, rates, weights
of samples, architectures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from graphc.control import scan
from graphc.ir.node import Tensor
from graphc.ops.convert import TensorLike
from graphc.ops.custom import stop_gradient
from graphc.ops.reduction import sum as total
from graphc.optim.krylov import conjugate_gradients
from graphc.optim.points import joined, parted
from graphc.passes.derivatives.differentiate import grad


def descended(
    loss: Callable[..., Tensor], start: Sequence[Tensor], rate: TensorLike, steps: int
) -> list[Tensor]:
    """Weights after so many steps of gradient descent from `start` on loss(*weights): one loop,
    through which gradients flow to the start, the rate, and whatever else the loss reads.
    """

    def step(weights: list[Tensor], _: None) -> tuple[list[Tensor], None]:
        slopes = grad(loss(*weights), weights)
        return [w - rate * g for w, g in zip(weights, slopes, strict=True)], None

    return scan(step, list(start), length=steps)[0]  # type: ignore[no-any-return]


def implicit_gradient(
    training: Tensor,
    validation: Tensor,
    weights: Sequence[Tensor],
    hyper: Sequence[Tensor],
    iterations: int = 50,
    tolerance: float = 1e-12,
) -> list[Tensor]:
    """The gradient of the validation loss for `hyper` where the weights are a minimum of the
    training loss, without a trace of how they got there (Bengio, 2000):

        ∂L_val/∂θ - ∂²L_tr/∂θ∂w (∂²L_tr/∂w²)⁻¹ ∂L_val/∂w,

    the inverse by conjugate gradients on Hessian-vector products. The Hessian of the training loss
    must be positive definite.
    """
    slopes = grad(training, list(weights))

    def product(v: Tensor) -> Tensor:
        parts = parted(v, weights)
        along = [total(s * part) for s, part in zip(slopes, parts, strict=True)]
        return joined(grad(sum(along[1:], along[0]), list(weights)))

    outer = joined(grad(validation, list(weights)))
    solved = stop_gradient(conjugate_gradients(product, outer, iterations, tolerance))
    mixed = [total(s * v) for s, v in zip(slopes, parted(solved, weights), strict=True)]
    direct = grad(validation, list(hyper))
    through = grad(sum(mixed[1:], mixed[0]), list(hyper))
    return [d - t for d, t in zip(direct, through, strict=True)]
