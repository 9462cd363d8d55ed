"""Where the constants of a compiled graph come from: the graph as written has most of them, others
are made of those by recipes. What is neither is stored with the code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphc.ir.each import each
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
    """The arrays of these origins, made by several threads. Literals of which only what was made is
    needed keep no more than that.
    """
    known: dict[Origin, np.ndarray] = {}
    needed = set(origins)

    def value(origin: Origin) -> np.ndarray:
        first, *more = origin
        if isinstance(first, int):
            return written[first].array
        found = known.get(origin)
        if found is None:
            found = known[origin] = _value(first, *more)
        return found

    def _value(name: str, source: Origin, *more: Any) -> np.ndarray:
        from graphc.ops.recipes import RECIPES, keep_only

        literal = written[source[0]] if isinstance(source[0], int) else None
        array = literal.laid(name, more) if literal is not None else None
        if array is None:
            array = RECIPES[name].make(value(source), *more)
        if literal is not None and source not in needed:
            keep_only(name, literal, more, array)
        return array

    return each(value, origins)


def arrays_of(constants: Sequence[Literal]) -> list[np.ndarray]:
    """The arrays of constants, with the same in mind."""
    from graphc.ops.recipes import keep_only

    needed = set(constants)

    def array(literal: Literal) -> np.ndarray:
        found = literal.array
        if isinstance(literal, Made) and literal.source not in needed:
            keep_only(literal.name, literal.source, literal.more, found)
        return found

    return each(array, constants)
