"""No schedule changes a value: elementwise results keep their bits, sums their accuracy."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.backends.lower.kernel import Schedule
from graphc.backends.reference import evaluate
from graphc.ir.dtypes import DType, as_dtype
from graphc.ir.node import Tensor
from tests.lower.scheduled import draw_schedule, function

Outputs = Sequence[Tensor]
SHAPES = ((6, 70), (33, 1), (1, 129), (0, 4), (5, 0), (257, 3))
FLOATS = ("float32", "float64", "float16", "bfloat16")

#: Functions of a matrix whose every element is computed alone.
MAPS: dict[str, Callable[[Tensor], Outputs]] = {
    "chain": lambda x: [gc.tanh(x) * 2 - gc.exp(-x * x), gc.sigmoid(x) + 1],
    "transposed": lambda x: [x.T + 1, gc.sin(x)],
    "moved": lambda x: [gc.flip(x, axis=1) + x, gc.roll(x, 1, axis=0) * 2],
    "joined": lambda x: [gc.concat([x, x * 2], axis=1), gc.concat([x, -x], axis=0)],
    "compared": lambda x: [gc.where(x > 0, gc.log(gc.abs(x) + 1), x / 3), x >= 0],
    "cast": lambda x: [gc.floor(x * 3).astype("int32"), x.astype("float64") * 0.1],
    "outer": lambda x: [x[:, None, :] * gc.arange(3).astype(x.dtype)[:, None]],
    "counted": lambda x: [gc.arange(5).astype("int32") * 2 + 1, x + 1],
}

#: Functions of a matrix that combine elements.
SUMS: dict[str, Callable[[Tensor], Outputs]] = {
    "rows": lambda x: [gc.sum(x, axis=1), gc.mean(x * x, axis=1)],
    "columns": lambda x: [gc.sum(x, axis=0), x * 2],
    "total": lambda x: [gc.sum(x * 0.5), gc.sum(gc.abs(x))],
    "rows and columns": lambda x: [gc.sum(x, axis=0), gc.sum(x, axis=1), gc.sum(x)],
    "softmax": lambda x: [gc.exp(x) / gc.sum(gc.exp(x), axis=1, keepdims=True)],
    "norm": lambda x: [(x - gc.mean(x, axis=1, keepdims=True)) * gc.sum(x * x, axis=1)[:, None]],
    "columns of a norm": lambda x: [gc.sum(x / (1 + gc.sum(x * x, axis=1, keepdims=True)), axis=0)],
    "all but the middle": lambda x: [gc.sum(gc.stack([x, x * 2, -x], axis=1), axis=(0, 2))],
    "products": lambda x: [gc.prod(x * 0.5 + 1, axis=0), gc.prod(x * 0.1 + 1, axis=1)],
    "gradient": lambda x: gc.grad(gc.mean(gc.log(gc.sum(gc.exp(x * 2), axis=1) + 1)), [x]),
}

#: Combinations that give the same bits in any order; of matrices without empty axes.
EXACT: dict[str, Callable[[Tensor], Outputs]] = {
    "extremes": lambda x: [gc.max(x, axis=1), gc.min(x, axis=0), gc.max(x)],
    "places": lambda x: [gc.argmax(x, axis=1), gc.argmin(x, axis=0), gc.argmax(x.reshape(-1))],
    "truths": lambda x: [gc.any(x > 1, axis=1), gc.all(x > -1, axis=0), gc.any(x > 1.9)],
    "counts": lambda x: [gc.sum((x > 0).astype("int64"), axis=0), gc.sum((x > 0).astype("int32"))],
}


def draw(shape: tuple[int, int], dtype: DType) -> np.ndarray:
    """Numbers of which some are equal, and some NaN, infinite or -0.0."""
    rng = np.random.default_rng(shape)
    values = np.round(rng.uniform(-2, 2, shape), 1)
    return values.astype(dtype.numpy)


def special(x: np.ndarray) -> np.ndarray:
    flat = x.reshape(-1)
    for step, value in ((7, np.nan), (5, np.inf), (11, -np.inf), (3, -0.0)):
        flat[step::31] = value
    return x


Case = tuple[str, list[Any], list[Any], list[Any]]


def compared(f: Callable[[Tensor], Outputs], values: Sequence[np.ndarray], seed: int) -> list[Case]:
    """For each array: what it is, what f gives under two random schedules, and by the reference.

    The functions are compiled once, for sizes that are known if there is but one array.
    """
    shape = values[0].shape if len(values) == 1 else ("n", "m")
    x = gc.placeholder("x", shape, as_dtype(values[0].dtype))
    rng = np.random.default_rng(seed)
    outputs = list(f(x))
    schedules = [draw_schedule(rng) for _ in range(2)]
    first, second = (function([x], outputs, schedule) for schedule in schedules)
    found = []
    for value in values:
        with np.errstate(all="ignore"):
            wanted = evaluate(outputs, {x: value})
        what = f"{value.dtype}{value.shape} {schedules}"
        found.append((what, list(first(value)), list(second(value)), wanted))
    return found


def matrices(dtype: str, known: int | None) -> list[np.ndarray]:
    """A matrix of one of the shapes, or with None one of each."""
    shapes = SHAPES if known is None else SHAPES[known : known + 1]
    return [draw(shape, as_dtype(dtype)) for shape in shapes]


def cases(functions: Mapping[str, Any]) -> Any:
    """Each function with symbolic sizes, and with those of two of the shapes."""
    pairs = [
        pytest.param(name, known, id=f"{name}-{known}")
        for k, name in enumerate(functions)
        for known in (None, k % len(SHAPES), (k + 3) % len(SHAPES))
    ]
    return pytest.mark.parametrize(("name", "known"), pairs)


def number(name: str, known: int | None) -> int:
    """A seed."""
    return len(name) * 7 + (99 if known is None else known)


@cases(MAPS)
def test_maps_have_the_same_bits_under_every_schedule(name: str, known: int | None) -> None:
    seed = number(name, known)
    values = [special(x) for x in matrices(FLOATS[seed % len(FLOATS)], known)]
    for what, ours, others, _ in compared(MAPS[name], values, seed):
        for a, b in zip(ours, others, strict=True):
            assert a.shape == b.shape and a.tobytes() == b.tobytes(), what


@cases(SUMS)
def test_sums_agree_with_the_reference_under_every_schedule(name: str, known: int | None) -> None:
    seed = number(name, known)
    values = matrices(FLOATS[seed % 2], known)
    rtol = {"float64": 1e-12, "float32": 3e-5}[FLOATS[seed % 2]]
    for what, ours, others, wanted in compared(SUMS[name], values, seed):
        for a, b, c in zip(ours, others, wanted, strict=True):
            scale = max(1.0, np.abs(c).max(initial=0))
            np.testing.assert_allclose(a, c, rtol, rtol * scale, err_msg=what, strict=True)
            np.testing.assert_allclose(b, c, rtol, rtol * scale, err_msg=what, strict=True)


@cases(EXACT)
def test_extremes_have_the_same_bits_under_every_schedule(name: str, known: int | None) -> None:
    seed = number(name, known)
    values = [x for x in matrices(FLOATS[seed % len(FLOATS)], known) if x.size]
    for what, ours, others, wanted in compared(EXACT[name], values, seed) if values else ():
        for a, b, c in zip(ours, others, wanted, strict=True):
            np.testing.assert_array_equal(a, c, what, strict=True)
            np.testing.assert_array_equal(b, c, what, strict=True)


@pytest.mark.parametrize("vector_bits", [0, 128, 512])
@pytest.mark.parametrize("most_chunks", [1, 3])
def test_places_of_nan_and_of_equals_are_numpys(vector_bits: int, most_chunks: int) -> None:
    x = gc.placeholder("x", ("n", 40), gc.float64)
    outputs = [gc.argmax(x, axis=1), gc.argmin(x, axis=0), gc.argmax(x.reshape(-1)), gc.max(x)]
    schedule = Schedule(vector_bits, 16, most_chunks, 2)
    run = function([x], outputs, schedule)
    for seed in range(4):
        value = np.random.default_rng(seed).integers(-3, 4, (9, 40)).astype(np.float64)
        value[seed, 3 * seed + 1 :: 9] = np.nan
        found = run(value)
        np.testing.assert_array_equal(found[0], value.argmax(1))
        np.testing.assert_array_equal(found[1], value.argmin(0))
        np.testing.assert_array_equal(found[2], value.argmax())
        assert np.isnan(found[3])
