"""Data classes that are cheap to define: the standard library spends half a millisecond on
each, a third of the time that importing graphc takes.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import MISSING, Field, FrozenInstanceError, fields
from operator import attrgetter
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    from dataclasses import dataclass as _dataclass

    def dataclass(cls=None, /, *, frozen=False, eq=True, slots=False):
        """The standard decorator: classes get the same methods, made with one compilation instead
        of six.
        """

        def make(cls):
            made = _with_fields(cls, slots)
            methods = (*_methods(made, frozen, eq), *(_state_methods(made) if slots else ()))
            for method in methods:
                if method.__name__ not in cls.__dict__:
                    method.__qualname__ = f"{made.__qualname__}.{method.__name__}"
                    setattr(made, method.__name__, method)
            if eq and not frozen and "__hash__" not in cls.__dict__:
                made.__hash__ = None
            return made

        return make if cls is None else make(cls)

    def _with_fields(cls, slots):
        """The class with its fields and without methods. The standard library looks into every
        annotation that is text for the few that make no field.
        """
        own = inspect.get_annotations(cls)
        others = ("ClassVar", "InitVar", "KW_ONLY")
        if not own or any(name in str(kind) for kind in own.values() for name in others):
            return _dataclass(cls, init=False, repr=False, eq=False, slots=slots)
        cls.__annotations__ = dict.fromkeys(own, object)
        made = _dataclass(cls, init=False, repr=False, eq=False, slots=slots)
        made.__annotations__ = own
        for f in fields(made):
            f.type = own.get(f.name, f.type)
        return made


def _methods(cls: type, frozen: bool, eq: bool) -> list[Callable[..., Any]]:
    names = tuple(f.name for f in fields(cls))
    compared = tuple(f.name for f in fields(cls) if f.compare)
    shown = tuple(f.name for f in fields(cls) if f.repr)

    def __repr__(self: Any) -> str:
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)
        return f"{type(self).__qualname__}({values})"

    def __setattr__(self: Any, name: str, value: Any) -> None:
        if type(self) is cls or name in names:
            raise FrozenInstanceError(f"cannot assign to field {name!r}")
        object.__setattr__(self, name, value)

    def __delattr__(self: Any, name: str) -> None:
        if type(self) is cls or name in names:
            raise FrozenInstanceError(f"cannot delete field {name!r}")
        object.__delattr__(self, name)

    comparisons = _comparisons(compared)[: 2 if frozen else 1] if eq else ()
    return [_init(cls), __repr__, *((__setattr__, __delattr__) if frozen else ()), *comparisons]


def _init(cls: type) -> Callable[..., Any]:
    """The initialiser. Classes with fields of the same kinds share one compilation, of which each
    has a copy with the names of its own.
    """
    own: tuple[Field[Any], ...] = fields(cls)
    makers = tuple(f.default_factory is not MISSING for f in own)
    names = {f"_{k}": f.name for k, f in enumerate(own)}
    code = _template(makers, hasattr(cls, "__post_init__"))
    code = code.replace(
        co_varnames=tuple(names.get(name, name) for name in code.co_varnames),
        co_consts=tuple(names.get(x, x) for x in code.co_consts),
    )
    known: dict[str, Any] = {"_set": object.__setattr__, "_missing": MISSING}
    known |= {f"_make{k}": f.default_factory for k, f in enumerate(own) if makers[k]}
    defaults = [f.default for f in own if not _is_required(f)]
    assert all(map(_is_required, own[: len(own) - len(defaults)])), f"{cls}: defaults come last"
    init = FunctionType(code, known, "__init__", tuple(defaults))
    init.__module__, init.__annotations__ = cls.__module__, {f.name: f.type for f in own}
    return init


def _is_required(f: Field[Any]) -> bool:
    return f.default is MISSING and f.default_factory is MISSING


@functools.cache
def _template(makers: tuple[bool, ...], ends: bool) -> CodeType:
    """An initialiser of fields _0, _1 and so on, of which some are made where they are not given;
    it `ends` with a call of the class's own.
    """
    lines = [
        f" _set(self, '_{k}', {f'_make{k}() if _{k} is _missing else ' if makes else ''}_{k})\n"
        for k, makes in enumerate(makers)
    ]
    end = " self.__post_init__()\n" if ends else " pass\n"
    parameters = "".join(f", _{k}" for k in range(len(makers)))
    known: dict[str, Any] = {}
    exec(f"def __init__(self{parameters}):\n{''.join(lines)}{end}", known)
    code: CodeType = known["__init__"].__code__
    return code


def _comparisons(names: tuple[str, ...]) -> tuple[Callable[..., Any], ...]:
    values = _values(names)

    def __eq__(self: Any, other: Any) -> Any:
        return values(self) == values(other) if type(other) is type(self) else NotImplemented

    def __hash__(self: Any) -> int:
        return hash(values(self))

    return __eq__, __hash__


def _values(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    """The function that gives the tuple of these attributes of an object."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda x: tuple(getattr(x, name) for name in names)


def _state_methods(cls: type) -> tuple[Callable[..., Any], ...]:
    """How objects without a dictionary are copied and pickled."""
    names = tuple(f.name for f in fields(cls))

    def __getstate__(self: Any) -> list[Any]:
        return [getattr(self, name) for name in names]

    def __setstate__(self: Any, state: list[Any]) -> None:
        for name, value in zip(names, state, strict=True):
            object.__setattr__(self, name, value)

    return __getstate__, __setstate__
