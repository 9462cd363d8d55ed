"""One meaning on every target: the same bits whatever the vector width and instruction set."""

import numpy as np
import pytest

from graphc.backends.llvm.engine import host_target
from graphc.backends.loops.expr import Expr
from graphc.ir.dtypes import DType, float32, float64
from tests.math.bounds import FLOAT32
from tests.math.harness import BINARY, compiled, expansion, nodes

NAMES = sorted(FLOAT32)
DTYPES = pytest.mark.parametrize("dtype", [float32, float64], ids=str)


def any_floats(dtype: DType, count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    ordinary = rng.normal(size=(2, count)).astype(dtype.numpy) * 3
    bits = rng.integers(0, 2**dtype.bits, (2, count), dtype=f"uint{dtype.bits}")
    return list(np.concatenate([ordinary, bits.view(dtype.numpy)], axis=1))


@DTYPES
@pytest.mark.parametrize("name", NAMES)
def test_bits_do_not_depend_on_the_target(name: str, dtype: DType) -> None:
    arguments = any_floats(dtype, 500)[: 2 if name in BINARY else 1]
    variants = [(1, "host"), (4, "host"), (8, "host")]
    if host_target().triple.startswith("x86_64"):
        levels = {128: "x86-64-v2", 256: "x86-64-v3"}
        variants += [(w // 32, t) for w, t in levels.items() if w <= host_target().vector_bits]
    expected = compiled(name, dtype)(*arguments)
    for lanes, target in variants:
        np.testing.assert_array_equal(compiled(name, dtype, lanes, target)(*arguments), expected)


def is_power_of_two(x: Expr) -> bool:
    """A constant, a shifted exponent or a product of such: a product with it is exact."""
    if x.op == "broadcast":
        return is_power_of_two(x.args[0])
    if x.op == "mul":
        return all(map(is_power_of_two, x.args))
    if x.op == "bitcast":
        return x.args[0].op == "shl"
    return x.op == "const" and abs(np.frexp(x.attr)[0]) == 0.5


@DTYPES
@pytest.mark.parametrize("name", NAMES)
def test_no_sum_has_a_product_that_contraction_could_round_otherwise(
    name: str, dtype: DType
) -> None:
    for node in nodes(expansion(name, dtype)):
        if node.op in ("add", "sub") and node.dtype.is_float:
            products = [a for a in node.args if a.op == "mul"]
            assert all(any(map(is_power_of_two, p.args)) for p in products), node
