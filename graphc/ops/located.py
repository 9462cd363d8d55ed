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
    """The function, whose errors say its name and the tensors it was given, or how it is called."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except GraphError as error:
            raise located(error, function.__name__, list(_tensors(args))) from None
        except TypeError as error:
            if error.__traceback__ is None or error.__traceback__.tb_next is not None:
                raise
            raise TypeError(f"{error}\n  hint: {_call(function)}") from None

    return wrapper


def _call(function: Callable[..., Any]) -> str:
    """How the function is called, for who gave it other arguments than it takes."""
    import inspect  # for an error only

    empty = inspect.Parameter.empty
    parameters = inspect.signature(function).parameters.values()
    taken = ", ".join(str(p.replace(annotation=empty)) for p in parameters)
    return f"{function.__name__}({taken})"


def _tensors(args: tuple[Any, ...]) -> Iterator[Tensor]:
    for arg in args:
        if isinstance(arg, Tensor):
            yield arg
        elif isinstance(arg, (tuple, list)):
            yield from (x for x in arg if isinstance(x, Tensor))
