"""Same inputs, same bits: run to run, for any number of threads, in any order of compilation."""

from collections.abc import Iterator

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim
from graphc.executable import Executable

ROWS = 300
CALLS = 100


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = gc.get_num_threads()
    yield
    gc.set_num_threads(before)


def training(seed: int = 0) -> tuple[Executable, list[gc.Tensor]]:
    """A training step whose kernels are large enough for several threads, and its variables."""
    rng = np.random.default_rng(seed)
    x = gc.placeholder("x", ("batch", 40))
    t = gc.placeholder("t", ("batch",), gc.int64)
    w = gc.variable(rng.normal(0, 0.1, (40, 300)).astype(np.float32))
    v = gc.variable(rng.normal(0, 0.1, (300, 10)).astype(np.float32))
    hidden = gc.tanh(x @ w)
    hidden = hidden / (1 + gc.std(hidden, axis=1, keepdims=True))
    loss = nn.cross_entropy(hidden @ v, t) + gc.mean(hidden**2) * 0.01
    updates = optim.Adam(1e-2).updates(loss, [w, v])
    return gc.compile([x, t], (loss, gc.sum(hidden, axis=0)), updates=updates), [w, v]


def batches(count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(7)
    for _ in range(count):
        yield rng.normal(size=(ROWS, 40)).astype(np.float32), rng.integers(0, 10, ROWS)


def trained(threads: int, steps: int = 12) -> list[bytes]:
    gc.set_num_threads(threads)
    step, variables = training()
    results = [y.tobytes() for x, t in batches(steps) for y in step(x, t)]
    return [*results, *(x.value.tobytes() for x in variables)]


def test_training_gives_the_same_bits_for_any_number_of_threads() -> None:
    one = trained(1)
    assert trained(2) == one
    assert trained(7) == one


def test_a_hundred_calls_give_the_same_bits() -> None:
    gc.set_num_threads(2)
    x = gc.placeholder("x", ("n", 200))
    y = gc.exp(x - gc.max(x))
    outputs = (gc.sum(y), gc.sum(y, axis=0), y / gc.sum(y, axis=1, keepdims=True), x.T @ y)
    run = gc.compile([x], outputs)
    value = np.random.default_rng(0).normal(size=(500, 200)).astype(np.float32)
    first = [a.tobytes() for a in run(value)]
    for _ in range(CALLS):
        assert [a.tobytes() for a in run(value)] == first


def test_dropout_draws_the_same_numbers_for_any_number_of_threads() -> None:
    found = []
    for threads in (1, 2):
        gc.set_num_threads(threads)
        draws = gc.random.normal(gc.random.key(3), (20_000,))
        found.append(gc.compile([], draws)().tobytes())
    assert found[0] == found[1]


def test_compiling_twice_gives_the_same_bits() -> None:
    assert trained(2, steps=3) == trained(2, steps=3)
