"""How far to go in a direction."""

from __future__ import annotations

from collections.abc import Callable

from graphc.control import while_loop
from graphc.ir.node import Tensor
from graphc.ops.convert import cast
from graphc.ops.logic import logical_and, logical_not
from graphc.ops.reduction import sum as total
from graphc.ops.select import where
from graphc.ops.source import constant
from graphc.passes.derivatives.differentiate import grad, hvp

Function = Callable[[Tensor], Tensor]
LineSearch = Callable[[Function, Tensor, Tensor, Tensor], Tensor]


def exact_on_quadratics(f: Function, x: Tensor, gradient: Tensor, direction: Tensor) -> Tensor:
    """The minimum of the parabola that f has along the direction: -g.d / d.Hd; 0 where the
    direction is flat.
    """
    bend = total(direction * hvp(f(x), x, direction))
    return where(bend > 0, -total(gradient * direction) / where(bend > 0, bend, 1.0), 0 * bend)


def wolfe(decrease: float = 1e-4, curvature: float = 0.9, most: int = 40) -> LineSearch:
    """A search for a step that meets the weak Wolfe conditions: f falls by at least `decrease` of
    what the first slope promises, and the slope has risen to at most `curvature` of it.

    By doubling and bisection (Lewis and Overton, 2013), at most `most` trials.
    """

    def search(f: Function, x: Tensor, gradient: Tensor, direction: Tensor) -> Tensor:
        value, slope = f(x), total(gradient * direction)

        def trial(t: Tensor) -> tuple[Tensor, Tensor]:
            y = x + direction * t
            loss = f(y)
            low = loss <= value + t * slope * decrease
            return low, total(grad(loss, y) * direction) >= slope * curvature

        def going(state: tuple[Tensor, ...]) -> Tensor:
            t, _, _, count = state
            return logical_and(count < most, logical_not(logical_and(*trial(t))))

        def narrower(state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            t, below, above, count = state
            low, _ = trial(t)
            below, above = where(low, t, below), where(low, above, t)
            bounded = above >= 0
            middle = where(bounded, (below + above) / 2, below * 2)
            return middle, below, above, count + 1

        one = 0 * slope + 1
        start = (one, 0 * one, -one, constant(0, "int64"))
        return cast(while_loop(going, narrower, start)[0], x.dtype)

    return search
