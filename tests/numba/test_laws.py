"""Every op by itself on the target "numba", on samples that differ in more than their dtype.

The kernels of an op are compiled together; that all dtypes mean the same there is for the tests of
primitives to show.
"""

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.ir.node import apply
from graphc.ir.op import Op, Sample

OPS = [op for op in Op.registry.values() if op.samples()]


def arrays_of(sample: Sample) -> list[np.ndarray]:
    return [np.asarray(x) for x in sample.make(np.random.default_rng([0, 17]))]


def distinct(op: Op) -> list[tuple[Sample, list[np.ndarray]]]:
    """Samples of which no two agree in attributes and shapes: the first of each."""
    found: dict[Any, tuple[Sample, list[np.ndarray]]] = {}
    for sample in op.samples():
        arrays = arrays_of(sample)
        key = (repr(sorted(sample.attrs.items())), tuple(a.shape for a in arrays))
        found.setdefault(key, (sample, arrays))
    return list(found.values())


@pytest.mark.parametrize("op", OPS, ids=str)
def test_an_op_has_its_reference_values(op: Op) -> None:
    xs: list[gc.Tensor] = []
    given: list[np.ndarray] = []
    outputs: list[gc.Tensor] = []
    for k, (sample, arrays) in enumerate(distinct(op)):
        ours = [gc.placeholder(f"x{k}_{j}", a.shape, a.dtype) for j, a in enumerate(arrays)]
        xs.extend(ours)
        given.extend(arrays)
        outputs.extend(apply(op, *ours, **sample.attrs).outputs)
    wanted = gc.compile(xs, outputs, target="reference")(*given)
    found = gc.compile(xs, outputs, target="numba")(*given)
    for got, want, y in zip(found, wanted, outputs, strict=True):
        assert got.dtype == want.dtype, y.describe()
        exact = np.float64 if y.dtype.is_float else want.dtype
        close = 2**-7 if y.dtype.bits == 16 else 2e-5
        np.testing.assert_allclose(
            got.astype(exact), want.astype(exact), rtol=close, atol=close, err_msg=y.describe()
        )
