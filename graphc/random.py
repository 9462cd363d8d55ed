"""Random numbers as values of the graph: the same bits on every backend, for any number of threads.

Whatever draws takes a key, u32[4], or a `Generator`; equal keys give equal numbers.
"""

from typing import TYPE_CHECKING

from graphc.ops.randomness.choosing import choice, permutation, randint
from graphc.ops.randomness.distributions import (
    bernoulli,
    categorical,
    exponential,
    gumbel,
    laplace,
    normal,
    truncated_normal,
    uniform,
)
from graphc.ops.randomness.generator import Generator, KeyLike, bits, fold_in, key, split
from graphc.rejection import beta, dirichlet, gamma, normal_pair

__all__ = [
    "Generator",
    "KeyLike",
    "bernoulli",
    "beta",
    "bits",
    "categorical",
    "choice",
    "dirichlet",
    "exponential",
    "fold_in",
    "gamma",
    "gumbel",
    "key",
    "laplace",
    "normal",
    "normal_pair",
    "permutation",
    "randint",
    "split",
    "truncated_normal",
    "uniform",
]


if not TYPE_CHECKING:

    def __getattr__(name: str) -> None:
        from graphc.ir.errors import no_such

        raise AttributeError(no_such("graphc.random", name, "random"))

    def __dir__() -> list[str]:
        return sorted(__all__)
