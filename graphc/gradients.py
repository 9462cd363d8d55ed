"""Derivatives of graphs, as graphs.

    x = gc.placeholder("x", ("n", 3))
    w = gc.variable(np.ones((3, 1)), "w")
    loss = gc.mean((x @ w) ** 2)

    gc.grad(loss, w)                       # a tensor of w's type; wrt may be a list, tuple or dict
    gc.vjp(x @ w, w, cotangent)            # reverse mode: cotangent . Jacobian
    gc.jvp(x @ w, w, tangent)              # forward mode: Jacobian . tangent
    gc.hvp(loss, w, vector)                # Hessian . vector, without the Hessian
    gc.jacobian(x @ w, w)                  # axes of the output, then of w
    gc.hessian(loss, w)                    # axes of w twice
    gc.vmap(lambda row: gc.grad(f(row, w), w))(x)   # a gradient for each row
    gc.checkpoint(block)(x)                # recompute the block's inner values in the gradient

Results are tensors of the same graph: they can be differentiated again, mapped and compiled.
"""

from graphc.gradient_rules import custom_gradient
from graphc.ops.custom import stop_gradient
from graphc.passes.derivatives.batch import vmap
from graphc.passes.derivatives.checkpoint import checkpoint
from graphc.passes.derivatives.differentiate import grad, hvp, jvp, vjp
from graphc.passes.derivatives.jacobian import hessian, jacobian

__all__ = [
    "checkpoint",
    "custom_gradient",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "stop_gradient",
    "vjp",
    "vmap",
]
