"""Functions of the library against NumPy's, with shapes known and symbolic, on every target."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphc.ops.source import placeholder
from tests.support.run import evaluate


def call(
    ours: Callable[..., Any], *arrays: Any, symbolic: bool = False, target: str = "reference"
) -> Any:
    """The value of a function of tensors at these arrays; a list of values if it gives several.

    Symbolic axes of equal length have one name.
    """
    given = [np.asarray(a) for a in arrays]
    xs = [
        placeholder(f"x{k}", tuple(f"n{d}" for d in a.shape) if symbolic else a.shape, a.dtype)
        for k, a in enumerate(given)
    ]
    result = ours(*xs)
    outputs = list(result) if isinstance(result, (tuple, list)) else [result]
    values = evaluate(outputs, dict(zip(xs, given, strict=True)), target)
    return values if isinstance(result, (tuple, list)) else values[0]


def agrees(
    ours: Callable[..., Any],
    theirs: Callable[..., Any],
    *arrays: Any,
    targets: Sequence[str] = ("reference",),
    symbolic: Sequence[bool] = (False, True),
    dtype: bool = True,
) -> None:
    """Asserts that both give equal arrays (and dtypes, unless told otherwise)."""
    expected = theirs(*arrays)
    for target in targets:
        for named in symbolic:
            found = call(ours, *arrays, symbolic=named, target=target)
            pairs = (
                zip(found, expected, strict=True)
                if isinstance(found, list)
                else [(found, expected)]
            )
            for a, b in pairs:
                np.testing.assert_array_equal(a, b, f"{target}, symbolic: {named}", strict=dtype)
