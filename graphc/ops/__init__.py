"""The primitives, one file a family, each op whole in one place. Importing this registers every op."""

from graphc.ops import (
    arithmetic,
    cast,
    comparison,
    contraction,
    convert,
    cumulative,
    einsum,
    elementwise,
    extent,
    layout,
    methods,
    recurrence,
    reduction,
    select,
    source,
    statistics,
)

__all__ = [
    "arithmetic",
    "cast",
    "comparison",
    "contraction",
    "convert",
    "cumulative",
    "einsum",
    "elementwise",
    "extent",
    "layout",
    "methods",
    "recurrence",
    "reduction",
    "select",
    "source",
    "statistics",
]
