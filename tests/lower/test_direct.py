"""Products that read windows where they lie, against the reference, and what is chosen for them."""

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from graphc.backends.lower.products.axes import Axis
from graphc.backends.lower.products.direct_plan import best_size, tile

ISAS = ("x86-64-v2", "x86-64-v3", "host")

#: Images, kernels, stride, padding: what fills vectors along positions, channels, sums, or not.
CASES: list[tuple[tuple[int, ...], tuple[int, ...], int, Any]] = [
    ((3, 1, 28, 28), (6, 1, 5, 5), 1, 2),
    ((3, 6, 14, 14), (16, 6, 5, 5), 1, 0),
    ((2, 3, 33, 17), (8, 3, 3, 3), 1, 1),
    ((1, 3, 20, 48), (12, 3, 3, 3), 2, 1),
    ((2, 5, 9, 40), (7, 5, 3, 3), 1, 1),
    ((2, 2, 7, 130), (3, 2, 3, 3), 1, (0, 2)),
    ((1, 16, 12, 12), (16, 16, 3, 3), 1, 1),
    ((2, 4, 11, 13), (33, 4, 2, 4), 1, 1),
    ((2, 3, 7, 7), (5, 3, 3, 3), 1, 1),
    ((0, 1, 28, 28), (6, 1, 5, 5), 1, 2),
    ((2, 1, 100), (3, 1, 7), 1, 3),
    ((1, 2, 4, 5, 16), (4, 2, 2, 2, 3), 1, 1),
    ((2, 7, 6, 5), (100, 7, 3, 3), 1, 1),
]


def program(
    x: tuple[Any, ...], w: tuple[int, ...], stride: int, padding: Any, dtype: Any
) -> tuple[list[gc.Tensor], list[gc.Tensor]]:
    """A convolution with a bias and a threshold behind it, and all its gradients."""
    image, kernel = gc.placeholder("x", x, dtype), gc.placeholder("w", w, dtype)
    bias = gc.placeholder("b", (w[0],) + (1,) * (len(w) - 2), dtype)
    y = gc.maximum(nn.conv(image, kernel, stride, padding) + bias, 0)
    loss = gc.sum(y * y)
    return [image, kernel, bias], [y, *gc.grad(loss, [image, kernel, bias])]


def assert_equal(case: Any, dtype: Any, symbolic: bool = False, **options: Any) -> None:
    x, w, stride, padding = case
    shape = ("n", *x[1:]) if symbolic else x
    inputs, outputs = program(shape, w, stride, padding, dtype)
    rng = np.random.default_rng(0)
    shapes = (x, w, inputs[2].shape)
    given = [(rng.integers(-4, 5, s) / 4).astype(dtype.numpy) for s in shapes]
    found = gc.compile(inputs, outputs, **options)(*given)
    wanted = gc.compile(inputs, outputs, target="reference")(*given)
    epsilon = np.finfo(dtype.numpy).eps
    for a, b in zip(found, wanted, strict=True):
        assert a.shape == b.shape
        assert np.abs(a - b).max(initial=0) <= 64 * epsilon * np.abs(b).max(initial=1)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_and_gradients_equal_the_reference(case: Any) -> None:
    assert_equal(case, gc.float32)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_any_number_of_samples(case: Any) -> None:
    assert_equal(case, gc.float32, symbolic=True)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("case", CASES[:6], ids=str)
def test_every_width_of_vectors(case: Any, isa: str) -> None:
    assert_equal(case, gc.float32, isa=isa)


@pytest.mark.parametrize("case", CASES[:6], ids=str)
def test_doubles(case: Any) -> None:
    assert_equal(case, gc.float64)


def test_sums_are_taken_in_chains() -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((64, n)).astype(np.float32) for n in (11, 16))
    x, y = gc.placeholder("x", a.shape), gc.placeholder("y", b.shape)
    run = gc.compile([x, y], x.T @ y)
    assert "d.k0" in run.dump("loops")
    wanted = a.T.astype(np.float64) @ b
    assert np.linalg.norm(run(a, b) - wanted) / np.linalg.norm(wanted) < 1.2e-7


def test_what_lies_beyond_a_line_does_not_count() -> None:
    """Lanes beyond the last position of a line see other lines; infinities there stay there."""
    x, w = gc.placeholder("x", (1, 1, 3, 20)), gc.placeholder("w", (2, 1, 1, 3))
    y = nn.conv(x, w)
    run = gc.compile([x, w], [y, gc.grad(gc.sum(y[:, :, 0]), w)])
    image = np.zeros((1, 1, 3, 20), "f4")
    image[0, 0, 1:] = np.inf
    value, gradient = run(image, np.ones((2, 1, 1, 3), "f4"))
    assert (value[0, :, 0] == 0).all() and np.isinf(value[0, :, 1:]).all()
    assert np.isnan(gradient).all(), "0 * inf is part of the whole sum"


def test_updates_of_a_kernel_happen_once() -> None:
    """Tiles that reach back over others leave what these have finished alone."""
    w = gc.variable(np.ones((7, 3, 3, 3), "f4"))
    x = gc.placeholder("x", (2, 3, 20, 20))
    gradient = gc.grad(gc.sum(nn.conv(x, w)), w)
    step = gc.compile([x], gc.sum(w), updates={w: w * 2 + gradient})
    step(np.ones((2, 3, 20, 20), "f4"))
    np.testing.assert_array_equal(w.value, np.full((7, 3, 3, 3), 2 + 2 * 18 * 18, "f4"))


@pytest.mark.parametrize(("extents", "most", "sizes"), [
    ((6,), 29, (6,)), ((64, 10, 10), 28, (1, 2, 10)), ((6, 5, 5), 28, (1, 5, 5)),
    ((56,), 29, (28,)),
])  # fmt: skip
def test_tiles_leave_little_over(extents: Any, most: int, sizes: Any) -> None:
    axes = [Axis(f"i{k}", d) for k, d in enumerate(extents)]
    assert tuple(t.size for t in tile(axes, most)) == sizes


def test_a_prime_number_is_not_cut_into_ones() -> None:
    assert best_size(29, 14) > 7


#: Rows, summands and columns of products whose right operand stays in a cache.
FEW_ROWS = [(8, 128, 512), (5, 64, 33), (32, 64, 20), (30, 17, 16), (31, 9, 100), (12, 1, 48),
            (16, 0, 32), (24, 300, 65)]  # fmt: skip


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("case", FEW_ROWS, ids=str)
def test_few_rows_read_the_right_operand_in_place(case: tuple[int, int, int], isa: str) -> None:
    m, k, n = case
    rng = np.random.default_rng(0)
    a, b, c = (rng.integers(-4, 5, s).astype("float32") for s in ((m, k), (k, n), (n,)))
    x, y, z = (gc.placeholder(name, v.shape) for name, v in (("x", a), ("y", b), ("z", c)))
    (found,) = gc.compile([x, y, z], [gc.maximum(x @ y + z, 0)], isa=isa)(a, b, c)
    np.testing.assert_array_equal(found, np.maximum(a @ b + c, 0))


@pytest.mark.parametrize(
    ("shapes", "direct"),
    [
        (((8, 100), (100, 256)), True),
        (((8, 128), (128, 512)), False),
        (((8, 512), (512, 512)), False),
        (((4, 128), (128, 512)), False),
        (((40, 128), (128, 512)), False),
    ],
    ids=str,
)
def test_what_is_read_in_place_is_small_and_has_some_rows(
    shapes: tuple[tuple[int, int], tuple[int, int]], direct: bool
) -> None:
    x, y = (gc.placeholder(name, s) for name, s in zip("xy", shapes, strict=True))
    loops = gc.compile([x, y], x @ y).dump("loops")
    assert ("d.sum" in loops) == direct


def test_short_lines_of_taps_are_not_packed_for_many_kernels() -> None:
    x, w = gc.placeholder("x", (1, 63, 28, 28)), gc.placeholder("w", (100, 63, 3, 3))
    assert "d.sum" in gc.compile([x, w], nn.conv(x, w, padding=1)).dump("loops")


@pytest.mark.parametrize("stride", [1, 3])
def test_rows_that_do_not_lie_in_lines_are_not_packed(stride: int) -> None:
    case = ((2, 3, 40, 35), (96, 3, 5, 5), stride, 0)
    assert_equal(case, gc.float32)
    inputs, outputs = program(*case, gc.float32)
    assert "d.sum" in gc.compile(inputs, outputs[2]).dump("loops")
