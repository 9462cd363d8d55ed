"""Where the constants of a compiled graph come from: the graph as written has most of them, others
are made of those by recipes. What is neither is stored with the code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphc.backends.cpu.each import each
from graphc.ops.literal import Literal, Made

Origin = tuple[Any, ...]
"""(k,) for the written literal k, (recipe, origin, *more) for what that makes of another one, ()
for a constant that is stored.
"""


def origin_of(value: Literal, written: Mapping[Literal, int]) -> Origin:
    """Where a value comes from."""
    if value in written:
        return (written[value],)
    origin = origin_of(value.source, written) if isinstance(value, Made) else ()
    return (value.name, origin, *value.more) if isinstance(value, Made) and origin else ()


def values_of(origins: Sequence[Origin], written: Sequence[Literal]) -> list[np.ndarray]:
    """The arrays of these origins, made by several threads."""
    known: dict[Origin, np.ndarray] = {}

    def value(origin: Origin) -> np.ndarray:
        found = known.get(origin)
        if found is None:
            found = known[origin] = _value(origin)
        return found

    def _value(origin: Origin) -> np.ndarray:
        first, *more = origin
        if isinstance(first, int):
            return written[first].array
        from graphc.ops.recipes import RECIPES

        source, *rest = more
        return RECIPES[first].make(value(source), *rest)

    return each(value, origins)
