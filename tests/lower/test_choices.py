"""No choice of a schedule changes what products, convolutions and reductions of lines give."""

from collections.abc import Callable

import numpy as np
import pytest

import graphc as gc
from graphc.backends.loops.text import kernel_text
from graphc.backends.lower.kernel import Call, Schedule
from graphc.backends.reference import evaluate
from graphc.ir.node import Tensor
from graphc.ops.convolutions.convolving import conv
from tests.lower.scheduled import draw_schedule, function, program_of

Make = Callable[[list[Tensor]], list[Tensor]]


def matmul(x: list[Tensor]) -> list[Tensor]:
    return [gc.maximum(x[0] @ x[1], 0)]


def transposed(x: list[Tensor]) -> list[Tensor]:
    return [x[0].T @ x[1], gc.grad(gc.sum(gc.square(x[0].T @ x[1])), [x[0]])[0]]


PRODUCTS = {
    "odd": (matmul, [(37, 131), (131, 53)]),
    "few rows": (matmul, [(3, 140), (140, 200)]),
    "some rows": (matmul, [(11, 64), (64, 70)]),
    "narrow": (matmul, [(90, 33), (33, 2)]),
    "long": (matmul, [(20, 1100), (1100, 40)]),
    "symbolic": (matmul, [("n", 45), (45, "m")]),
    "empty": (matmul, [(5, 0), (0, 7)]),
    "turned": (transposed, [(45, 70), (45, 19)]),
}
LINES = {
    "middle": lambda x: [gc.sum(x, axis=1)],
    "exponentials of the middle": lambda x: [
        gc.sum(gc.exp(x - gc.max(x, axis=1, keepdims=True)), axis=1)
    ],
    "norm of the middle": lambda x: [gc.var(x, axis=1), gc.mean(x, axis=1)],
}


def agrees(
    inputs: list[Tensor], outputs: list[Tensor], arrays: list[np.ndarray], seed: int
) -> None:
    """Whether three random schedules give what the reference does."""
    rng = np.random.default_rng(seed)
    wanted = evaluate(outputs, dict(zip(inputs, arrays, strict=True)))
    for _ in range(3):
        schedule = draw_schedule(rng)
        for ours, theirs in zip(function(inputs, outputs, schedule)(*arrays), wanted, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=2e-4, err_msg=str(schedule))


def drawn(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("name", PRODUCTS)
def test_products_are_the_same_under_every_schedule(name: str) -> None:
    make, shapes = PRODUCTS[name]
    inputs = [gc.placeholder(f"x{k}", shape) for k, shape in enumerate(shapes)]
    known = [tuple(17 if isinstance(d, str) else d for d in shape) for shape in shapes]
    arrays = [drawn(shape, k) for k, shape in enumerate(known)]
    agrees(inputs, make(inputs), arrays, len(name))


@pytest.mark.parametrize("shape", [(3, 50, 130), (2, 7, 600), (1, 1, 70), ("n", "m", 90)])
@pytest.mark.parametrize("name", LINES)
def test_reductions_are_the_same_under_every_schedule(name: str, shape: tuple) -> None:
    x = gc.placeholder("x", shape)
    known = tuple(5 if isinstance(d, str) else d for d in shape)
    agrees([x], LINES[name](x), [drawn(known, 3)], len(name) + known[1])


@pytest.mark.parametrize(
    ("channels", "taps", "stride"),
    [(16, 3, 1), (32, 3, 2), (3, 5, 2), (16, 1, 1)],
    ids=["winograd", "packed", "first", "product"],
)
def test_convolutions_are_the_same_under_every_schedule(
    channels: int, taps: int, stride: int
) -> None:
    x = gc.placeholder("x", (2, channels, 13, 11))
    w = gc.constant(drawn((32, channels, taps, taps), 1) / (channels * taps))
    outputs = [gc.maximum(conv(x, w, stride=stride, padding=taps // 2), 0)]
    agrees([x], outputs, [drawn((2, channels, 13, 11), 2)], channels + taps)


def test_rows_behind_a_low_block_are_not_read() -> None:
    x, y = gc.placeholder("x", (90, 41)), gc.placeholder("y", (90, 300))
    schedule = Schedule(in_place=False, direct=False, height=24)
    (call,) = program_of([x, y], [x.T @ y], schedule).calls
    assert isinstance(call, Call)
    lines = kernel_text(call.kernel).splitlines()
    packing = [line for line in lines if "p.left[" in line and "] = a0[" in line]
    assert packing
    assert all(" where " in line for line in packing)
