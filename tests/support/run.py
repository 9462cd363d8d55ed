"""Running a graph on a target under test."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphc.backends import reference
from graphc.compile import compile
from graphc.ir.node import Tensor

NATIVE = ("cpu",)
TARGETS = ("reference", *NATIVE)


def evaluate(
    outputs: Sequence[Tensor],
    feeds: Mapping[Tensor, Any],
    target: str = "reference",
    disable: Sequence[str] = (),
) -> list[np.ndarray]:
    """The outputs on `target`, given the placeholders' arrays; without the passes of `disable`."""
    if target == "reference":
        return reference.evaluate(outputs, feeds)
    run = compile(list(feeds), list(outputs), target=target, disable=disable)
    return [np.asarray(y) for y in run(*feeds.values())]
