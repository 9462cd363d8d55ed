"""Products of narrow numbers, several summands at a time, against NumPy's integers and float32."""

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.backends.cpu.host import host
from graphc.ir.dtypes import DType
from tests.support.extremes import extremes

SHAPES = [(40, 64, 48), (9, 1, 17), (13, 7, 1), (70, 129, 67), (200, 3000, 70), (30, 5, 0)]
PAIRS = [
    (gc.int8, gc.int8), (gc.uint8, gc.int8), (gc.int8, gc.uint8), (gc.uint8, gc.uint8),
    (gc.int16, gc.int16), (gc.int16, gc.uint8), (gc.int8, gc.int16),
]  # fmt: skip
WAYS = ["NN", "NT", "TN", "TT"]


def check(
    pair: tuple[DType, DType], ways: str, sizes: tuple[Any, Any, Any], shapes: Any, **options: Any
) -> None:
    """Products of all these shapes, by one compilation; `ways` says what is stored turned."""
    m, k, n = sizes
    x = gc.placeholder("x", (m, k) if ways[0] == "N" else (k, m), pair[0])
    y = gc.placeholder("y", (k, n) if ways[1] == "N" else (n, k), pair[1])
    left, right = (z if way == "N" else z.T for z, way in zip((x, y), ways, strict=True))
    product = gc.astype(left, gc.int32) @ gc.astype(right, gc.int32)
    run = gc.compile([x, y], product + 1, **options)
    for m, k, n in shapes:
        a, b = extremes(pair[0], (m, k), 1), extremes(pair[1], (k, n), 2)
        turned = [
            np.ascontiguousarray(z if w == "N" else z.T) for z, w in zip((a, b), ways, strict=True)
        ]
        wanted = a.astype(np.int32) @ b.astype(np.int32) + np.int32(1)
        assert np.array_equal(run(*turned), wanted)


@pytest.mark.parametrize("ways", WAYS)
@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_one_compilation_serves_all_sizes(pair: tuple[DType, DType], ways: str) -> None:
    check(pair, ways, ("m", "k", "n"), SHAPES)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("pair", PAIRS[:4], ids=str)
def test_known_sizes_equal_numpy(pair: tuple[DType, DType], shape: tuple[int, int, int]) -> None:
    check(pair, "NN", shape, [shape])
    check(pair, "NT", shape, [shape])


@pytest.mark.parametrize("isa", ["x86-64-v2", "x86-64-v3", "x86-64-v4"])
def test_machines_without_the_instructions_give_the_same(isa: str) -> None:
    check(PAIRS[0], "NN", ("m", "k", "n"), SHAPES, isa=isa)


@pytest.mark.parametrize("dtype", [gc.int8, gc.uint8, gc.int16], ids=str)
def test_products_in_their_own_dtype_wrap(dtype: DType) -> None:
    x, y = gc.placeholder("x", ("m", "k"), dtype), gc.placeholder("y", ("k", "n"), dtype)
    a, b = extremes(dtype, (33, 70), 1), extremes(dtype, (70, 45), 2)
    assert np.array_equal(gc.compile([x, y], x @ y)(a, b), a @ b)


def test_batches_and_maps_over_the_result() -> None:
    x, y = gc.placeholder("x", ("b", "m", 37), gc.int8), gc.placeholder("y", (37, "n"), gc.int8)
    scale = gc.placeholder("scale", ("n",), gc.float32)
    sums = gc.astype(x, gc.int32) @ gc.astype(y, gc.int32)
    run = gc.compile([x, y, scale], gc.relu(gc.astype(sums, gc.float32) * scale))
    a, b = extremes(gc.int8, (3, 20, 37), 1), extremes(gc.int8, (37, 50), 2)
    s = np.linspace(0.01, 0.02, 50, dtype=np.float32)
    wanted = np.maximum((a.astype(np.int32) @ b.astype(np.int32)).astype(np.float32) * s, 0)
    assert np.array_equal(run(a, b, s), wanted)


@pytest.mark.parametrize("ways", WAYS)
def test_bfloat16_sums_in_float32(ways: str) -> None:
    x = gc.placeholder("x", ("m", "k") if ways[0] == "N" else ("k", "m"), gc.bfloat16)
    y = gc.placeholder("y", ("k", "n") if ways[1] == "N" else ("n", "k"), gc.bfloat16)
    left, right = (z if way == "N" else z.T for z, way in zip((x, y), ways, strict=True))
    wide = gc.astype(left, gc.float32) @ gc.astype(right, gc.float32)
    run = gc.compile([x, y], wide, relaxed=True)
    for m, k, n in SHAPES:
        rng = np.random.default_rng([m, k, n])
        a, b = (rng.standard_normal(s).astype(gc.bfloat16.numpy) for s in ((m, k), (k, n)))
        wanted = a.astype(np.float64) @ b.astype(np.float64)
        given = [
            np.ascontiguousarray(z if w == "N" else z.T) for z, w in zip((a, b), ways, strict=True)
        ]
        size = np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64)
        assert (np.abs(run(*given) - wanted) <= 2.0**-22 * size).all()


@pytest.mark.parametrize(
    ("dtype", "relaxed", "name"),
    [(gc.int8, False, "u8i8"), (gc.int16, False, "i16"), (gc.bfloat16, True, "bf16")],
    ids=str,
)
def test_the_machine_s_instructions_are_used(dtype: DType, relaxed: bool, name: str) -> None:
    x, y = gc.placeholder("x", (64, 64), dtype), gc.placeholder("y", (64, 64), dtype)
    text = gc.compile([x, y], x @ y, relaxed=relaxed).dump("loops")
    assert (f"dot.{name}(" in text) == (name in host().dots(relaxed=relaxed))


@pytest.mark.parametrize("pair", [(gc.uint8, gc.int8), (gc.int8, gc.uint8)], ids=str)
def test_bytes_go_four_at_a_time_where_one_operand_is_signed(pair: tuple[DType, DType]) -> None:
    x, y = (gc.placeholder(n, (64, 64), d) for n, d in zip("xy", pair, strict=True))
    text = gc.compile([x, y], gc.astype(x, gc.int32) @ gc.astype(y, gc.int32)).dump("loops")
    assert ("dot.u8i8(" in text) == ("u8i8" in host().dots(relaxed=False))


def test_subnormal_bfloat16_numbers_count_unless_relaxed() -> None:
    x, y = gc.placeholder("x", (64, 64), gc.bfloat16), gc.placeholder("y", (64, 64), gc.bfloat16)
    small = np.full((64, 64), 1e-39, gc.bfloat16.numpy)
    result = gc.compile([x, y], x @ y)(small, np.ones((64, 64), gc.bfloat16.numpy))
    assert (result > 0).all()
