"""A compiled graph as one block of bytes, and back."""

from __future__ import annotations

import numpy as np
import pytest

from graphc.backends.cpu.entry import Entry, pack, unpack
from graphc.ir.dtypes import ALL

ARRAYS = [
    np.arange(6.0).reshape(2, 3),
    np.zeros((0, 4), np.float32),
    np.array(7, np.int8),
    np.arange(12, dtype=np.int16).reshape(3, 4).T,
    np.zeros(0),
]


def entry_with(arrays: list[np.ndarray], objects: list[bytes]) -> Entry:
    return Entry(
        inputs=(("x", "float32", (("bind", 0), ("const", 3))),),
        outputs=(("float32", 2),),
        variables=(1, 0),
        constants=tuple((x.dtype.name, x.shape, ()) for x in arrays),
        failures=(("take", "x – of argument 1", "f.py:3", (0, 1)),),
        names=("n",),
        sizes=1,
        stateful=False,
        plan="gc_plan",
        run="gc_run",
        code_bytes=tuple(map(len, objects)),
    )


@pytest.mark.parametrize("count", range(len(ARRAYS) + 1))
@pytest.mark.parametrize("objects", [[b""], [b"\x90"], [bytes(64), b"x"], [bytes(range(200))] * 3])
def test_what_is_packed_comes_back_aligned(objects: list[bytes], count: int) -> None:
    arrays = ARRAYS[:count]
    packed = pack(entry_with(arrays, objects), objects, arrays)
    again = unpack(packed.data)
    assert again.entry == packed.entry == entry_with(arrays, objects)
    assert list(again.objects) == objects
    for mine, theirs in zip(again.constants, arrays, strict=True):
        np.testing.assert_array_equal(mine, theirs, strict=True)
        assert mine.ctypes.data % 64 == 0 or not mine.size


def test_constants_of_every_dtype_come_back() -> None:
    arrays = [np.array([0, 1, 2]).astype(dtype.numpy) for dtype in ALL]
    packed = pack(entry_with(arrays, [b"x"]), [b"x"], arrays)
    for mine, theirs in zip(unpack(packed.data).constants, arrays, strict=True):
        np.testing.assert_array_equal(mine, theirs, strict=True)
