"""Optimisers: what a training step makes of parameters and gradients. Also schedules, averages of
weights, line searches, and samplers.
"""

from typing import TYPE_CHECKING

from graphc.optim.accelerated import (
    GradientAverage,
    HeavyBall,
    MaSS,
    Nesterov,
    RestartedNesterov,
    growing_momentum,
    optimal_momentum,
)
from graphc.optim.adaptive import Adadelta, AdaGrad, AdaMax, RMSprop
from graphc.optim.averaging import WeightAverage
from graphc.optim.bilevel import descended, implicit_gradient
from graphc.optim.convexity import convexity_gaps, curvature_gaps
from graphc.optim.curvature import (
    classification_fisher,
    gauss_newton_product,
    hessian_product,
    path_energy,
    path_length,
    regression_fisher,
    trace_estimate,
)
from graphc.optim.games import game_updates
from graphc.optim.krylov import conjugate_gradients, lanczos, power_iteration
from graphc.optim.landscape import (
    curvatures,
    gibbs_shares,
    gradient_square,
    loss_slice,
    random_direction,
)
from graphc.optim.line_search import exact_on_quadratics, wolfe
from graphc.optim.micro_batches import micro_batched
from graphc.optim.optimiser import Optimiser, clip_by_global_norm
from graphc.optim.own_rates import DeltaBarDelta, DeltaDelta, Quickprop, Rprop
from graphc.optim.points import along, joined, parted
from graphc.optim.proximal import ISTA, shrink
from graphc.optim.quasi_newton import BFGS, LBFGS
from graphc.optim.rules import SGD, Adam, AdamW
from graphc.optim.samplers import (
    autocorrelation,
    effective_sample_size,
    hamiltonian,
    invariant_law,
    langevin,
    leapfrog,
    metropolis_hastings,
    random_walk,
)
from graphc.optim.schedules import (
    cosine,
    exponential_decay,
    inverse_time,
    linear,
    piecewise,
    step_decay,
    warm_restarts,
)
from graphc.optim.searching import (
    Plateau,
    coordinate_search,
    difference_slopes,
    evolution,
    minibatches,
    random_search,
    range_test,
)
from graphc.optim.second_order import (
    DiagonalNewton,
    GaussNewton,
    JointOptimiser,
    Newton,
    OuterProductDiagonal,
    Preconditioned,
    SteepestDescent,
    outer_product_hessian,
)
from graphc.optim.sharpness import SharpnessAware
from graphc.optim.stochastic import SGHMC, SGLD, EntropySGD
from graphc.optim.variance_reduced import SAG, SAGA, SVRG

__all__ = [
    "game_updates",
    "SharpnessAware",
    "micro_batched",
    "descended",
    "implicit_gradient",
    "along",
    "classification_fisher",
    "gauss_newton_product",
    "hessian_product",
    "joined",
    "parted",
    "path_energy",
    "path_length",
    "regression_fisher",
    "trace_estimate",
    "convexity_gaps",
    "curvature_gaps",
    "curvatures",
    "gibbs_shares",
    "gradient_square",
    "loss_slice",
    "random_direction",
    "Plateau",
    "coordinate_search",
    "difference_slopes",
    "evolution",
    "minibatches",
    "random_search",
    "range_test",
    "GradientAverage",
    "HeavyBall",
    "MaSS",
    "Nesterov",
    "RestartedNesterov",
    "growing_momentum",
    "optimal_momentum",
    "AdaGrad",
    "AdaMax",
    "Adadelta",
    "RMSprop",
    "WeightAverage",
    "conjugate_gradients",
    "lanczos",
    "power_iteration",
    "exact_on_quadratics",
    "wolfe",
    "Optimiser",
    "clip_by_global_norm",
    "DeltaBarDelta",
    "DeltaDelta",
    "Quickprop",
    "Rprop",
    "ISTA",
    "shrink",
    "BFGS",
    "LBFGS",
    "SGD",
    "Adam",
    "AdamW",
    "autocorrelation",
    "effective_sample_size",
    "hamiltonian",
    "invariant_law",
    "langevin",
    "leapfrog",
    "metropolis_hastings",
    "random_walk",
    "cosine",
    "exponential_decay",
    "inverse_time",
    "linear",
    "piecewise",
    "step_decay",
    "warm_restarts",
    "DiagonalNewton",
    "GaussNewton",
    "JointOptimiser",
    "Newton",
    "OuterProductDiagonal",
    "Preconditioned",
    "SteepestDescent",
    "outer_product_hessian",
    "EntropySGD",
    "SGHMC",
    "SGLD",
    "SAG",
    "SAGA",
    "SVRG",
]


if not TYPE_CHECKING:

    def __getattr__(name: str) -> None:
        from graphc.ir.errors import no_such

        raise AttributeError(no_such("graphc.optim", name, "optim"))

    def __dir__() -> list[str]:
        return sorted(__all__)
