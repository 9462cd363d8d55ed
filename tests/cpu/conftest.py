"""Fixtures of the tests of the CPU target."""

from __future__ import annotations

import pytest

from graphc.backends.cpu.python_call import python_caller
from tests.cpu.callers import Make, native


@pytest.fixture(params=["native", "python"])
def make(request: pytest.FixtureRequest) -> Make:
    if request.param == "python":
        return python_caller
    return native().make
