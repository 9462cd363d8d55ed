"""Calls while Python has no more memory."""

import subprocess
import sys

import pytest

_SCRIPT = """
import _testcapi
import numpy as np

import graphc as gc

x = gc.placeholder("x", (4,))
f = gc.compile([x], {0}(x + k for k in range(30)))
a, failures = np.zeros(4, np.float32), 0
f(a)
for allocation in range(100):
    _testcapi.set_nomemory(allocation, allocation + 1)
    try:
        result = f(a)
        result = None
    except MemoryError:
        failures += 1
    finally:
        _testcapi.remove_mem_hooks()
assert failures > 30 and len(f(a)) == 30
"""


@pytest.mark.parametrize("structure", ["tuple", "list"])
def test_whatever_cannot_be_allocated_is_an_error(structure: str) -> None:
    pytest.importorskip("_testcapi", reason="it makes allocations fail")
    subprocess.run([sys.executable, "-c", _SCRIPT.format(structure)], check=True, timeout=100)
