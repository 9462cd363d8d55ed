"""Products: every way they are computed, against NumPy in a wider type."""

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.backends.loops import expr as e
from graphc.ir.dtypes import NUMBERS, DType
from graphc.ir.node import Tensor
from graphc.ops.linear.contraction import dot_general, tensordot
from graphc.passes.fusion.fuse import fuse
from tests.support.threads import assert_same_bits

ISAS = ("x86-64-v2", "x86-64-v3", "host")
NONE = ((), ())


def draw(dtype: DType, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng([seed, *shape])
    if dtype.is_float:
        return rng.standard_normal(shape).astype(dtype.numpy)
    limits = np.iinfo(dtype.numpy)
    return rng.integers(limits.min, limits.max, shape, dtype.numpy, endpoint=True)


def exact(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The product, floats in float64; integers wrap."""
    if a.dtype.kind in "iu":
        return a @ b
    return a.astype(np.float64) @ b.astype(np.float64)


def assert_close(result: np.ndarray, wanted: np.ndarray, summands: int) -> None:
    assert result.shape == wanted.shape
    if result.dtype.kind in "iu":
        assert np.array_equal(result, wanted.astype(result.dtype))
        return
    epsilon = {2: 2.0**-7, 4: 2.0**-24, 8: 2.0**-53}[result.dtype.itemsize]
    error = np.abs(result.astype(np.float64) - wanted).max(initial=0)
    assert error <= epsilon * 8 * (summands + 8)


def placed(name: str, dtype: DType, shape: tuple[Any, ...], turned: bool) -> tuple[Tensor, Tensor]:
    """A placeholder and the matrix of that shape that it holds, as it is or transposed."""
    x = gc.placeholder(name, shape[::-1] if turned else shape, dtype)
    return x, x.T if turned else x


def check(
    m: int, k: int, n: int, ways: str = "NN", dtype: DType = gc.float32, **options: Any
) -> None:
    """Static product; `ways` says which operand is stored transposed."""
    x, left = placed("x", dtype, (m, k), ways[0] == "T")
    y, right = placed("y", dtype, (k, n), ways[1] == "T")
    run = gc.compile([x, y], gc.matmul(left, right), **options)
    a, b = draw(dtype, x.shape, 1), draw(dtype, y.shape, 2)
    wanted = exact(a.T if ways[0] == "T" else a, b.T if ways[1] == "T" else b)
    assert_close(run(a, b), wanted, k)


SHAPES = [
    (1, 1, 1), (1, 100, 70), (3, 50, 20), (30, 1100, 130), (300, 40, 60), (90, 33, 10),
    (50, 60, 48), (128, 70, 3), (20, 0, 5), (0, 4, 4), (4, 4, 0), (40, 9, 1), (1, 9, 1),
]  # fmt: skip


@pytest.mark.parametrize("ways", ["NN", "NT", "TN", "TT"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_static_product_equals_numpy(shape: tuple[int, int, int], ways: str) -> None:
    check(*shape, ways)


@pytest.mark.parametrize("ways", ["NN", "NT", "TN", "TT"])
def test_one_compilation_serves_all_sizes(ways: str) -> None:
    x, left = placed("x", gc.float32, ("m", "k"), ways[0] == "T")
    y, right = placed("y", gc.float32, ("k", "n"), ways[1] == "T")
    run = gc.compile([x, y], gc.matmul(left, right))
    for m, k, n in [*SHAPES, (241, 5, 129), (12, 385, 33)]:
        a, b = draw(gc.float32, (m, k), 1), draw(gc.float32, (k, n), 2)
        first = np.ascontiguousarray(a.T) if ways[0] == "T" else a
        second = np.ascontiguousarray(b.T) if ways[1] == "T" else b
        assert_close(run(first, second), exact(a, b), k)


def test_no_row_of_a_last_tile_is_lost() -> None:
    x, y = gc.placeholder("x", ("m", 17)), gc.placeholder("y", (17, 40))
    run = gc.compile([x, y], gc.matmul(x, y))
    for rows in range(1, 27):
        a, b = draw(gc.float32, (rows, 17), 1), draw(gc.float32, (17, 40), 2)
        assert_close(run(a, b), exact(a, b), 17)
    check(11, 17, 40)
    check(25, 17, 40, "TN")


@pytest.mark.parametrize("ways", ["NN", "NT"])
def test_no_column_of_a_last_panel_is_lost(ways: str) -> None:
    x, (y, right) = gc.placeholder("x", (40, 17)), placed("y", gc.float32, (17, "n"), ways == "NT")
    run = gc.compile([x, y], gc.matmul(x, right))
    for columns in (1, 2, 8, 9, 15, 16, 17, 24, 25, 32, 33, 127, 128, 129, 168, 257):
        a, b = draw(gc.float32, (40, 17), 1), draw(gc.float32, (17, columns), 2)
        stored = np.ascontiguousarray(b.T) if ways == "NT" else b
        assert_close(run(a, stored), exact(a, b), 17)
    for columns in (12, 13, 17, 1100):
        check(40, 17, columns, ways)


@pytest.mark.parametrize("ways", ["NN", "TT"])
def test_no_summand_of_a_last_depth_is_lost(ways: str) -> None:
    x, left = placed("x", gc.float32, (14, "k"), ways == "TT")
    y, right = placed("y", gc.float32, ("k", 34), ways == "TT")
    run = gc.compile([x, y], gc.matmul(left, right))
    for inner in (1, 2, 15, 16, 17, 383, 384, 385, 512, 513, 769):
        a, b = draw(gc.float32, (14, inner), 1), draw(gc.float32, (inner, 34), 2)
        first, second = (np.ascontiguousarray(z.T) if ways == "TT" else z for z in (a, b))
        assert_close(run(first, second), exact(a, b), inner)
    for inner in (17, 512, 513):
        check(14, inner, 34, ways)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", NUMBERS, ids=str)
def test_every_dtype_on_every_isa(dtype: DType, isa: str) -> None:
    if dtype is gc.float16 and isa == "x86-64-v2":
        pytest.skip("has no instruction for half precision")
    check(29, 41, 35, dtype=dtype, isa=isa)


@pytest.mark.parametrize("isa", ISAS[:2])
@pytest.mark.parametrize("ways", ["NN", "NT", "TN", "TT"])
def test_narrower_vectors_multiply_alike(isa: str, ways: str) -> None:
    for shape in [(3, 50, 20), (13, 600, 70), (90, 33, 5)]:
        check(*shape, ways, isa=isa)


def test_scalar_code_multiplies_alike() -> None:
    check(29, 41, 35, target="numba")


CASES = [
    ((3, 5, 20, 11), (3, 5, 33, 11), ((0, 1), (0, 1)), ((3,), (3,))),
    ((4, 6, 5), (5, 6, 40), NONE, ((1, 2), (1, 0))),
    ((4, 21, 8), (4, 21, 12), NONE, ((0, 1), (0, 1))),
    ((2, 33, 3, 8), (2, 33, 3, 8), ((0, 2), (0, 2)), ((3,), (3,))),
    ((50, 9), (50, 9), ((0,), (0,)), ((1,), (1,))),
    ((17, 3, 20), (20, 2, 18), NONE, ((2,), (0,))),
    ((6, 4, 7, 3), (7, 5, 4, 2), ((1,), (2,)), ((2,), (0,))),
    ((30, 20), (5, 20, 9), NONE, ((1,), (1,))),
    ((14, 4, 7), (11, 7, 3, 4, 16), NONE, ((1, 2), (3, 1))),
    ((9, 400), (20, 400, 40), NONE, ((1,), (1,))),
    ((5,), (5,), NONE, ((0,), (0,))),
    ((2, 3), (3, 2), ((0, 1), (1, 0)), NONE),
]


@pytest.mark.parametrize(("left", "right", "batch", "contract"), CASES, ids=str)
def test_any_axes(left: Any, right: Any, batch: Any, contract: Any) -> None:
    x, y = gc.placeholder("x", left, gc.float32), gc.placeholder("y", right, gc.float32)
    z = dot_general(x, y, batch, contract)
    a, b = draw(gc.float32, left, 1), draw(gc.float32, right, 2)
    letters = "abcdefgh"
    first = list(letters[: len(left)])
    second = list(letters.upper()[: len(right)])
    for i, j in zip((*batch[0], *contract[0]), (*batch[1], *contract[1]), strict=True):
        second[j] = first[i]
    shared = [first[i] for i in batch[0]]
    out = shared + [c for c in first if c not in second] + [c for c in second if c not in first]
    spec = f"{''.join(first)},{''.join(second)}->{''.join(out)}"
    wanted = np.einsum(spec, a.astype(np.float64), b.astype(np.float64))
    assert_close(gc.compile([x, y], z)(a, b), wanted, 200)


def test_operands_are_read_through_views() -> None:
    x = gc.placeholder("x", ("batch", 5, 4, 6), gc.float32)
    y = gc.placeholder("y", (4, 30), gc.float32)
    z = tensordot(gc.transpose(x, (0, 1, 3, 2)), y, 1)
    a, b = draw(gc.float32, (3, 5, 4, 6), 1), draw(gc.float32, (4, 30), 2)
    wanted = exact(a.transpose(0, 1, 3, 2), b)
    assert_close(gc.compile([x, y], z)(a, b), wanted, 4)


# --- maps over the result -------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(2, 30, 40), (30, 30, 40), (50, 900, 150), (70, 30, 6)], ids=str)
def test_maps_over_the_result_join_the_product(shape: tuple[int, int, int]) -> None:
    m, k, n = shape
    x, w = gc.placeholder("x", ("m", k)), gc.placeholder("w", (k, n))
    b, r = gc.placeholder("b", (n,)), gc.placeholder("r", ("m", n))
    product = gc.matmul(x, w)
    outputs = (gc.maximum(product + b, 0.0) + r, product)
    bodies = fuse(outputs)
    assert [body.kind for body in bodies] == ["contraction"]
    arrays = [draw(gc.float32, s, i) for i, s in enumerate([(m, k), (k, n), (n,), (m, n)])]
    mapped, plain = gc.compile([x, w, b, r], outputs)(*arrays)
    wanted = exact(arrays[0], arrays[1])
    assert_close(plain, wanted, k)
    assert_close(mapped, np.maximum(wanted + arrays[2], 0) + arrays[3], k)


def test_a_weight_is_updated_where_it_lies() -> None:
    start = draw(gc.float32, (60, 40), 3)
    w = gc.variable(start.copy())
    x, g = gc.placeholder("x", ("batch", 60)), gc.placeholder("g", ("batch", 40))
    run = gc.compile([x, g], (), updates={w: w - 0.5 * gc.matmul(x.T, g)})
    a, b = draw(gc.float32, (30, 60), 1), draw(gc.float32, (30, 40), 2)
    run(a, b)
    run(a, b)
    assert_close(w.node.attrs["state"].array, start.astype(np.float64) - exact(a.T, b), 30)


# --- what IEEE and determinism ask ----------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 5, 12, 40])
def test_one_infinity_spoils_only_its_own_row_and_column(rows: int) -> None:
    x, y = gc.placeholder("x", (rows, 21)), gc.placeholder("y", (21, 37))
    a, b = np.ones((rows, 21), np.float32), np.ones((21, 37), np.float32)
    a[rows - 1, 3], b[5, 36] = np.inf, np.nan
    result = gc.compile([x, y], gc.matmul(x, y))(a, b)
    assert np.isnan(result[:, 36]).all()
    assert np.isposinf(result[rows - 1, :36]).all()
    assert (result[: rows - 1, :36] == 21).all()


def test_the_number_of_threads_changes_no_bit() -> None:
    x, y = gc.placeholder("x", ("m", "k")), gc.placeholder("y", ("k", "n"))
    run = gc.compile([x, y], gc.matmul(x, y))
    a, b = draw(gc.float32, (257, 390), 1), draw(gc.float32, (390, 300), 2)
    assert_same_bits(run, a, b)


@pytest.mark.parametrize("columns", [33, 40, 41, 63, 64, 65, 100, 112, 129])
def test_columns_beyond_whole_panels_have_narrower_tiles(columns: int) -> None:
    for rows in (6, 7, 13):
        check(rows + 8, 20, columns)
        check(rows + 8, 1024, columns)


@pytest.mark.parametrize("n", [2, 4, 8, 16])
def test_transposing_exchanges_rows_and_lanes(n: int) -> None:
    rows = [e.var(f"r{i}", gc.float32, n) for i in range(n)]
    names = {x: [(i, j) for j in range(n)] for i, x in enumerate(rows)}

    def lanes(x: e.Expr) -> list[tuple[int, int]]:
        if x not in names:
            joined = lanes(x.args[0]) + lanes(x.args[1])
            names[x] = [joined[k] for k in x.attr]
        return names[x]

    assert [lanes(x) for x in e.transpose(rows)] == [[(i, j) for i in range(n)] for j in range(n)]


@pytest.mark.parametrize("size", [1024, "n"], ids=str)
def test_long_sums_are_taken_in_short_chains(size: Any) -> None:
    x, y = (gc.placeholder(name, (size, size), gc.float32) for name in "xy")
    a, b = draw(gc.float32, (1024, 1024), 1), draw(gc.float32, (1024, 1024), 2)
    wanted = exact(a, b)
    error = np.linalg.norm(gc.compile([x, y], x @ y)(a, b) - wanted) / np.linalg.norm(wanted)
    assert error < 2.4e-7
