"""The copies that constants and variables have of the arrays they are given."""

import threading

import numpy as np
import pytest

from graphc.ops import literal


@pytest.mark.parametrize("count", [1, 1000, 2 * 1024 + 1, 5 * 1024])
@pytest.mark.parametrize("turned", [False, True])
def test_a_copy_made_in_pieces_has_all_of_the_array(
    monkeypatch: pytest.MonkeyPatch, count: int, turned: bool
) -> None:
    monkeypatch.setattr(literal, "PIECE", 4096)
    value = np.arange(3 * count, dtype=np.float32).reshape((count, 3))
    value = value.T if turned else value
    copy = literal.copied(value)
    assert (copy.shape, copy.dtype) == (value.shape, value.dtype)
    assert copy.flags.c_contiguous
    assert copy.ctypes.data % 64 == 0
    assert np.array_equal(copy, value)
    assert not np.shares_memory(copy, value)


def test_a_number_repeated_is_copied_at_its_full_length() -> None:
    value = np.broadcast_to(np.float64(1.5), (1 << 21,))
    assert np.array_equal(literal.copied(value), value)


def test_no_thread_is_left_by_a_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(literal, "PIECE", 4096)
    before = threading.active_count()
    literal.copied(np.zeros(1 << 16, np.uint8))
    assert threading.active_count() == before
