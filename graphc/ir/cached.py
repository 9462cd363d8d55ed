"""Attributes that are computed when they are first asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Cached(Generic[T]):
    """A method as such an attribute, computed again by threads that ask at the same time.

    `functools.cached_property` had one lock for all instances before Python 3.12: threads waited
    for each other, and a child of a fork for ever where another thread held it.
    """

    def __init__(self, compute: Callable[[Any], T]):
        self.compute, self.name = compute, compute.__name__
        self.__doc__ = compute.__doc__

    def __get__(self, instance: object, owner: object = None) -> T:
        if instance is None:
            return self  # type: ignore[return-value]  # for `help`
        value = instance.__dict__[self.name] = self.compute(instance)
        return value
