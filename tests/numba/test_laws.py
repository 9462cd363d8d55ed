"""Every op by itself on the target "numba": on a few samples, and when fuzzing on all of them.

Each dtype of an op is a kernel that Numba compiles anew, which takes its time. So the ordinary run
has each op on some of its dtypes, others for the next op; all ops together have every dtype.
"""

import random
import time

import pytest

from graphc.ir.op import Op
from tests.support.laws import check_lowering, few

OPS = [op for op in Op.registry.values() if op.samples()]
AT_ONCE = 12


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_an_op_has_its_reference_values(op: Op) -> None:
    check_lowering(op, few(op), "numba")


@pytest.mark.fuzz
def test_ops_have_their_reference_values_on_every_dtype(fuzz_seconds: float) -> None:
    """In an order drawn anew; some ten minutes are enough for all."""
    end = time.monotonic() + fuzz_seconds
    parts = [(op, k) for op in OPS for k in range(0, len(op.samples()), AT_ONCE)]
    for op, k in random.sample(parts, len(parts)):
        if time.monotonic() > end:
            break
        check_lowering(op, op.samples()[k : k + AT_ONCE], "numba")
