"""Exponentials and logarithms, and the smooth steps and ramps made of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphc.ir.dtypes import FLOATS
from graphc.ir.node import Node, Tensor
from graphc.ops.arithmetic import less_square, negative
from graphc.ops.classify import isinf
from graphc.ops.convert import TensorLike
from graphc.ops.elementwise import Elementwise, Sampler, elementwise, uniform
from graphc.ops.select import where


def function(
    name: str,
    reference: Callable[..., Any],
    grad: Callable[[Node, Tensor], Sequence[Tensor | None]],
    sample: Sequence[Sampler],
    doc: str,
    calls: str | None = None,
    flops: int = 20,
) -> Elementwise:
    """An op of floats (integers are converted) that is one function `calls` of the math library."""
    return elementwise(
        name,
        reference=reference,
        emit=lambda b, *xs: b.math(calls or name, *xs),
        grad=grad,
        takes=FLOATS,
        floating=True,
        sample=sample,
        flops=flops,
        doc=doc,
    )


exp = function(
    "exp",
    np.exp,
    lambda node, g: (g * node.outputs[0],),
    uniform(-4, 4),
    "e to the power x",
)
exp2 = function(
    "exp2",
    np.exp2,
    lambda node, g: (g * node.outputs[0] * math.log(2),),
    uniform(-4, 4),
    "2 to the power x",
)
expm1 = function(
    "expm1",
    np.expm1,
    lambda node, g: (g * (node.outputs[0] + 1),),
    uniform(-2, 2),
    "exp(x) - 1, exact for small x too",
)
log = function(
    "log",
    np.log,
    lambda node, g: (g / node.inputs[0],),
    uniform(0.1, 9),
    "The natural logarithm; -inf at 0, NaN below",
)
log2 = function(
    "log2",
    np.log2,
    lambda node, g: (g / (node.inputs[0] * math.log(2)),),
    uniform(0.1, 9),
    "The logarithm to base 2",
)
log10 = function(
    "log10",
    np.log10,
    lambda node, g: (g / (node.inputs[0] * math.log(10)),),
    uniform(0.1, 9),
    "The logarithm to base 10",
)
log1p = function(
    "log1p",
    np.log1p,
    lambda node, g: (g / (node.inputs[0] + 1),),
    uniform(-0.8, 4),
    "log(1 + x), exact for small x too",
)


def _sigmoid_reference(x: Any) -> Any:
    small = np.exp(-np.abs(x))
    return np.where(x < 0, small, 1) / (1 + small)


sigmoid = function(
    "sigmoid",
    _sigmoid_reference,
    lambda node, g: (g * less_square(node.outputs[0], node.outputs[0]),),
    uniform(-6, 6),
    "1 / (1 + exp(-x))",
)
softplus = function(
    "softplus",
    lambda x: np.logaddexp(x, x.dtype.type(0)),
    lambda node, g: (g * sigmoid(node.inputs[0]),),
    uniform(-6, 6),
    "log(1 + exp(x)), without overflow",
)


def log_sigmoid(x: TensorLike) -> Tensor:
    """log(sigmoid(x)), without underflow."""
    return -softplus(negative(x))


def _emit_logaddexp(b: Any, x: Any, y: Any) -> Any:
    """Equal operands apart, as the difference of equal infinities is NaN."""
    distance = b.absolute(x - y)
    above = b.maximum(x, y) + b.math("log1p", b.math("exp", -distance))
    return b.select(b.equal(x, y), x + math.log(2), above)


def _logaddexp_grad(node: Node, g: Tensor) -> Sequence[Tensor | None]:
    x, y = node.inputs
    lead = where(isinf(x) & (x == y), 0, x - y)
    return g * sigmoid(lead), g * sigmoid(-lead)


logaddexp = elementwise(
    "logaddexp",
    reference=np.logaddexp,
    emit=_emit_logaddexp,
    grad=_logaddexp_grad,
    takes=FLOATS,
    floating=True,
    sample=uniform(-4, 4, 2),
    flops=45,
    doc="log(exp(x) + exp(y)), without overflow",
)
