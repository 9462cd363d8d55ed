"""Functions take NumPy's integers, as those of np.prod or of an array, where they take Python's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from graphc.ir.structure import leaves

Whole = Callable[[int], Any]


def matrix() -> gc.Tensor:
    return gc.placeholder("x", (3, 4))


def image() -> gc.Tensor:
    return gc.placeholder("x", (1, 3, 8, 8))


CALLS: dict[str, Callable[[Whole], Any]] = {
    "split": lambda k: gc.split(matrix(), k(2), axis=k(1)),
    "repeat": lambda k: gc.repeat(matrix(), k(2), axis=k(0)),
    "tile": lambda k: gc.tile(matrix(), k(2)),
    "roll": lambda k: gc.roll(matrix(), k(1), k(0)),
    "roll all": lambda k: gc.roll(matrix(), k(2)),
    "moveaxis": lambda k: gc.moveaxis(matrix(), k(0), k(1)),
    "expand_dims": lambda k: gc.expand_dims(matrix(), k(0)),
    "tensordot": lambda k: gc.tensordot(matrix(), matrix(), k(2)),
    "reshape": lambda k: gc.reshape(matrix(), (k(2), -1)),
    "conv": lambda k: nn.conv2d(k(3), k(4), k(3), stride=k(2), padding=k(1), seed=0)(image()),
    "uneven padding": lambda k: nn.conv2d(3, 4, 3, padding=[(k(1), k(0)), k(2)], seed=0)(image()),
    "pool": lambda k: nn.MaxPool(k(2))(image()),
    "segment": lambda k: gc.scan(lambda c, _: (c, c), 0.0, length=4, segment=k(2)),
    "vmap": lambda k: gc.vmap(gc.sin, in_axes=k(1), out_axes=k(1))(matrix()),
}


@pytest.mark.parametrize("name", CALLS)
def test_functions_take_numpy_integers(name: str) -> None:
    ours, expected = (leaves(CALLS[name](kind)) for kind in (np.int64, int))
    assert [y.type for y in ours] == [y.type for y in expected]


def test_settings_are_numpy_integers() -> None:
    x = matrix()
    f = gc.compile([x], gc.tanh(x), memory_budget=np.int64(100_000))
    assert f.memory.arena <= 100_000
    threads = gc.get_num_threads()
    gc.set_num_threads(np.int64(threads))
    assert gc.get_num_threads() == threads


@pytest.mark.parametrize("n", [0, 1, 2, 7])
def test_lengths_with_names_move_and_repeat(n: int) -> None:
    x = gc.placeholder("x", ("n", 3), gc.float64)
    half = x.shape[0] // 2
    outputs = [gc.roll(x, half, 0), gc.roll(x, -half, axis=0), gc.repeat(x, half, 1)]
    found = gc.compile([x], [*outputs, gc.tile(x, half)])(a := np.arange(3.0 * n).reshape(n, 3))
    moved = [np.roll(a, n // 2, 0), np.roll(a, -(n // 2), 0)]
    wanted = [*moved, np.repeat(a, n // 2, 1), np.tile(a, n // 2)]
    for y, expected in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(y, expected)
