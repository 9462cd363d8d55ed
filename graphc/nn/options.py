"""Signatures of what hands options on: `help` and editors show them all."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def with_options(own: Callable[..., Any], others: Callable[..., Any]) -> inspect.Signature:
    """The signature of `own` with the parameters of `others` that it has not in place of its
    **options.
    """
    first, second = inspect.signature(own), inspect.signature(others)
    kept = [p for p in first.parameters.values() if p.kind is not p.VAR_KEYWORD]
    more = [
        p.replace(kind=p.KEYWORD_ONLY)
        for p in second.parameters.values()
        if p.name not in first.parameters and p.name != "self"
    ]
    return first.replace(parameters=[*kept, *more])


def options_of(others: Callable[..., Any]) -> Callable[[F], F]:
    """Shows the parameters of `others` in place of a function's **options, which go there."""

    def shown(function: F) -> F:
        function.__signature__ = with_options(function, others)  # type: ignore[attr-defined]
        return function

    return shown
