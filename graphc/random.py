"""Random numbers as values of the graph: the same bits on every backend, for any number of threads.

Whatever draws takes a key, u32[4], or a `Generator`; equal keys give equal numbers.
"""

from graphc.ops.choosing import choice, permutation, randint
from graphc.ops.distributions import (
    bernoulli,
    categorical,
    exponential,
    gumbel,
    laplace,
    normal,
    truncated_normal,
    uniform,
)
from graphc.ops.generator import Generator, KeyLike, bits, fold_in, key, split

__all__ = [
    "Generator",
    "KeyLike",
    "bernoulli",
    "bits",
    "categorical",
    "choice",
    "exponential",
    "fold_in",
    "gumbel",
    "key",
    "laplace",
    "normal",
    "permutation",
    "randint",
    "split",
    "truncated_normal",
    "uniform",
]
