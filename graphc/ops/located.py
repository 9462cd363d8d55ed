"""Errors of user-level functions: they name the function, its operands and the user's line."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, TypeVar

from graphc.ir.errors import GraphError
from graphc.ir.node import Tensor, located

P = ParamSpec("P")
R = TypeVar("R")


def locate_errors(function: Callable[P, R]) -> Callable[P, R]:
    """The function, whose errors say its name and the tensors it was given."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except GraphError as error:
            raise located(error, function.__name__, list(_tensors(args))) from None

    return wrapper


def _tensors(args: tuple[Any, ...]) -> Iterator[Tensor]:
    for arg in args:
        if isinstance(arg, Tensor):
            yield arg
        elif isinstance(arg, (tuple, list)):
            yield from (x for x in arg if isinstance(x, Tensor))
