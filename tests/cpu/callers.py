"""Both callers, and what their tests share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from graphc.backends.cpu.callspec import CallSpec
from graphc.backends.cpu.native_call import NativeCaller, native_caller

Make = Callable[[CallSpec], Callable[..., Any]]


def native() -> NativeCaller:
    caller = native_caller()
    if caller is None:
        pytest.skip("this interpreter has only the Python caller")
    return caller


def x10() -> np.ndarray[Any, Any]:
    return np.arange(10, dtype=np.float32)


def never(*_: object) -> Any:
    raise AssertionError("the fast path was not taken")
