"""Integers that NumPy made, where functions ask for Python's."""

from typing import TypeVar

import numpy as np

Value = TypeVar("Value")


def plain(value: Value) -> Value:
    """A NumPy integer as an int; anything else as it came."""
    return int(value) if isinstance(value, np.integer) else value  # type: ignore[return-value]
