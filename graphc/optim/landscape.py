"""The surface of a loss over its parameters: slices, critical points, and the measure on it."""

from __future__ import annotations

from collections.abc import Sequence

from graphc.ir.node import Tensor
from graphc.linalg import eigvalsh, slogdet
from graphc.ops.convert import cast
from graphc.ops.powers import sqrt
from graphc.ops.randomness.distributions import normal
from graphc.ops.randomness.generator import KeyLike, split
from graphc.ops.reduction import sum as total
from graphc.ops.select import where
from graphc.ops.statistics import softmax
from graphc.optim.points import along, joined
from graphc.passes.derivatives.batch import vmap
from graphc.passes.derivatives.differentiate import grad
from graphc.passes.derivatives.jacobian import hessian


def loss_slice(
    loss: Tensor,
    parameters: Sequence[Tensor],
    directions: Sequence[Sequence[Tensor]],
    places: Tensor,
) -> Tensor:
    """The losses f[points] at w + a_1 d_1 + a_2 d_2 + ... for each row a of places f[points, k],
    all in one program. Each of the k directions is a tensor for each of the parameters w.

    One direction from a minimum to another shows what lies between them.
    """
    centre, ways = joined(parameters), [joined(d) for d in directions]

    def at(a: Tensor) -> Tensor:
        moved = centre
        for k, way in enumerate(ways):
            moved = moved + way * cast(a[k], way.dtype)
        return along(loss, parameters, moved)

    result: Tensor = vmap(at)(places)
    return result


def random_direction(key: KeyLike, parameters: Sequence[Tensor]) -> list[Tensor]:
    """A normal draw for each parameter, with the norm that the parameter has, filter by filter: Li
    et al. (2018). 0 for vectors, such as biases.

    A filter is a column of a matrix, and the first index of what has more axes, such as kernels.
    """
    keys = split(key, len(parameters))
    draws = [normal(keys[k], p.shape, dtype=p.dtype) for k, p in enumerate(parameters)]
    return [_like_filters(d, p) for d, p in zip(draws, parameters, strict=True)]


def _like_filters(direction: Tensor, p: Tensor) -> Tensor:
    if p.ndim < 2:
        return direction * 0
    filters = 1 if p.ndim == 2 else 0
    axes = tuple(a for a in range(p.ndim) if a != filters)
    lengths = [sqrt(total(x * x, axis=axes, keepdims=True)) for x in (p, direction)]
    return direction * (lengths[0] / where(lengths[1] > 0, lengths[1], 1.0))


def gradient_square(loss: Tensor, parameters: Sequence[Tensor]) -> Tensor:
    """The squared norm of the gradient: 0 at critical points of every kind, so that minimising it
    finds saddles too.
    """
    squares = [total(g * g) for g in grad(loss, list(parameters))]
    return sum(squares[1:], squares[0])


def curvatures(loss: Tensor, parameters: Sequence[Tensor]) -> Tensor:
    """The ascending eigenvalues of the Hessian by all parameters, joined. How many of them are
    negative is the index of a critical point: 0 at minima.
    """
    x = joined(parameters)
    return eigvalsh(hessian(along(loss, parameters, x), x))


def gibbs_shares(losses: Tensor, hessians: Tensor, beta: float | Tensor) -> Tensor:
    """The shares that minima with losses f[k] and Hessians f[k, n, n] have of the measure
    exp(-beta * loss) for large beta: in proportion to exp(-beta * loss) / sqrt(det H), by Laplace's
    method. Of equal minima the flatter one has more.
    """
    return softmax(-beta * losses - slogdet(hessians)[1] / 2, axis=-1)
