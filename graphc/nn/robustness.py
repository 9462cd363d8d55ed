"""Inputs that a model finds hard: moved a little, as far as a ball allows, to raise its loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from graphc.control import scan
from graphc.ir.errors import GraphError
from graphc.ir.node import Tensor
from graphc.linalg import matrix_norm
from graphc.ops.arithmetic import minimum, sign
from graphc.ops.custom import stop_gradient
from graphc.ops.powers import sqrt
from graphc.ops.reduction import sum as total
from graphc.ops.select import clip, where
from graphc.passes.derivatives.differentiate import grad

Norm = Literal["inf", "2"]
Losses = Callable[[Tensor], Tensor]


def fast_gradient_sign(loss: Tensor, x: Tensor, radius: float | Tensor) -> Tensor:
    """x + radius * sign(gradient of the loss by x): the worst of the cube around x to first order
    (Goodfellow et al., 2015). It counts as a constant, so that a model can be trained on it.
    """
    slope: Tensor = grad(loss, x)
    return stop_gradient(x + sign(slope) * radius)


def projected_ascent(
    losses: Losses,
    x: Tensor,
    radius: float | Tensor,
    rate: float | Tensor,
    steps: int,
    norm: Norm = "inf",
) -> Tensor:
    """Rows x moved by steps of length `rate` up the gradient of their losses, put back into the
    ball around where they began after each: Madry et al. (2018). It counts as a constant.

    In the norm "inf" a step is along the gradient's sign and the ball is a cube; in "2" it is along
    the gradient, row by row (axis 0 counts rows).
    """
    if norm not in ("inf", "2"):
        raise GraphError(f"the norm is 'inf' or '2', not {norm!r}")
    begin = stop_gradient(x)

    def step(d: Tensor, _: None) -> tuple[Tensor, None]:
        moved = begin + d
        slope: Tensor = grad(total(losses(moved)), moved)
        if norm == "inf":
            return clip(d + sign(slope) * rate, -radius, radius), None
        length = _lengths(slope)
        d = d + slope * (rate / where(length > 0, length, 1.0))
        reached = _lengths(d)
        return d * minimum(radius / where(reached > 0, reached, 1.0), 1.0), None

    return stop_gradient(begin + scan(step, 0 * begin, length=steps)[0])


def _lengths(x: Tensor) -> Tensor:
    return sqrt(total(x * x, axis=tuple(range(1, x.ndim)), keepdims=True))


def lipschitz_bound(weights: Sequence[Tensor]) -> Tensor:
    """The product of the largest singular values of matrices: no network of them, with activations
    whose slopes are at most 1, changes its output by more than that times the change of its input.
    """
    norms = [matrix_norm(w, 2) for w in weights]
    bound = norms[0]
    for norm in norms[1:]:
        bound = bound * norm
    return bound
