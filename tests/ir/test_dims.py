"""Lengths as polynomials: equal to the same arithmetic on numbers, within their proven bounds."""

import random
from collections.abc import Callable

import pytest

from graphc.ir import dims
from graphc.ir.dim_values import evaluate
from graphc.ir.dims import Dim, bounds, floordiv, maximum, minimum, mod, size
from graphc.ir.errors import GraphError

N, M = size("n"), size("m")
Pair = tuple[Dim, Callable[[int, int], int]]


def draw(rng: random.Random, depth: int) -> Pair:
    """A random length, and the same as a function of n and m."""
    if depth == 0:
        k = rng.randrange(4)
        leaves: list[Pair] = [(N, lambda n, m: n), (M, lambda n, m: m), (k, lambda n, m: k)]
        return rng.choice(leaves)
    (a, f), (b, g), k = draw(rng, depth - 1), draw(rng, depth - 1), rng.randint(1, 5)
    made: list[Pair] = [
        (a + b, lambda n, m: f(n, m) + g(n, m)),
        (a - b, lambda n, m: f(n, m) - g(n, m)),
        (a * k, lambda n, m: f(n, m) * k),
        (a**2, lambda n, m: f(n, m) ** 2),
        (floordiv(a, k), lambda n, m: f(n, m) // k),
        (floordiv(a, k) * k, lambda n, m: f(n, m) // k * k),
        (mod(a, k), lambda n, m: f(n, m) % k),
        (minimum(a, b), lambda n, m: min(f(n, m), g(n, m))),
        (maximum(a, b), lambda n, m: max(f(n, m), g(n, m))),
    ]
    return rng.choice(made)


@pytest.mark.parametrize("seed", range(40))
def test_lengths_are_arithmetic_and_keep_to_their_bounds(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(25):
        d, f = draw(rng, rng.randint(1, 4))
        low, high = bounds(d)
        for _ in range(8):
            n, m = rng.randrange(12), rng.randrange(12)
            value = evaluate(d, {"n": n, "m": m})
            assert value == f(n, m), f"{d} at n = {n}, m = {m}"
            assert low is None or low <= value, f"{d} is {value}, not at least {low}"
            assert high is None or value <= high, f"{d} is {value}, not at most {high}"


def test_whole_segments_of_a_length_are_no_longer_than_it() -> None:
    assert bounds(N - floordiv(N, 4) * 4) == (0, 3)
    assert minimum(floordiv(N, 4) * 4, N) == floordiv(N, 4) * 4
    assert maximum(floordiv(N + M, 4) * 8, (N + M) * 2) == (N + M) * 2
    assert dims.divide(N * 4 + 3, 4) == (N, 3)


def test_only_whole_powers_of_lengths_are_lengths() -> None:
    assert (N + 1) ** 2 == N * N + N * 2 + 1 and N**0 == 1
    for power in (lambda: N**-1, lambda: N**0.5, lambda: 2**N):
        with pytest.raises(GraphError, match="not known while the graph is built"):
            power()
