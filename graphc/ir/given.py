"""Functions that users give to others, which call them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphc.ir.errors import GraphError


def call(role: str, takes: str, function: Callable[..., Any], *args: Any) -> Any:
    """`function(*args)`. Raises GraphError for what is no function, and a TypeError that says what
    this one `takes` where it takes something else.
    """
    if not callable(function):
        raise GraphError(f"{role} is a function, not {function!r:.80}")
    try:
        return function(*args)
    except TypeError as error:
        if error.__traceback__ is None or error.__traceback__.tb_next is not None:
            raise  # it was called, and failed inside
        raise TypeError(f"{error}\n  hint: {role} takes {takes}") from None
