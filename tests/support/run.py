"""Running a graph on a target under test."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphc.backends import reference
from graphc.ir.node import Tensor

TARGETS = ("reference",)


def evaluate(
    outputs: Sequence[Tensor], feeds: Mapping[Tensor, Any], target: str = "reference"
) -> list[np.ndarray]:
    """The outputs on `target`, given the placeholders' arrays."""
    assert target in TARGETS
    return reference.evaluate(outputs, feeds)
