"""Random chains of layout, indexing and sorting functions against NumPy, with their gradients, on
every backend.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.ir.node import Tensor
from tests.support.run import NATIVE, evaluate

Pair = tuple[Tensor, np.ndarray]


class Chain:
    """Functions drawn from a seed, applied to a tensor and to its array alike."""

    def __init__(self, seed: int):
        self.rng = np.random.default_rng(seed)

    def below(self, high: int) -> int:
        return int(self.rng.integers(high))

    def between(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high))

    def start(self) -> tuple[Tensor, np.ndarray]:
        sides = [self.between(0 if self.below(6) == 0 else 1, 6) for _ in range(self.between(1, 4))]
        array = self.rng.standard_normal(sides)
        names = tuple(f"n{d}" for d in sides) if self.below(2) else tuple(sides)
        return gc.placeholder("x", names, "float64"), array

    def step(self, x: Tensor, a: np.ndarray) -> Pair:
        if x.ndim == 0:
            return gc.stack([x, x * 2.0]), np.stack([a, a * 2.0])
        functions: list[Callable[[Tensor, np.ndarray], Pair]] = [
            self.index, self.index, self.update, self.flip, self.roll, self.concat, self.pad,
            self.transpose, self.sort, self.tile, self.ravel,
            lambda x, a: (x * 2.0 + 1.0, a * 2.0 + 1.0),
        ]  # fmt: skip
        return functions[self.below(len(functions))](x, a)

    def key(self, shape: tuple[int, ...]) -> tuple[Any, ...]:
        entries: list[Any] = []
        for n in shape:
            entry: Any = [
                slice(None),
                slice(self.between(-2, 2), None),
                slice(None, self.between(-2, 3)),
                slice(None, None, int(self.rng.choice([-2, -1, 2]))),
                np.array([0, -1]) if n else slice(None),
                -1 if n else slice(None),
            ][self.below(6)]
            entries += [None, entry] if self.below(8) == 0 else [entry]
        return tuple(entries)

    def index(self, x: Tensor, a: np.ndarray) -> Pair:
        key = self.key(a.shape)
        return x[key], a[key]

    def update(self, x: Tensor, a: np.ndarray) -> Pair:
        key, changed = self.key(a.shape), a.copy()
        np.add.at(changed, key, 0.5)
        return x.at[key].add(0.5), changed

    def flip(self, x: Tensor, a: np.ndarray) -> Pair:
        axis = self.below(x.ndim)
        return gc.flip(x, axis), np.flip(a, axis)

    def roll(self, x: Tensor, a: np.ndarray) -> Pair:
        by, axis = self.between(-3, 4), self.below(x.ndim)
        return gc.roll(x, by, axis), np.roll(a, by, axis)

    def concat(self, x: Tensor, a: np.ndarray) -> Pair:
        axis = self.below(x.ndim)
        return gc.concat([x, -x, x], axis), np.concatenate([a, -a, a], axis)

    def pad(self, x: Tensor, a: np.ndarray) -> Pair:
        widths = [(self.below(2), self.below(3)) for _ in a.shape]
        return gc.pad(x, widths, constant_values=1.5), np.pad(a, widths, constant_values=1.5)

    def transpose(self, x: Tensor, a: np.ndarray) -> Pair:
        order = tuple(int(k) for k in self.rng.permutation(x.ndim))
        return gc.transpose(x, order), np.transpose(a, order)

    def sort(self, x: Tensor, a: np.ndarray) -> Pair:
        axis = self.below(x.ndim)
        return gc.sort(x, axis), np.sort(a, axis)

    def tile(self, x: Tensor, a: np.ndarray) -> Pair:
        return gc.tile(x, (2, 1)), np.tile(a, (2, 1))

    def ravel(self, x: Tensor, a: np.ndarray) -> Pair:
        return gc.ravel(x), np.ravel(a)


def check(seed: int, target: str) -> None:
    """One chain: NumPy's values, and the reference's gradient."""
    chain = Chain(seed)
    x, array = chain.start()
    y, expected = x, array
    for _ in range(chain.between(1, 6)):
        if expected.size < 5000 and expected.ndim < 6:
            y, expected = chain.step(y, expected)
    outputs = [y, gc.grad((y * y * 0.5).sum(), x)]
    value, gradient = evaluate(outputs, {x: array})
    np.testing.assert_array_equal(value, expected, f"reference, seed {seed}")
    value, found = evaluate(outputs, {x: array}, target)
    np.testing.assert_array_equal(value, expected, f"{target}, seed {seed}")
    np.testing.assert_allclose(found, gradient, 1e-12, 1e-12, err_msg=f"{target}, seed {seed}")


@pytest.mark.parametrize("target", NATIVE)
@pytest.mark.parametrize("seed", range(12))
def test_a_random_chain_gives_numpys_values(seed: int, target: str) -> None:
    check(seed, target)


@pytest.mark.fuzz
def test_many_random_chains_give_numpys_values(fuzz_seconds: float) -> None:
    seed, end = time.time_ns() % 2**32, time.monotonic() + fuzz_seconds
    while time.monotonic() < end:
        for target in NATIVE:
            check(seed, target)
        seed += 1
