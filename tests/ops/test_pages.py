"""Large arrays that stay lie in large pages, and waste little of them."""

import mmap

import numpy as np
import pytest

from graphc.ops.literal import aligned_empty
from graphc.ops.pages import PAGE, USED, whole_pages
from graphc.ops.source import state_of, variable


@pytest.mark.parametrize("count", [0, 1, PAGE // 2, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE - 9, 10**8])
def test_pages_are_filled_but_for_a_part(count: int) -> None:
    large = whole_pages(count)
    assert large % PAGE == 0
    assert USED * (large - count) <= count
    assert count - large < PAGE


def test_what_hardly_begins_a_page_lies_in_small_ones() -> None:
    assert whole_pages(PAGE // 2) == 0
    assert whole_pages(PAGE + 4096) == PAGE
    assert whole_pages(5 * PAGE + 4096) == 6 * PAGE


@pytest.mark.skipif(not hasattr(mmap, "MADV_HUGEPAGE"), reason="the system has no large pages")
@pytest.mark.parametrize("count", [PAGE, PAGE + 4096, 3 * PAGE - 64])
def test_large_arrays_begin_with_a_page(count: int) -> None:
    assert aligned_empty(count).ctypes.data % PAGE == 0
    assert state_of(variable(np.ones(count // 4, np.float32))).array.ctypes.data % PAGE == 0


def test_without_large_pages_arrays_are_aligned_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(mmap, "MADV_HUGEPAGE", raising=False)
    found = aligned_empty(2 * PAGE)
    assert (found.size, found.ctypes.data % 64) == (2 * PAGE, 0)


def test_memory_that_there_is_not_is_such_an_error() -> None:
    with pytest.raises(MemoryError):
        aligned_empty(1 << 46)


def test_all_of_an_array_can_be_written_and_read() -> None:
    for count in (PAGE - PAGE // 4, PAGE + 4096):
        found = aligned_empty(count)
        found[:] = 7
        assert found.size == count
        assert found.min() == found.max() == 7
