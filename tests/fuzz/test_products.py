"""Random products of few rows and of many, however the operands lie, for every instruction set.

Reproduce a failure with `check_product(seed)`.
"""

import numpy as np
import pytest

import graphc as gc
from graphc.ir.dtypes import DType
from tests.fuzz.test_graphs import for_seconds
from tests.support.threads import assert_same_bits

QUICK = 16
ISAS = ("host", "x86-64-v3", "x86-64-v2")
DTYPES = (gc.float32,) * 5 + (gc.float64, gc.int32, gc.float16, gc.bfloat16)
#: Rounding of a result, and of a sum whose chains are this short.
ROUNDING = {"float64": 2.0**-53, "float32": 2.0**-24, "float16": 2.0**-11, "bfloat16": 2.0**-8}
CHAINS = 32
#: Half the distance of numbers near zero, where it can be seen.
NEAR_ZERO = {"float16": 2.0**-25}
ROWS = (*range(1, 10), 12, 13, 16, 17, 23, 24, 25, 33, 64, 100)
SUMMANDS = (1, 2, 7, 8, 9, 16, 17, 31, 63, 64, 65, 100, 128, 200, 513, 784, 1000, 2050)
COLUMNS = (*range(1, 5), *range(8, 12), 15, 16, 17, 31, 33, 64, 100, 129, 255, 257, 512, 1000, 4100)
#: Columns of those that may have any number, and elements of an operand, at most.
WIDEST, LARGEST = 1500, 2_500_000


class Operand:
    """A matrix, or a batch of them: of named sizes or not, its axes in order or the last two in
    turn.
    """

    def __init__(self, rng: np.random.Generator, name: str, axes: dict[str, int], dtype: DType):
        order, shape = list(axes), list(axes.values())
        if rng.random() < 0.25:
            order[-2:], shape[-2:] = order[:-3:-1], shape[:-3:-1]
        self.turned = order != list(axes)
        self.sizes = tuple(k if k.isidentifier() else n for k, n in zip(order, shape, strict=True))
        self.symbol = gc.placeholder(name, self.sizes, dtype)
        whole = dtype is gc.int32
        drawn = rng.integers(-9, 10, shape) if whole else rng.standard_normal(shape)
        self.array = drawn.astype(dtype.numpy)

    def matrix(self) -> gc.Tensor:
        """The tensor with its axes in order."""
        return gc.matrix_transpose(self.symbol) if self.turned else self.symbol

    def exact(self) -> np.ndarray:
        """Its values with their axes in order, in double precision."""
        wide = self.array.astype(np.float64)
        return np.swapaxes(wide, -1, -2) if self.turned else wide


def operands(rng: np.random.Generator, dtype: DType) -> tuple[Operand, Operand]:
    """Two operands of a product; an axis whose key is a name has a named size."""
    m, k, n = (int(rng.choice(sizes)) for sizes in (ROWS, SUMMANDS, COLUMNS))
    if rng.random() < 0.5:
        n = int(rng.integers(1, WIDEST))
    if k * max(m, n) > LARGEST:
        k = 100
    keys = [name if rng.random() < 0.25 else f"={name}" for name in "bmkn"]
    b, m_, k_, n_ = keys
    batch = {b: int(rng.integers(2, 4))} if rng.random() < 0.2 else {}
    shared = batch if rng.random() < 0.7 else {}
    left, right = {m_: m, k_: k}, {k_: k, n_: n}
    return Operand(rng, "x", batch | left, dtype), Operand(rng, "y", shared | right, dtype)


def check_product(seed: int) -> None:
    """A product and what follows it are near the exact one, whatever the number of threads."""
    rng = np.random.default_rng(seed)
    dtype = DTYPES[rng.integers(len(DTYPES))]
    x, y = operands(rng, dtype)
    product = gc.matmul(x.matrix(), y.matrix())
    followed = bool(rng.random() < 0.5)
    out = gc.maximum(product + 1, 0) if followed else product
    isa = ISAS[rng.integers(len(ISAS))]
    run = gc.compile([x.symbol, y.symbol], out, isa=isa)
    assert_same_bits(run, x.array, y.array, threads=(1, 2))
    got = np.asarray(run(x.array, y.array)).astype(np.float64)
    a, b = x.exact(), y.exact()
    wanted, size = a @ b, np.abs(a) @ np.abs(b)
    rounded = np.abs(wanted)
    if followed:
        wanted, rounded = np.maximum(wanted + 1, 0), 2 * rounded + 1
    about = f"seed {seed}: {x.sizes} @ {y.sizes}, {x.array.shape}, {dtype.name}, {isa}"
    assert got.shape == wanted.shape, about
    unit = ROUNDING.get(dtype.name, 0.0)
    summed = min(unit, ROUNDING["float32"])
    allowed = unit * rounded + CHAINS * summed * size + NEAR_ZERO.get(dtype.name, 0.0)
    error = np.abs(got - wanted) - allowed
    assert (error <= 0).all(), f"{about}: off by {np.abs(got - wanted).max()}"


@pytest.mark.parametrize("seed", range(QUICK))
def test_products_are_near_the_exact_ones(seed: int) -> None:
    check_product(seed)


@pytest.mark.fuzz
def test_many_products_are_near_the_exact_ones(fuzz_seconds: float) -> None:
    for seed in for_seconds(fuzz_seconds):
        check_product(seed)
