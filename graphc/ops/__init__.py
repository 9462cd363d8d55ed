"""The primitives, one file a family, each op whole in one place. Importing this registers every op."""

from graphc.ops import (
    arithmetic,
    cast,
    comparison,
    contraction,
    convert,
    elementwise,
    layout,
    methods,
    reduction,
    select,
    source,
)

__all__ = [
    "arithmetic",
    "cast",
    "comparison",
    "contraction",
    "convert",
    "elementwise",
    "layout",
    "methods",
    "reduction",
    "select",
    "source",
]
