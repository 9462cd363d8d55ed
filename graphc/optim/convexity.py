"""What convexity and bounded curvature mean, as numbers that are then never negative.

Each function takes a scalar function of a vector and two points x and y of it; `vmap` makes it one
of many segments.
"""

from __future__ import annotations

from collections.abc import Callable

from graphc.ir.node import Tensor
from graphc.ops.reduction import sum as total
from graphc.passes.derivatives.differentiate import grad

Function = Callable[[Tensor], Tensor]


def convexity_gaps(f: Function, x: Tensor, y: Tensor) -> dict[str, Tensor]:
    """By name, for d = y - x: "midpoint" (f(x) + f(y)) / 2 - f((x + y) / 2); "tangent"
    f(y) - f(x) - grad f(x).d; "monotone" (grad f(y) - grad f(x)).d. A function is convex if one of
    them, and then each, is never negative.
    """
    here, there = f(x), f(y)
    slope, d = grad(here, x), y - x
    return {
        "midpoint": (here + there) / 2 - f((x + y) / 2),
        "tangent": there - here - total(slope * d),
        "monotone": total((grad(there, y) - slope) * d),
    }


def curvature_gaps(
    f: Function, x: Tensor, y: Tensor, least: float | Tensor, most: float | Tensor, lowest: float
) -> dict[str, Tensor]:
    """By name, for curvatures from `least` (m) to `most` (L), a least value `lowest` and d = y - x:

    "strong" f(y) - f(x) - grad f(x).d - m/2 d.d, for strong convexity; "descent" f(x) +
    grad f(x).d + L/2 d.d - f(y), for smoothness; "coercive" (grad f(y) - grad f(x)).d -
    |grad f(y) - grad f(x)|^2 / L, for both smoothness and convexity; "dominated"
    |grad f(x)|^2 / 2 - m (f(x) - lowest), which strong convexity implies, and by which gradient
    descent converges linearly without convexity too (Polyak, 1963; Lojasiewicz, 1963).
    """
    here, there = f(x), f(y)
    slope, d = grad(here, x), y - x
    change, square = grad(there, y) - slope, total(d * d)
    tangent = there - here - total(slope * d)
    return {
        "strong": tangent - square * least / 2,
        "descent": square * most / 2 - tangent,
        "coercive": total(change * d) - total(change * change) / most,
        "dominated": total(slope * slope) / 2 - (here - lowest) * least,
    }
