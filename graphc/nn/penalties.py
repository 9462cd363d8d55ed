"""Penalties of weights and of derivatives, to be added to a loss; each a scalar."""

from __future__ import annotations

import math
from collections.abc import Mapping

from graphc.ir.errors import GraphError
from graphc.ir.node import Tensor
from graphc.ops.arithmetic import absolute
from graphc.ops.exponential import exp, log, log1p
from graphc.ops.joining import concat
from graphc.ops.layout import expand_dims, reshape
from graphc.ops.powers import power, sqrt
from graphc.ops.reduction import sum
from graphc.ops.select import where
from graphc.ops.statistics import log_softmax, logsumexp, mean
from graphc.passes.derivatives.differentiate import grad
from graphc.passes.derivatives.jacobian import jacobian


def l2(w: Tensor) -> Tensor:
    """Half the sum of squares: minus the log of a normal prior, but for a constant."""
    return 0.5 * sum(w * w)


def lp(w: Tensor, p: float = 1.0) -> Tensor:
    """The sum of abs(w)**p; its gradient is 0 where w is. p = 1 stands for a Laplace prior."""
    if p <= 0:
        raise GraphError(f"the power of a penalty is positive, not {p}")
    zero = w == 0
    return sum(where(zero, 0, power(absolute(where(zero, 1, w)), p)))


def cauchy(w: Tensor) -> Tensor:
    """The sum of log(1 + w²): minus the log of a Cauchy prior, but for a constant."""
    return sum(log1p(w * w))


def weight_elimination(w: Tensor, scale: float = 0.2) -> Tensor:
    """The sum of u / (1 + u) with u = (w / scale)²: about the number of weights above `scale`
    (Weigend, Rumelhart and Huberman, 1991).
    """
    u = (w / scale) ** 2
    return sum(u / (1 + u))


def soft_sharing(w: Tensor, logits: Tensor, means: Tensor, log_scales: Tensor) -> Tensor:
    """Minus the log density of all weights under a mixture of normals, given by the logits of its
    shares, its means and its log standard deviations, which may be learnt (Nowlan and Hinton,
    1992).
    """
    z = (expand_dims(reshape(w, -1), 1) - means) * exp(-log_scales)
    parts = log_softmax(logits) - log_scales - 0.5 * math.log(2 * math.pi) - 0.5 * z * z
    return -sum(logsumexp(parts, axis=1))


def flatness(outputs: Tensor, weights: list[Tensor], tolerance: float) -> Tensor:
    """How many nats the weights need so that these outputs (a vector) stay within a tolerance:
    small at flat minima (Hochreiter and Schmidhuber, 1997).
    """
    parts = [reshape(jacobian(outputs, w), (outputs.shape[0], -1)) for w in weights]
    J = concat(parts, axis=1)
    count = J.shape[1]
    assert isinstance(count, int), "weights have known sizes"
    squares = sum(J * J, 0)
    widths = sum(absolute(J) / sqrt(squares), 1)
    box = count * log(sum(widths * widths))
    return 0.5 * (sum(log(squares)) + box - count * math.log(tolerance))


def smoothness(y: Tensor, x: Tensor, order: int = 1) -> Tensor:
    """The sum of squares of the gradient of sum(y) for x; with order 2, of that gradient's, which
    is the second derivative of an elementwise function.
    """
    slope = y
    for _ in range(order):
        slope = grad(sum(slope), x)
    return sum(slope * slope)


def slowness(features: Tensor) -> Tensor:
    """The mean square of the change of features (T, ...) from one time to the next: small for what
    lasts, so that something else must keep them from being constant.
    """
    move = features[1:] - features[:-1]
    return mean(move * move)


def scaled_penalty(
    grads: Mapping[str, Tensor], penalties: Mapping[str, Tensor], rate: float
) -> dict[str, Tensor]:
    """Gradients of a loss plus those of a penalty, these scaled together to `rate` times the norm
    of the first; nothing is added where the penalty is flat.
    """
    size, length = _norm(grads), _norm(penalties)
    flat = length == 0
    factor = where(flat, 0, rate * size / where(flat, 1, length))
    return {name: g + penalties[name] * factor for name, g in grads.items()}


def _norm(parts: Mapping[str, Tensor]) -> Tensor:
    squares = [sum(g * g) for g in parts.values()]
    result = squares[0]
    for square in squares[1:]:
        result = result + square
    return sqrt(result)
