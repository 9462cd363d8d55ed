"""Structures of tensors: a tensor, or tuples, lists and dicts of structures; None has none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from graphc.ir.errors import GraphError
from graphc.ir.node import Tensor


def leaves(structure: Any) -> list[Tensor]:
    """The tensors of a structure, from left to right (dicts in their own order)."""
    if isinstance(structure, Tensor):
        return [structure]
    if structure is None:
        return []
    if isinstance(structure, dict):
        structure = list(structure.values())
    if isinstance(structure, (tuple, list)):
        return [x for item in structure for x in leaves(item)]
    plain = isinstance(structure, (str, int, float))
    came = repr(structure) if plain else type(structure).__name__
    raise GraphError(
        f"expected a tensor or a tuple, list or dict of tensors, not {came}{_hint(structure)}"
    )


def _hint(structure: Any) -> str:
    """What to write in place of what is no structure of tensors."""
    if isinstance(structure, str):
        return "\n  hint: a tensor itself, not its name"
    if isinstance(structure, (int, float)) or hasattr(structure, "dtype"):
        return "\n  hint: gc.constant makes a tensor of a number or an array"
    if hasattr(structure, "named_parameters"):
        return "\n  hint: a layer has tensors as layer.named_parameters()"
    return ""


def restore(structure: Any, values: Sequence[Any]) -> Any:
    """The structure with its tensors replaced, in the order of `leaves`, by `values`."""
    remaining = iter(values)
    result = _restore(structure, remaining)
    assert next(remaining, None) is None, "more values than places"
    return result


def _restore(structure: Any, values: Iterator[Any]) -> Any:
    if isinstance(structure, Tensor):
        return next(values)
    if structure is None:
        return None
    if isinstance(structure, dict):
        return {key: _restore(item, values) for key, item in structure.items()}
    items = [_restore(item, values) for item in structure]
    if hasattr(structure, "_fields"):
        return type(structure)(*items)
    return tuple(items) if isinstance(structure, tuple) else items
