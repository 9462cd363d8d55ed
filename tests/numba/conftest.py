"""What tests of the target "numba" share: that Numba keeps what it compiles is not felt."""

import gc
from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    """Leaves what a test made and Numba keeps, a hundred thousand objects of it, out of later
    collections of garbage.
    """
    ran = yield
    gc.collect()
    gc.freeze()
    return ran
