"""Lengths as polynomials: equal to the same arithmetic on numbers, within their proven bounds."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
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
        (floordiv(a, -k), lambda n, m: f(n, m) // -k),
        (mod(a, -k), lambda n, m: f(n, m) % -k),
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


@pytest.mark.parametrize("seed", range(20))
def test_a_product_of_lengths_is_divided_by_either(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(25):
        (a, _), (b, _) = draw(rng, rng.randint(1, 3)), draw(rng, rng.randint(1, 3))
        if b == 0 or a == 0:
            continue
        assert dims.divide(a * b, b) == (a, 0)
        assert (floordiv(a * b, b), mod(a * b, b)) == (a, 0)
        if not isinstance(b, int):
            assert dims.divide(a * b + 1, b)[1] != 0


def test_what_is_no_multiple_of_a_sum_stays_whole() -> None:
    for d in (3 * N + 3, N * N + 1, (N + 1) * (M + 1) + M, N, 4):
        assert dims.divide(d, 2 * N + 2) == (0, d)


def test_whole_segments_of_a_length_are_no_longer_than_it() -> None:
    assert bounds(N - floordiv(N, 4) * 4) == (0, 3)
    assert minimum(floordiv(N, 4) * 4, N) == floordiv(N, 4) * 4
    assert maximum(floordiv(N + M, 4) * 8, (N + M) * 2) == (N + M) * 2
    assert dims.divide(N * 4 + 3, 4) == (N, 3)


def test_parts_of_a_length_are_no_longer_than_it() -> None:
    half = floordiv(N, 2)
    assert minimum(N, half) == half
    assert maximum(N - half, 0) == N - half
    assert minimum(floordiv(N + 1, 2), N) == floordiv(N + 1, 2)
    assert bounds(half - floordiv(N, 4)) == (0, None)
    assert bounds(floordiv(N, 4) * 4 - N + 3 + floordiv(M, 3)) == (0, None)


def test_a_length_put_back_after_something_was_cut_off_is_no_shorter() -> None:
    put_back = maximum(N * 2 - 1, 0) + 2
    assert bounds(put_back - N * 2 - 1) == (0, 1)
    assert minimum(put_back, N * 2 + 1) == N * 2 + 1
    assert bounds(minimum(N, M) + 3 - N) == (None, 3)
    assert bounds(N + M - maximum(N, M)) == (0, None)
    assert bounds(maximum(N, 4) - minimum(M, 7)) == (-3, None)


@pytest.mark.parametrize("whole", [int, np.int64])
def test_lengths_compute_with_whole_numbers_as_integers_do(whole: Callable[[int], Any]) -> None:
    k = whole(3)
    assert (N * k, k * N, N - k, k - N) == (N * 3, N * 3, N - 3, 3 - N)
    assert (N // k, k // N) == (floordiv(N, 3), floordiv(3, N))
    assert divmod(N, k) == (N // 3, N % 3) and divmod(3, N) == (3 // N, 3 % N)
    assert round(N) == +N == N


@pytest.mark.parametrize(
    "number",
    [
        lambda: N * 1.5, lambda: 1.5 * N, lambda: N - 0.5, lambda: N // 2.0, lambda: 2.5 // N,
        lambda: 2.5 % N, lambda: divmod(N, 2.0), lambda: N * np.float32(2),
        lambda: np.float32(2) * N, lambda: np.sqrt(N), lambda: np.maximum(N, 3), lambda: abs(N),
    ],
)  # fmt: skip
def test_what_needs_the_number_says_that_it_is_not_known(number: Callable[[], Any]) -> None:
    with pytest.raises(GraphError, match="the length n is not known while the graph is built"):
        number()


def test_only_whole_powers_of_lengths_are_lengths() -> None:
    assert (N + 1) ** 2 == N * N + N * 2 + 1 and N**0 == 1
    for power in (lambda: N**-1, lambda: N**0.5, lambda: 2**N):
        with pytest.raises(GraphError, match="not known while the graph is built"):
            power()


def test_a_length_is_written_as_wide_as_asked_for() -> None:
    assert f"{N + 1:>8}|{N:<3}|" == "   1 + n|n  |"
