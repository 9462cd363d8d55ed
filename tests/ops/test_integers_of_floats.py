"""Floats that become integers: the nearest number that there is, in vectors as one by one."""

import numpy as np
import pytest

import graphc as gc
from graphc.ir.dtypes import DType

ENDS = [0.0, -0.0, 0.5, -0.5, -1.0, 1.5, -2.5, 127.9, -128.9, 255.0, 256.0, 65535.5, 1e6, -1e6]
BEYOND = [s * 2.0**k for k in (7, 8, 15, 16, 31, 32, 52, 62, 63, 64, 100) for s in (1, -1)]
INTEGERS = [gc.int8, gc.uint8, gc.int16, gc.uint16, gc.int32, gc.uint32, gc.int64, gc.uint64]


def as_integers(x: np.ndarray, dtype: DType) -> list[int]:
    """The nearest numbers, 0 of NaN; of less than 32 bits, the low ones of those of int64."""
    wide = dtype if dtype.bits >= 32 else gc.int64
    limits = np.iinfo(wide.numpy)
    whole = [0 if v != v else max(min(v, 2.0**70), -(2.0**70)) for v in x.tolist()]
    near = [min(max(int(v), int(limits.min)), int(limits.max)) for v in whole]
    return near if wide is dtype else np.array(near, np.int64).astype(dtype.numpy).tolist()


@pytest.mark.parametrize("isa", ["host", "x86-64-v3", "x86-64-v2"])
@pytest.mark.parametrize("source", [gc.float32, gc.float64, gc.float16, gc.bfloat16], ids=str)
@pytest.mark.parametrize("target", INTEGERS, ids=str)
def test_floats_beyond_integers_become_the_same_in_vectors(
    target: DType, source: DType, isa: str
) -> None:
    with np.errstate(all="ignore"):
        edges = np.array([*ENDS, *BEYOND, np.nan, np.inf, -np.inf]).astype(source.numpy)
    x = np.concatenate([edges, edges, edges])
    a = gc.placeholder("a", ("n",), source)
    f = gc.compile([a], a.astype(target), isa=isa)
    wanted = as_integers(x.astype(np.float64), target)
    assert f(x).tolist() == wanted
    assert [f(x[k : k + 1]).item() for k in range(len(edges))] == wanted[: len(edges)]


@pytest.mark.parametrize("target", [gc.uint8, gc.int16, gc.int32], ids=str)
def test_floats_within_bounds_become_integers(target: DType) -> None:
    x = np.array([*ENDS, *BEYOND, np.nan, np.inf, -np.inf], np.float32)
    clipped = np.clip(np.rint(x), 0, 255)
    a = gc.placeholder("a", ("n",), gc.float32)
    found = gc.compile([a], gc.astype(gc.clip(gc.rint(a), 0, 255), target))(x)
    assert found.tolist() == as_integers(clipped, target)
