"""The structure in which a function returns its results, as JSON knows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from graphc.ir.errors import GraphError
from graphc.ir.node import Tensor

if TYPE_CHECKING:
    from graphc.backends.program import Program

Description = Any
"""0 for an array, None, or a pair: "tuple" or "list" and the items' descriptions, or "dict" and
pairs of a key and its item's description.
"""
KEYS = (str, int, float, bool, type(None))


def described(structure: Any) -> Description:
    """The description of a structure of tensors, or GraphError for a key that is no plain value."""
    if structure is None:
        return None
    if isinstance(structure, Tensor):
        return 0
    if not isinstance(structure, dict):
        kind = "list" if isinstance(structure, list) else "tuple"
        return [kind, list(map(described, structure))]
    for key in structure:
        if type(key) not in KEYS:
            raise GraphError(
                f"{key!r} is a key of the outputs, and a library can tell plain values alone\n"
                "  hint: a string is a key that names the result in C too"
            )
    return ["dict", [[key, described(item)] for key, item in structure.items()]]


def structured(description: Description, values: Sequence[Any]) -> Any:
    """The values in the structure described."""
    return _structured(description, iter(values))


def _structured(description: Description, values: Iterator[Any]) -> Any:
    if description is None:
        return None
    if description == 0:
        return next(values)
    kind, items = description
    if kind == "dict":
        return {key: _structured(item, values) for key, item in items}
    found = [_structured(item, values) for item in items]
    return found if kind == "list" else tuple(found)


def output_names(program: Program, description: Description) -> list[str]:
    """What each output is called: by the keys of dicts that lead to it, as in "losses.kl"; else by
    its label, if it has it alone; else out0, out1, ...
    """
    labels = [x.label for x in program.outputs]
    names = []
    for k, (place, label) in enumerate(zip(_places(description), labels, strict=True)):
        alone = label is not None and labels.count(label) == 1
        names.append(place or (str(label) if alone else f"out{k}"))
    return names


def _places(description: Description, place: str = "", named: bool = False) -> Iterator[str]:
    """Keys and numbers on the way to each array; none without a key among them."""
    if description is None:
        return
    if description == 0:
        yield place if named else ""
        return
    kind, items = description
    keyed = kind == "dict"
    for key, item in items if keyed else enumerate(items):
        yield from _places(item, f"{place}.{key}" if place else str(key), named or keyed)
