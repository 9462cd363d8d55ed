"""No schedule changes a value: elementwise results keep their bits, sums their accuracy."""

from collections.abc import Callable, Sequence
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


def both(
    f: Callable[[Tensor], Outputs], value: np.ndarray, symbolic: bool, seed: int
) -> tuple[list[Any], list[Any], list[Any], Schedule]:
    """What f gives natively under two random schedules and by the reference; the first schedule."""
    shape = ("n", value.shape[1]) if symbolic else value.shape
    x = gc.placeholder("x", shape, as_dtype(value.dtype))
    rng = np.random.default_rng(seed)
    outputs = list(f(x))
    schedule = draw_schedule(rng)
    ours = function([x], outputs, schedule)(value)
    others = function([x], outputs, draw_schedule(rng))(value)
    with np.errstate(all="ignore"):
        return list(ours), list(others), evaluate(outputs, {x: value}), schedule


def cases(names: Any) -> Any:
    return pytest.mark.parametrize("name", names)


@pytest.mark.parametrize("symbolic", [False, True], ids=["static", "symbolic"])
@cases(MAPS)
def test_maps_have_the_same_bits_under_every_schedule(name: str, symbolic: bool) -> None:
    for k, shape in enumerate(SHAPES[symbolic::2]):
        dtype = as_dtype(FLOATS[(k + symbolic) % len(FLOATS)])
        value = special(draw(shape, dtype))
        ours, others, _, schedule = both(MAPS[name], value, symbolic, k)
        for a, b in zip(ours, others, strict=True):
            assert a.shape == b.shape and a.tobytes() == b.tobytes(), (shape, dtype, schedule)


@pytest.mark.parametrize("symbolic", [False, True], ids=["static", "symbolic"])
@cases(SUMS)
def test_sums_agree_with_the_reference_under_every_schedule(name: str, symbolic: bool) -> None:
    for k, shape in enumerate(SHAPES[symbolic::2]):
        value = draw(shape, as_dtype(("float64", "float32")[k % 2]))
        ours, others, wanted, schedule = both(SUMS[name], value, symbolic, k + 100)
        rtol = 1e-12 if value.dtype == np.float64 else 3e-5
        for a, b, c in zip(ours, others, wanted, strict=True):
            scale = max(1.0, np.abs(c).max(initial=0))
            message = f"{shape} {schedule}"
            np.testing.assert_allclose(a, c, rtol, rtol * scale, err_msg=message, strict=True)
            np.testing.assert_allclose(b, c, rtol, rtol * scale, err_msg=message, strict=True)


@pytest.mark.parametrize("symbolic", [False, True], ids=["static", "symbolic"])
@cases(EXACT)
def test_extremes_have_the_same_bits_under_every_schedule(name: str, symbolic: bool) -> None:
    for k, shape in enumerate(s for s in SHAPES[symbolic::2] if 0 not in s):
        dtype = as_dtype(FLOATS[(k + symbolic) % len(FLOATS)])
        value = draw(shape, dtype)
        ours, others, wanted, schedule = both(EXACT[name], value, symbolic, k + 200)
        for a, b, c in zip(ours, others, wanted, strict=True):
            np.testing.assert_array_equal(a, c, f"{shape} {dtype} {schedule}", strict=True)
            np.testing.assert_array_equal(b, c, f"{shape} {dtype} {schedule}", strict=True)


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
