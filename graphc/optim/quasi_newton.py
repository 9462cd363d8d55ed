"""Hessians learnt from the gradients on the way."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from graphc.control import scan
from graphc.ir.node import Tensor
from graphc.ops.joining import concat
from graphc.ops.layout import reshape
from graphc.ops.linear.contraction import matmul, outer
from graphc.ops.reduction import sum as total
from graphc.ops.select import where
from graphc.optim.line_search import LineSearch, wolfe
from graphc.optim.optimiser import Rate
from graphc.optim.second_order import JointOptimiser
from graphc.passes.derivatives.differentiate import grad

Function = Callable[[Tensor], Tensor]


class BFGS(JointOptimiser):
    """Broyden, Fletcher, Goldfarb and Shanno (1970): x - H g, where H becomes
    (I - r s y^T) H (I - r y s^T) + r s s^T with s the step, y the change of the gradient, r = 1 /
    s.y, where that is positive.

    Steps are as long as `search` finds (None: lr). H begins as the identity.
    """

    def __init__(self, search: LineSearch | None = wolfe(), lr: Rate = 1.0):  # noqa: B008  # frozen
        super().__init__(lr, search)

    def move(self, f: Function, x: Tensor, g: Tensor) -> tuple[Tensor, dict[Tensor, Tensor]]:
        n = x.shape[0]
        assert isinstance(n, int)
        inverse = self.slot("all", "inverse", x, np.eye(n))
        new = x + self.stride(f, x, g, -matmul(inverse, g))
        s, y = new - x, grad(f(new), new) - g
        return new, {inverse: self._learnt(inverse, s, y)}

    def _learnt(self, inverse: Tensor, s: Tensor, y: Tensor) -> Tensor:
        sy, hy = total(s * y), matmul(inverse, y)
        r = _reciprocal(sy)
        grown = outer(s, s) * (r + r * r * total(y * hy))
        return inverse + where(r > 0, grown - (outer(s, hy) + outer(hy, s)) * r, 0 * inverse)


class LBFGS(JointOptimiser):
    """BFGS with the last `memory` pairs of step and change of the gradient instead of a matrix:
    Liu and Nocedal (1989).

    With `scaled` the matrix before them is s.y / y.y of the last pair times the identity, without
    it the identity: then it is BFGS for the first `memory` steps.
    """

    def __init__(
        self,
        memory: int = 10,
        search: LineSearch | None = wolfe(),  # noqa: B008  # frozen
        lr: Rate = 1.0,
        scaled: bool = True,
    ):
        super().__init__(lr, search)
        self.memory, self.scaled = memory, scaled

    def move(self, f: Function, x: Tensor, g: Tensor) -> tuple[Tensor, dict[Tensor, Tensor]]:
        empty = np.zeros((self.memory, 1))
        steps = self.slot("all", "steps", x, empty)
        changes = self.slot("all", "changes", x, empty)
        new = x + self.stride(f, x, g, -self._product(steps, changes, g))
        s, y = new - x, grad(f(new), new) - g
        good = total(s * y) > 0
        return new, {
            steps: where(good, _pushed(steps, s), steps),
            changes: where(good, _pushed(changes, y), changes),
        }

    def _product(self, steps: Tensor, changes: Tensor, g: Tensor) -> Tensor:
        """The inverse Hessian times g, by two loops over the pairs, oldest first."""
        weights = _reciprocal(total(steps * changes, axis=1))

        def back(q: Tensor, pair: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor]:
            s, y, r = pair
            a = r * total(s * q)
            return q - y * a, a

        def forth(q: Tensor, pair: tuple[Tensor, Tensor, Tensor, Tensor]) -> tuple[Tensor, None]:
            s, y, r, a = pair
            return q + s * (a - r * total(y * q)), None

        q, a = scan(back, g, (steps, changes, weights), reverse=True)
        if self.scaled:
            s, y = steps[-1], changes[-1]
            size = total(y * y)
            q = q * where(size > 0, total(s * y) / where(size > 0, size, 1.0), 1.0)
        return scan(forth, q, (steps, changes, weights, a))[0]  # type: ignore[no-any-return]


def _pushed(rows: Tensor, row: Tensor) -> Tensor:
    return concat([rows[1:], reshape(row, (1, -1))])


def _reciprocal(x: Tensor) -> Tensor:
    """1 / x where x is positive, else 0."""
    return where(x > 0, 1 / where(x > 0, x, 1.0), 0 * x)
