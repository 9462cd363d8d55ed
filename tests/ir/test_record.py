"""Cheap data classes behave as the standard library's frozen ones."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import pytest

from graphc.ir import record

MAKERS = {"standard": dataclasses.dataclass, "cheap": record.dataclass}


def classes_of(dataclass: Callable[..., Any]) -> dict[str, Any]:
    @dataclass(frozen=True)
    class Plain:
        """Two fields and a list."""

        a: int
        b: Any = 2
        c: list[int] = dataclasses.field(default_factory=list)

        @property
        def double(self) -> int:
            return 2 * self.a

    @dataclass(frozen=True, eq=False)
    class Identical:
        """Equal only to itself."""

        a: int

    @dataclass(frozen=True)
    class Empty:
        """No field."""

    @dataclass(frozen=True)
    class Single:
        """One field, a repr of its own, and a check."""

        a: Any
        hidden: int = dataclasses.field(default=0, repr=False)

        def __post_init__(self) -> None:
            assert not isinstance(self.a, bytes)

    @dataclass(frozen=True)
    class Own:
        """Its own way to be shown and made."""

        a: int

        def __repr__(self) -> str:
            return f"own {self.a}"

    @dataclass(frozen=True, slots=True)
    class Slots:
        """No dictionary."""

        a: int
        b: str = "x"

    @dataclass(frozen=True)
    class Derived(Plain):
        """One field more."""

        d: int = 4

    @dataclass
    class Mutable:
        """Not frozen."""

        a: int = 1
        b: list[int] = dataclasses.field(default_factory=list)

    @dataclass(eq=False)
    class Changing:
        """Neither frozen nor compared."""

        a: int

    @dataclass(frozen=True)
    class Shared:
        """With what is no field."""

        kind: ClassVar[int] = 3
        a: int = 1

    return {k: v for k, v in locals().items() if isinstance(v, type)}


@pytest.fixture(params=MAKERS)
def classes(request: pytest.FixtureRequest) -> dict[str, Any]:
    return classes_of(MAKERS[request.param])


def test_values_defaults_and_keywords(classes: dict[str, Any]) -> None:
    x = classes["Plain"](b=5, a=1)
    assert (x.a, x.b, x.c, x.double) == (1, 5, [], 2)
    assert classes["Plain"](1).c is not classes["Plain"](1).c
    assert classes["Derived"](1, 2, [], 3).d == 3
    assert classes["Mutable"]().a == 1
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'a'"):
        classes["Plain"]()
    with pytest.raises(AssertionError):
        classes["Single"](b"")


def test_classes_of_as_many_fields_have_initialisers_of_their_own() -> None:
    @record.dataclass(frozen=True)
    class Two:
        """Fields of the same kinds as those of `Other`."""

        first: int
        second: object = None

    @record.dataclass(frozen=True)
    class Other:
        """Other names, other defaults."""

        second: str
        first: tuple[int, ...] = (1,)

    assert (Two(3), Other("a")) == (Two(first=3, second=None), Other(second="a", first=(1,)))
    assert list(inspect.signature(Other).parameters) == ["second", "first"]
    with pytest.raises(TypeError, match="unexpected keyword argument '_0'"):
        Two(_0=1)  # type: ignore[call-arg]


def test_equality_and_hash(classes: dict[str, Any]) -> None:
    single, slots = classes["Single"], classes["Slots"]
    assert single(1) == single(1) != single(2)
    assert hash(single((1, 2))) == hash(single((1, 2)))
    assert slots(1) == slots(1, "x") != slots(1, "y")
    assert classes["Empty"]() == classes["Empty"]()
    assert single(1) != slots(1)
    assert classes["Plain"](1) != classes["Derived"](1)
    assert classes["Identical"](1) != classes["Identical"](1)
    array = np.zeros(3)
    assert single(array) == single(array)  # compared by identity first
    with pytest.raises(TypeError, match="unhashable"):
        hash(classes["Plain"](1))


def test_what_is_not_frozen_can_be_changed(classes: dict[str, Any]) -> None:
    x = classes["Mutable"]()
    x.a = 3
    x.b.append(4)
    assert x == classes["Mutable"](3, [4]) != classes["Mutable"](3)
    assert repr(x).endswith("Mutable(a=3, b=[4])")
    with pytest.raises(TypeError, match="unhashable"):
        hash(x)
    y = classes["Changing"](1)
    y.a = 2
    del y.a
    assert {y} == {y} != {classes["Changing"](1)}


def test_fields_keep_their_types(classes: dict[str, Any]) -> None:
    types = [f.type for f in dataclasses.fields(classes["Derived"])]
    assert types == ["int", "Any", "list[int]", "int"]
    assert classes["Slots"].__annotations__ == {"a": "int", "b": "str"}
    assert [f.name for f in dataclasses.fields(classes["Shared"])] == ["a"]
    assert classes["Shared"].kind == 3


def test_text(classes: dict[str, Any]) -> None:
    name = "classes_of.<locals>"
    assert repr(classes["Plain"](1)) == f"{name}.Plain(a=1, b=2, c=[])"
    assert repr(classes["Single"]("a")) == f"{name}.Single(a='a')"
    assert repr(classes["Own"](3)) == "own 3"
    assert repr(classes["Empty"]()) == f"{name}.Empty()"


@pytest.mark.parametrize("name", ["Plain", "Slots", "Derived", "Identical"])
def test_nothing_can_be_changed(classes: dict[str, Any], name: str) -> None:
    x = classes[name](1)
    for attribute in ("a", "new"):
        with pytest.raises((dataclasses.FrozenInstanceError, TypeError)):
            setattr(x, attribute, 2)
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot delete field 'a'"):
        del x.a
    assert x.a == 1


def test_the_standard_functions_know_them(classes: dict[str, Any]) -> None:
    x = classes["Plain"](1)
    assert dataclasses.replace(x, b=7) == classes["Plain"](1, 7)
    assert [f.name for f in dataclasses.fields(x)] == ["a", "b", "c"]
    assert dataclasses.asdict(classes["Slots"](3)) == {"a": 3, "b": "x"}
    match classes["Slots"](3):
        case classes_slots if classes_slots.__match_args__ == ("a", "b"):
            pass
        case _:
            pytest.fail("no positional patterns")
    assert copy.copy(classes["Slots"](3)) == classes["Slots"](3)
    assert copy.deepcopy(x) == x


def test_they_can_be_pickled() -> None:
    from graphc.backends.llvm.target import named_target

    target = named_target("x86-64-v3")
    assert pickle.loads(pickle.dumps(target)) == target
