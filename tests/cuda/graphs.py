"""Graphs that the tests of the CUDA backend share, each a function of its placeholders."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import graphc as gc

Arrays = tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Case:
    """Placeholders (name, shape, dtype), what to compute of them, and arrays to try it on."""

    inputs: tuple[tuple[str, tuple[Any, ...], str], ...]
    outputs: Callable[..., list[gc.Tensor]]
    arrays: Callable[[np.random.Generator], Arrays]

    def build(self) -> tuple[list[gc.Tensor], list[gc.Tensor]]:
        xs = [gc.placeholder(name, shape, dtype) for name, shape, dtype in self.inputs]
        return xs, self.outputs(*xs)


def _matrix(n: int, m: int) -> Callable[[np.random.Generator], Arrays]:
    return lambda rng: (rng.standard_normal((n, m)).astype(np.float32),)


MATRIX = (("x", ("n", "m"), "float32"),)
ROWS = (("x", ("n", 13), "float32"),)


def layernorm(x: gc.Tensor) -> list[gc.Tensor]:
    centred = x - gc.mean(x, axis=-1, keepdims=True)
    scale = gc.rsqrt(gc.mean(centred * centred, axis=-1, keepdims=True) + 1e-5)
    return [centred * scale]


def gradients(x: gc.Tensor) -> list[gc.Tensor]:
    return [gc.grad(gc.sum(gc.softmax(x, axis=-1) ** 2), x)]


def _gathered(rng: np.random.Generator) -> Arrays:
    index = rng.integers(0, 9, (4, 3))
    return rng.standard_normal((9, 5)).astype(np.float32), index


def _factors(rng: np.random.Generator) -> Arrays:
    return tuple(rng.standard_normal(s).astype(np.float32) for s in ((19, 21), (21, 10)))


def _halves(rng: np.random.Generator) -> Arrays:
    import ml_dtypes

    x = rng.standard_normal((6, 7))
    return x.astype(np.float16), x.astype(ml_dtypes.bfloat16)


CASES: dict[str, Case] = {
    "elementwise": Case(
        MATRIX, lambda x: [gc.exp(x) * gc.sin(x) + 2.0, x > 0, gc.trunc(x * 9)], _matrix(5, 7)
    ),
    "softmax": Case(ROWS, lambda x: [gc.softmax(x, axis=-1)], _matrix(6, 13)),
    "layernorm": Case(ROWS, layernorm, _matrix(6, 13)),
    "full_reductions": Case(
        MATRIX, lambda x: [gc.sum(x), gc.max(x), gc.argmin(x), gc.any(x > 2.5)], _matrix(21, 17)
    ),
    "column_reductions": Case(
        MATRIX, lambda x: [gc.sum(x, axis=0), gc.min(x, axis=0)], _matrix(23, 9)
    ),
    "row_positions": Case(MATRIX, lambda x: [gc.argmax(x, axis=1)], _matrix(5, 21)),
    "gradients": Case(ROWS, gradients, _matrix(4, 13)),
    "gather": Case(
        (("x", ("n", 5), "float32"), ("i", ("k", 3), "int64")),
        lambda x, i: [gc.take(x, i, axis=0)],
        _gathered,
    ),
    "product": Case(
        (("a", ("n", "k"), "float32"), ("b", ("k", "m"), "float32")),
        lambda a, b: [gc.relu(a @ b + 0.5)],
        _factors,
    ),
    "turned_product": Case(
        (("a", ("n", 21), "float32"), ("b", (21, 10), "float32")),
        lambda a, b: [gc.matrix_transpose(b) @ gc.matrix_transpose(a)],
        _factors,
    ),
    "batched_product": Case(
        (("x", ("n", "m"), "float32"),),
        lambda x: [gc.matmul(gc.stack([x, x * 2.0]), gc.stack([gc.matrix_transpose(x)] * 2))],
        _matrix(5, 6),
    ),
    "running_sums": Case(MATRIX, lambda x: [gc.cumsum(x, axis=0), gc.sort(x)], _matrix(6, 5)),
    "halves": Case(
        (("x", ("n", 7), "float16"), ("y", ("n", 7), "bfloat16")),
        lambda x, y: [gc.tanh(x) + x, gc.exp(y), gc.sum(y, axis=1)],
        _halves,
    ),
    "scan": Case(
        MATRIX, lambda x: list(gc.scan(lambda c, r: (c * 0.5 + r, c), x[0], x)), _matrix(4, 3)
    ),
}
