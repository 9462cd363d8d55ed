"""Markov chains that sample a density: each is one native loop over its steps.

A state may hold many chains along its first axes: a log density then gives one number for each, and
each is accepted or rejected by itself.
"""

from __future__ import annotations

from collections.abc import Callable

from graphc.control import scan
from graphc.ir.errors import ShapeError
from graphc.ir.node import Tensor
from graphc.linalg import solve
from graphc.ops.axes import matrix_transpose
from graphc.ops.comparison import equal
from graphc.ops.convert import as_operand, cast
from graphc.ops.cumulative import cumprod
from graphc.ops.diagonal import eye
from graphc.ops.exponential import log
from graphc.ops.extent import extent
from graphc.ops.indexing.gather import take
from graphc.ops.layout import reshape
from graphc.ops.powers import sqrt
from graphc.ops.randomness.distributions import normal, uniform
from graphc.ops.randomness.generator import KeyLike, split
from graphc.ops.reduction import sum as total
from graphc.ops.select import where
from graphc.ops.source import iota
from graphc.ops.statistics import mean
from graphc.passes.derivatives.differentiate import grad

LogDensity = Callable[[Tensor], Tensor]
Proposal = Callable[[Tensor, Tensor], Tensor]


def metropolis_hastings(
    log_density: LogDensity,
    propose: Proposal,
    start: Tensor,
    key: KeyLike,
    steps: int,
    log_proposal: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """(states after each step, whether each proposal was accepted): Hastings (1970), in log space,
    so that the density needs no normaliser.

    propose: a new state from a key and the state. log_proposal(new, old): the log density of
    proposing `new` at `old`; None for symmetric proposals.
    """

    def step(state: Tensor, draw: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        keys = split(draw, 2)
        new = propose(keys[0], state)
        ratio = log_density(new) - log_density(state)
        if log_proposal is not None:
            ratio = ratio + log_proposal(state, new) - log_proposal(new, state)
        return _decide(keys[1], ratio, new, state)

    return scan(step, start, split(key, steps))[1]  # type: ignore[no-any-return]


def random_walk(scale: float) -> Proposal:
    """The state plus normal noise of this deviation: a symmetric proposal."""
    return lambda key, x: x + normal(key, x.shape, std=scale, dtype=x.dtype)


def langevin(
    log_density: LogDensity,
    start: Tensor,
    rate: float | Tensor,
    key: KeyLike,
    steps: int,
    adjusted: bool = False,
) -> tuple[Tensor, Tensor]:
    """(states after each step, whether each was accepted): w + rate / 2 * gradient + N(0, rate).

    Not `adjusted`, every step is taken, and the chain's law is off by O(rate); adjusted, steps are
    proposals of a Metropolis chain whose law is exact (Roberts and Tweedie, 1996).
    """
    pace = as_operand(rate, start.dtype)

    def drift(x: Tensor) -> Tensor:
        slope: Tensor = grad(total(log_density(x)), x)
        return x + slope * (pace / 2)

    def propose(key: Tensor, x: Tensor) -> Tensor:
        return drift(x) + normal(key, x.shape, std=sqrt(pace), dtype=x.dtype)

    def log_proposal(new: Tensor, old: Tensor) -> Tensor:
        gap = (new - drift(old)) ** 2 / (-2 * pace)
        return total(gap, axis=tuple(range(log_density(old).ndim, gap.ndim)))

    if adjusted:
        return metropolis_hastings(log_density, propose, start, key, steps, log_proposal)

    def step(x: Tensor, draw: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        new = propose(draw, x)
        return new, (new, log_density(new) == log_density(new))

    return scan(step, start, split(key, steps))[1]  # type: ignore[no-any-return]


def leapfrog(
    potential: LogDensity, q: Tensor, p: Tensor, size: float | Tensor, leaps: int
) -> tuple[Tensor, Tensor]:
    """Positions and momenta after `leaps` steps of length `size` of the leapfrog integrator, which
    preserves volume and can be run backwards.
    """

    def slope(x: Tensor) -> Tensor:
        found: Tensor = grad(total(potential(x)), x)
        return found

    def leap(state: tuple[Tensor, Tensor], _: None) -> tuple[tuple[Tensor, Tensor], None]:
        x, v = state
        v = v - slope(x) * (size / 2)
        x = x + v * size
        return (x, v - slope(x) * (size / 2)), None

    return scan(leap, (q, p), length=leaps)[0]  # type: ignore[no-any-return]


def hamiltonian(
    potential: LogDensity, start: Tensor, size: float | Tensor, leaps: int, key: KeyLike, steps: int
) -> tuple[Tensor, Tensor]:
    """(states after each step, whether each was accepted) of Hamiltonian Monte Carlo (Duane et al.,
    1987) for the density exp(-potential): normal momenta, leapfrog steps, Metropolis's decision.
    """

    def energy(q: Tensor, p: Tensor) -> Tensor:
        u = potential(q)
        return u + total(p * p, axis=tuple(range(u.ndim, p.ndim))) * 0.5

    def step(q: Tensor, draw: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        keys = split(draw, 2)
        p = normal(keys[0], q.shape, dtype=q.dtype)
        new_q, new_p = leapfrog(potential, q, p, size, leaps)
        return _decide(keys[1], energy(q, p) - energy(new_q, new_p), new_q, q)

    return scan(step, start, split(key, steps))[1]  # type: ignore[no-any-return]


def _decide(
    key: Tensor, log_ratio: Tensor, new: Tensor, old: Tensor
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """The next state, and it with the decision, where `new` is accepted with probability
    exp(log_ratio); NaN is a rejection.
    """
    if log_ratio.shape != old.shape[: log_ratio.ndim]:
        raise ShapeError(
            f"a log density {log_ratio.type} is not one number for each chain of {old.type}"
        )
    accepted = log(1 - uniform(key, log_ratio.shape, dtype=log_ratio.dtype)) < log_ratio
    each = reshape(accepted, (*accepted.shape, *(1 for _ in range(old.ndim - accepted.ndim))))
    state = where(each, new, old)
    return state, (state, accepted)


def autocorrelation(chain: Tensor, lags: int) -> Tensor:
    """Correlations f[lags] of a chain f[n] with itself 0, 1, ... steps on, lags below n."""
    centred = chain - mean(chain)
    n = chain.shape[0]
    starts = iota((n - lags + 1,))
    windows = take(centred, reshape(starts, (-1, 1)) + iota((lags,)), axis=0)
    return mean(windows * windows[:, :1], axis=0) / mean(centred * centred)


def effective_sample_size(chain: Tensor, lags: int = 100) -> Tensor:
    """How many independent draws give a mean as sure as that of a chain f[n]: n over 1 + 2 times
    the sum of its autocorrelations before the first that is not positive (see Geyer, 1992).
    """
    rho = autocorrelation(chain, lags)
    used = cumprod(cast(rho > 0, chain.dtype))
    return total(chain * 0 + 1) / (2 * total(rho * used) - 1)


def invariant_law(transition: Tensor) -> Tensor:
    """The law p = p T of a chain with transition matrix f[n, n], rows summing to 1: of the
    n equations that say so one follows from the rest, and the sum of p stands in its place.
    """
    n = transition.shape[0]
    last = reshape(equal(iota((n,)), extent(n) - 1), (n, 1))
    balance = where(last, 1.0, matrix_transpose(transition) - eye(n, dtype=transition.dtype))
    return solve(balance, cast(reshape(last, (n,)), transition.dtype))
