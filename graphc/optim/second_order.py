"""Newton's method and its relatives."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

from graphc.ir.node import Tensor
from graphc.linalg import solve
from graphc.ops.axes import matrix_transpose
from graphc.ops.diagonal import diagonal, eye
from graphc.ops.extent import extent
from graphc.ops.joining import concat
from graphc.ops.layout import reshape
from graphc.ops.linear.contraction import matmul
from graphc.ops.powers import rsqrt
from graphc.ops.statistics import mean
from graphc.optim.accelerated import Parameters
from graphc.optim.krylov import conjugate_gradients
from graphc.optim.line_search import LineSearch
from graphc.optim.optimiser import Optimiser, Rate, those_of
from graphc.optim.points import along, joined, parted
from graphc.passes.derivatives.differentiate import grad, hvp
from graphc.passes.derivatives.jacobian import hessian, jacobian


class JointOptimiser(Optimiser):
    """Base of optimisers that take all parameters as one vector x: a subclass gives the direction.

    The step is lr times the direction, or as long as `search` finds.
    """

    def __init__(self, lr: Rate = 1.0, search: LineSearch | None = None):
        super().__init__(lr)
        self.search = search

    def updates(self, loss: Tensor, parameters: Parameters) -> dict[Tensor, Tensor]:
        named = those_of(loss, parameters)
        self.remember(named)
        params = list(named.values())
        x = joined(params)

        def f(y: Tensor) -> Tensor:
            return along(loss, params, y)

        g = grad(f(x), x)
        new, slots = self.move(f, x, g)
        result = dict(zip(params, parted(new, params), strict=True)) | slots
        if self._count is not None:
            result[self._count] = self._count + 1
        return result

    def move(
        self, f: Callable[[Tensor], Tensor], x: Tensor, g: Tensor
    ) -> tuple[Tensor, dict[Tensor, Tensor]]:
        """The next x, now with gradient g of f, and new values of slots."""
        return x + self.stride(f, x, g, self.direction(f, x, g)), {}

    def stride(
        self, f: Callable[[Tensor], Tensor], x: Tensor, g: Tensor, direction: Tensor
    ) -> Tensor:
        """The direction at the length to go."""
        if self.search is None:
            return direction * self.rate(x.dtype)
        return direction * self.search(f, x, g, direction)

    def direction(self, f: Callable[[Tensor], Tensor], x: Tensor, g: Tensor) -> Tensor:
        """Where to go from x, where f has the gradient g."""
        raise NotImplementedError(type(self).__name__)


class SteepestDescent(JointOptimiser):
    """The way of the negative gradient, as far as a line search says."""

    def direction(self, f: Callable[[Tensor], Tensor], x: Tensor, g: Tensor) -> Tensor:
        return -g


class Newton(JointOptimiser):
    """x - (H + damping)^-1 g. It is drawn to saddles and maxima unless damping makes H positive.

    `by` "solve" builds the Hessian; "cg" solves by `iterations` of conjugate gradients on products
    of the Hessian with vectors, and never stores it.
    """

    def __init__(
        self,
        lr: Rate = 1.0,
        damping: float = 0.0,
        by: Literal["solve", "cg"] = "solve",
        iterations: int = 50,
        search: LineSearch | None = None,
    ):
        super().__init__(lr, search)
        self.damping, self.by, self.iterations = damping, by, iterations

    def direction(self, f: Callable[[Tensor], Tensor], x: Tensor, g: Tensor) -> Tensor:
        if self.by == "solve":
            damping = eye(x.shape[0], dtype=x.dtype) * self.damping
            newton: Tensor = solve(hessian(f(x), x) + damping, g)
            return -newton

        def product(v: Tensor) -> Tensor:
            bent: Tensor = hvp(f(x), x, v)
            return bent + v * self.damping

        return -conjugate_gradients(product, g, self.iterations)


class DiagonalNewton(JointOptimiser):
    """Each element's gradient over its second derivative: exact where elements do not interact."""

    def direction(self, f: Callable[[Tensor], Tensor], x: Tensor, g: Tensor) -> Tensor:
        return -g / diagonal(hessian(f(x), x))


class Preconditioned(JointOptimiser):
    """x - lr * P g: gradient descent on y, where x = R y and P = R R^T."""

    def __init__(self, matrix: Tensor, lr: Rate = 1.0, search: LineSearch | None = None):
        super().__init__(lr, search)
        self.matrix = matrix

    def direction(self, f: Callable[[Tensor], Tensor], x: Tensor, g: Tensor) -> Tensor:
        return -matmul(self.matrix, g)


class GaussNewton(JointOptimiser):
    """x - (J^T J + damping)^-1 J^T r for the loss sum(r**2) / 2; `updates` takes the residuals r,
    a vector.
    """

    def __init__(self, lr: Rate = 1.0, damping: float = 0.0):
        super().__init__(lr)
        self.damping = damping

    def updates(self, loss: Tensor, parameters: Parameters) -> dict[Tensor, Tensor]:
        params = list(those_of(loss, parameters).values())
        j = rows(loss, params)
        jt = matrix_transpose(j)
        square = matmul(jt, j) + eye(j.shape[1], dtype=j.dtype) * self.damping
        change = solve(square, matmul(jt, loss)) * self.rate(j.dtype)
        return dict(zip(params, parted(joined(params) - change, params), strict=True))


class OuterProductDiagonal(JointOptimiser):
    """p - lr * G^-1/2 g, where G is the mean over the samples of their squared gradients (plus
    eps), and g that of their gradients; `updates` takes the losses of the samples, a vector.
    """

    def __init__(self, lr: Rate, eps: float = 1e-12):
        super().__init__(lr)
        self.eps = eps

    def updates(self, loss: Tensor, parameters: Parameters) -> dict[Tensor, Tensor]:
        params = list(those_of(loss, parameters).values())
        each = rows(loss, params)
        scale = rsqrt(mean(each * each, axis=0) + self.eps)
        change = mean(each, axis=0) * scale * self.rate(each.dtype)
        return dict(zip(params, parted(joined(params) - change, params), strict=True))


def rows(values: Tensor, parameters: Iterable[Tensor]) -> Tensor:
    """The gradients of the elements of a vector f[n] by all parameters, joined: f[n, elements]."""
    params = list(parameters)
    parts = [jacobian(values, p) for p in params]
    flat = [reshape(j, (j.shape[0], -1)) for j in parts]
    return concat(flat, axis=1)


def outer_product_hessian(losses: Tensor, parameters: Iterable[Tensor]) -> Tensor:
    """The mean over samples of g g^T, the outer products of their gradients: the Hessian of a
    likelihood at the truth.
    """
    g = rows(losses, parameters)
    return matmul(matrix_transpose(g), g) / extent(g.shape[0], g.dtype)
