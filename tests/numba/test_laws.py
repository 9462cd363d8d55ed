"""Every op by itself on the target "numba": on a few samples, and when fuzzing on all of them.

Each dtype of an op is a kernel that Numba compiles anew, which takes its time. So the ordinary run
has each op on some of its dtypes, others for the next op; all ops together have every dtype.
"""

import random
import time
import zlib
from collections.abc import Sequence
from typing import Any

import pytest

from graphc.ir.op import Op, Sample
from tests.support.laws import check_lowering, seeded

OPS = [op for op in Op.registry.values() if op.samples()]
FEW = 3
AT_ONCE = 12


def few(samples: Sequence[Sample], first: int) -> list[Sample]:
    """Samples that are new by their dtypes, attributes and shapes: by most of these, then the
    largest, then from one on.
    """
    left = [samples[(first + k) % len(samples)] for k in range(len(samples))]
    traits, sizes = zip(*map(told, left), strict=True)
    seen: set[Any] = set()
    found: list[Sample] = []
    while len(found) < FEW:
        new = [(len(t - seen), size) for t, size in zip(traits, sizes, strict=True)]
        best = new.index(max(new))
        if not new[best][0]:
            break
        found.append(left[best])
        seen |= traits[best]
    return found


def told(sample: Sample) -> tuple[set[Any], int]:
    """What tells a sample from others, and the number of its elements."""
    arrays = seeded(sample)
    dtypes, shapes = zip(*((a.dtype, a.shape) for a in arrays), strict=True) if arrays else ((), ())
    attrs = repr(sorted(sample.attrs.items()))
    traits = {("attrs", attrs), ("shapes", shapes), ("dtypes", dtypes)}
    return traits, sum(a.size for a in arrays)


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_an_op_has_its_reference_values(op: Op) -> None:
    samples = op.samples()
    check_lowering(op, few(samples, zlib.crc32(op.name.encode()) % len(samples)), "numba")


@pytest.mark.fuzz
def test_ops_have_their_reference_values_on_every_dtype(fuzz_seconds: float) -> None:
    """In an order drawn anew; some ten minutes are enough for all."""
    end = time.monotonic() + fuzz_seconds
    parts = [(op, k) for op in OPS for k in range(0, len(op.samples()), AT_ONCE)]
    for op, k in random.sample(parts, len(parts)):
        if time.monotonic() > end:
            break
        check_lowering(op, op.samples()[k : k + AT_ONCE], "numba")
