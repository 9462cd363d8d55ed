"""Products that turn out to have few columns while they run, against NumPy in a wider type."""

from itertools import product
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.backends.lower.kernel import Call
from graphc.ir.dim_values import evaluate
from tests.support.products import assert_close
from tests.support.threads import assert_same_bits

WAYS = ["NN", "NT", "TN", "TT"]


def draw(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32)


def kernels(run: Any) -> list[str]:
    names = [c.kernel.name for c in run.program.calls if isinstance(c, Call)]
    return [name for name in names if name != "dot_tiles"]


def compiled(ways: str, m: Any, k: Any, n: Any, **options: Any) -> Any:
    """A function of the operands as they are meant, which `ways` says how to store."""
    x = gc.placeholder("x", (k, m) if ways[0] == "T" else (m, k))
    y = gc.placeholder("y", (n, k) if ways[1] == "T" else (k, n))
    left, right = (z.T if way == "T" else z for z, way in zip((x, y), ways, strict=True))
    run = gc.compile([x, y], gc.matmul(left, right), **options)
    assert kernels(run)[-2:] == ["dot_thin", "dot"]

    def call(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        stored = (z.T if way == "T" else z for z, way in zip((a, b), ways, strict=True))
        return run(*map(np.ascontiguousarray, stored))

    return call


@pytest.mark.parametrize("isa", ["x86-64-v2", "host"])
@pytest.mark.parametrize("ways", WAYS)
def test_one_compilation_serves_few_columns_and_many(ways: str, isa: str) -> None:
    run = compiled(ways, "m", "k", "n", isa=isa)
    for m, n, k in product([0, 1, 3, 5, 17, 300], [0, 1, 2, 5, 9, 10, 11, 20], [0, 1, 16, 33, 700]):
        a, b = draw(1, m, k), draw(2, k, n)
        assert_close(run(a, b), a, b)


@pytest.mark.parametrize("ways", WAYS)
def test_known_summands_and_rows_are_summed_alike(ways: str) -> None:
    for m, k in [(11, 37), (300, 513), (7, 1100)]:
        run = compiled(ways, m, k, "n")
        for n in (1, 2, 4, 8, 9, 10, 11):
            a, b = draw(1, m, k), draw(2, k, n)
            assert_close(run(a, b), a, b)


def test_a_batch_of_thin_products_with_maps_over_them() -> None:
    x, y = gc.placeholder("x", ("b", 40, 70)), gc.placeholder("y", ("b", 70, "n"))
    bias = gc.placeholder("bias", ("n",))
    run = gc.compile([x, y, bias], gc.maximum(gc.matmul(x, y) + bias, 0.0))
    assert kernels(run)[0] == "dot_thin"
    for batch, n in product([1, 3], [1, 3, 8, 30]):
        a, b, c = draw(1, batch, 40, 70), draw(2, batch, 70, n), draw(3, n)
        wanted = np.maximum(a.astype(np.float64) @ b + c, 0)
        np.testing.assert_allclose(run(a, b, c), wanted, rtol=1e-4, atol=1e-4)


def test_an_infinity_spoils_only_its_own_row_and_column() -> None:
    run = compiled("NN", "m", "k", "n")
    a, b = np.ones((6, 21), np.float32), np.ones((21, 2), np.float32)
    a[5, 3], b[5, 1] = np.inf, np.nan
    result = run(a, b)
    assert np.isnan(result[:, 1]).all()
    assert np.isposinf(result[5, 0])
    assert (result[:5, 0] == 21).all()


@pytest.mark.parametrize("columns", [1, 2, 3, 4, 5, 255, 300, 513])
def test_few_rows_and_both_operands_along_the_sum(columns: int) -> None:
    for m, k in product([1, 3, 4], [1, 16, 45]):
        x, y = gc.placeholder("x", (m, k)), gc.placeholder("y", (columns, k))
        a, b = draw(1, m, k), draw(2, columns, k)
        assert_close(gc.compile([x, y], gc.matmul(x, y.T))(a, b), a, b.T)


def test_the_number_of_threads_changes_no_bit_of_a_thin_product() -> None:
    run = compiled("NN", "m", "k", "n")
    a, b = draw(1, 1200, 600), draw(2, 600, 2)
    assert_same_bits(run, a, b)


@pytest.mark.parametrize("way", ["N", "T"])
@pytest.mark.parametrize("n", [2, 3, 5, 7, 8, 9, 10])
def test_few_known_columns_are_summed_along_long_lines(n: int, way: str) -> None:
    for m, k in [(256, 2100), (521, 512)]:
        y = gc.placeholder("y", (n, k) if way == "T" else (k, n))
        x = gc.placeholder("x", (m, k))
        run = gc.compile([x, y], x @ (y.T if way == "T" else y))
        assert kernels(run) == ["dot_thin"]
        a, b = draw(1, m, k), draw(2, k, n)
        assert_close(run(a, np.ascontiguousarray(b.T) if way == "T" else b), a, b)


def test_infinity_stays_in_its_row_and_column_of_a_thin_product() -> None:
    x, y = gc.placeholder("x", (300, 600)), gc.placeholder("y", (600, 7))
    a, b = draw(1, 300, 600), draw(2, 600, 7)
    a[299, 5], b[3, 6] = np.inf, np.nan
    finite = np.isfinite(gc.compile([x, y], x @ y)(a, b))
    assert finite[:299, :6].all()
    assert not finite[299].any()
    assert not finite[:, 6].any()


@pytest.mark.parametrize(
    ("shape", "chunks"), [((128, 784), 2), ((512, 784), 8), ((200, 200), 1), ((0, 5), 1)], ids=str
)
@pytest.mark.parametrize("way", ["N", "T"])
def test_some_rows_of_a_thin_product_are_shared_out(
    way: str, shape: tuple[int, int], chunks: int
) -> None:
    x = gc.placeholder("x", ("m", "k") if way == "N" else ("k", "m"))
    y = gc.placeholder("y", ("k", "n"))
    run = gc.compile([x, y], (x if way == "N" else x.T) @ y)
    sizes = dict(zip("mk", shape, strict=True)) | {"n": 7}
    (found,) = [
        evaluate(c.chunks, sizes)
        for c in run.program.calls
        if isinstance(c, Call) and c.kernel.name == "dot_thin"
    ]
    assert max(1, found) == chunks


@pytest.mark.parametrize(("m", "thin"), [(64, True), (300, True), (40, False)])
def test_known_rows_are_summed_along_long_lines_from_some_on(m: int, thin: bool) -> None:
    x, y = gc.placeholder("x", (m, 784)), gc.placeholder("y", (784, 3))
    run = gc.compile([x, y], x @ y)
    assert (kernels(run) == ["dot_thin"]) is thin
    a, b = draw(5, m, 784), draw(6, 784, 3)
    assert_close(run(a, b), a, b)
