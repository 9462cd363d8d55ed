"""Element types."""

from typing import Any

import pytest

import graphc as gc
from graphc.ir.dtypes import ALL


@pytest.mark.parametrize("dtype", ALL)
def test_a_dtype_equals_what_means_the_same_and_nothing_else(dtype: Any) -> None:
    for same in (dtype, dtype.name, dtype.short, dtype.numpy, dtype.numpy.type):
        assert dtype == same and same == dtype
    others: list[Any] = [other for other in ALL if other is not dtype]
    for other in (*others, *(d.numpy for d in others), None, "word", 3, [], object):
        assert dtype != other and other != dtype


def test_python_types_are_dtypes_too() -> None:
    assert gc.placeholder("x", (), float).dtype == float
    assert gc.placeholder("x", (), int).dtype == int
    assert gc.placeholder("x", (), bool).dtype == bool
