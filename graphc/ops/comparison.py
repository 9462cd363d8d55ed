"""Comparisons, element by element, to bools; with NaN all are false but not_equal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.ir.dtypes import bool_, uint8
from graphc.ops.elementwise import elementwise, uniform

_few = uniform(-2, 3, 2)


def _ordered(compare: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """The comparison, bools being compared as 0 and 1."""

    def emit(b: Any, x: Any, y: Any) -> Any:
        if x.dtype is bool_:
            x, y = b.cast(x, uint8), b.cast(y, uint8)
        return compare(x, y)

    return emit


equal = elementwise(
    "equal",
    reference=np.equal,
    emit=lambda b, x, y: b.equal(x, y),
    gives=bool_,
    sample=_few,
    commutative=True,
    doc="x == y",
)
not_equal = elementwise(
    "not_equal",
    reference=np.not_equal,
    emit=lambda b, x, y: b.not_equal(x, y),
    gives=bool_,
    sample=_few,
    commutative=True,
    doc="x != y; true when one is NaN",
)
less = elementwise(
    "less",
    reference=np.less,
    emit=_ordered(lambda x, y: x < y),
    gives=bool_,
    sample=_few,
    doc="x < y",
)
less_equal = elementwise(
    "less_equal",
    reference=np.less_equal,
    emit=_ordered(lambda x, y: x <= y),
    gives=bool_,
    sample=_few,
    doc="x <= y",
)
greater = elementwise(
    "greater",
    reference=np.greater,
    emit=_ordered(lambda x, y: x > y),
    gives=bool_,
    sample=_few,
    doc="x > y",
)
greater_equal = elementwise(
    "greater_equal",
    reference=np.greater_equal,
    emit=_ordered(lambda x, y: x >= y),
    gives=bool_,
    sample=_few,
    doc="x >= y",
)
