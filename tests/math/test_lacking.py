"""What old processors have no instruction for comes out as from those that have it, to the bit."""

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from graphc.backends.llvm.engine import host_target
from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr, var
from graphc.ir.dtypes import DType, float32, float64
from tests.math.harness import compile_expression

pytestmark = pytest.mark.skipif(
    host_target().architecture.name != "x86_64", reason="code for old x86 runs on x86 alone"
)
BOUNDS = [0.0, -0.0, np.inf, -np.inf, np.nan, 2.0**-149, -(2.0**-126), 1.5, 3.4e38, 1 + 2.0**-23]


def fma_of(lanes: int, target: str) -> Callable[..., np.ndarray]:
    x, y, z = (var(f"x{k}", float32, lanes) for k in range(3))
    return compile_expression(e.fma(x, y, z), 3, target)


def rounded_once(x: float, y: float, z: float) -> np.float32:
    """x * y + z as a float32, from exact numbers."""
    exact = Fraction(x) * Fraction(y) + Fraction(z)
    near = np.float32(float(exact))
    around = [near, np.nextafter(near, np.float32(np.inf)), np.nextafter(near, np.float32(-np.inf))]
    return min(around, key=lambda r: (abs(Fraction(float(r)) - exact), r.view(np.uint32) & 1))


def ties(count: int) -> np.ndarray:
    """Operands whose result is near the middle between two floats, among subnormal ones too."""
    rng = np.random.default_rng(0)
    z = np.ldexp(1 + rng.integers(0, 2**23, count) / 2**23, rng.integers(-130, 100, count))
    half = np.spacing(z.astype(np.float32)) / 2
    x = half * rng.choice([1, 1 + 2.0**-23, 1 - 2.0**-24, 3, 0.5, 2.0**-30 + 1], count)
    y = rng.choice([1, -1, 1 + 2.0**-23, 1 - 2.0**-24], count)
    return np.stack([x, y, z * rng.choice([1, -1], count)]).astype(np.float32)


@pytest.mark.parametrize("lanes", [1, 2, 4, 8])
@pytest.mark.parametrize("target", ["x86-64", "x86-64-v2"])
def test_a_fused_multiply_add_is_rounded_once(lanes: int, target: str) -> None:
    x, y, z = ties(800)
    found = fma_of(lanes, target)(x, y, z)
    expected = [rounded_once(*map(float, row)) for row in zip(x, y, z, strict=True)]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.skipif(host_target().vector_bits < 256, reason="this CPU has no such instruction")
@pytest.mark.parametrize("lanes", [1, 4])
def test_a_fused_multiply_add_is_that_of_the_processor(lanes: int) -> None:
    bits = np.random.default_rng(1).integers(0, 2**32, (3, 30_000), np.uint32).view(np.float32)
    bounds = np.stack(np.meshgrid(*[np.array(BOUNDS, np.float32)] * 3)).reshape(3, -1)
    with np.errstate(all="ignore"):
        tiny = bits[:, :5000] * np.float32(2.0**-30)
    x, y, z = np.concatenate([bits, bounds, tiny, ties(8000)], axis=1)
    ours, theirs = (fma_of(lanes, t)(x, y, z) for t in ("x86-64", "host"))
    np.testing.assert_array_equal(ours, theirs)
    numbers = theirs == theirs
    np.testing.assert_array_equal(np.signbit(ours)[numbers], np.signbit(theirs)[numbers])


@pytest.mark.parametrize("dtype", [float32, float64], ids=str)
@pytest.mark.parametrize("lanes", [1, 4])
@pytest.mark.parametrize("name", ["floor", "ceil", "trunc", "rint"])
def test_roundings_are_those_of_numpy(name: str, lanes: int, dtype: DType) -> None:
    kind = {"floor": e.floor, "ceil": e.ceil, "trunc": e.trunc, "rint": e.rint}[name]
    root: Expr = kind(var("x0", dtype, lanes))
    rng = np.random.default_rng(2)
    bits = rng.integers(0, 2**dtype.bits, 4000, f"uint{dtype.bits}").view(dtype.numpy)
    near = rng.integers(-40, 40, 400) / 4
    edge = float(2 ** (22 if dtype is float32 else 51))
    bounds = [edge - 0.5, edge, edge + 0.5, edge * 2 - 1, *BOUNDS]
    x = np.concatenate([np.asarray(part, dtype.numpy) for part in (bits, near, bounds)])
    x = np.concatenate([x, -x])
    found = compile_expression(root, 1, "x86-64")(x)
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(x)
    np.testing.assert_array_equal(found, expected)
    numbers = expected == expected
    np.testing.assert_array_equal(np.signbit(found)[numbers], np.signbit(expected)[numbers])
