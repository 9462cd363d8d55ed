"""Spaces of hyper-parameters: what each may be, on which scale, and when it is there at all."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import field
from itertools import product
from typing import Any

import numpy as np

from graphc.ir.errors import GraphError
from graphc.ir.record import dataclass

Array = np.ndarray[Any, Any]
Values = dict[str, Any]


@dataclass(frozen=True)
class Real:
    """A number from low to high; on a log scale e^u is drawn with u uniform."""

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high or (self.log and self.low <= 0):
            raise GraphError(f"{self.low} to {self.high} is no range of numbers to search")

    def at(self, unit: float) -> Any:
        """The value at a place of [0, 1] along the scale."""
        a, b = self._ends()
        value = a + (b - a) * unit
        return min(max(math.exp(value) if self.log else value, self.low), self.high)

    def place(self, value: Any) -> float:
        """The place of a value."""
        a, b = self._ends()
        return ((math.log(value) if self.log else value) - a) / (b - a)

    def _ends(self) -> tuple[float, float]:
        return (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)

    def grid(self, points: int) -> list[Any]:
        """Values at equal distances along the scale, both ends among them."""
        return [self.at(k / max(points - 1, 1)) for k in range(points)]

    def near(self, value: Any, rng: np.random.Generator, reach: float = 0.2) -> Any:
        """A value at a normal distance along the scale."""
        return self.at(float(np.clip(self.place(value) + reach * rng.standard_normal(), 0, 1)))


@dataclass(frozen=True)
class Whole(Real):
    """A whole number from low to high, both included."""

    def at(self, unit: float) -> Any:
        a, b = self._ends()
        value = a + (b - a) * min(unit, 1 - 1e-12)
        number = math.floor(math.exp(value) if self.log else value)
        return int(min(max(number, self.low), self.high))

    def place(self, value: Any) -> float:
        a, b = self._ends()
        middle = value + 0.5
        return ((math.log(middle) if self.log else middle) - a) / (b - a)

    def _ends(self) -> tuple[float, float]:
        a, b = self.low, self.high + 1
        return (math.log(a), math.log(b)) if self.log else (a, b)

    def grid(self, points: int) -> list[Any]:
        every = range(int(self.low), int(self.high) + 1)
        return list(dict.fromkeys([*every] if len(every) <= points else super().grid(points)))


@dataclass(frozen=True)
class Choice:
    """One of some options, without an order."""

    options: tuple[Hashable, ...]

    def __post_init__(self) -> None:
        if not self.options:
            raise GraphError("a choice needs options")

    def at(self, unit: float) -> Any:
        """The option at a place of [0, 1]."""
        return self.options[min(int(unit * len(self.options)), len(self.options) - 1)]

    def grid(self, points: int) -> list[Any]:
        """All options."""
        return list(self.options)

    def near(self, value: Any, rng: np.random.Generator, reach: float = 0.2) -> Any:
        """Another option."""
        others = [o for o in self.options if o != value]
        return others[rng.integers(len(others))] if others else value


Parameter = Real | Choice


@dataclass(frozen=True)
class Space:
    """Parameters by name. One named in `when` as name: (other, values) is there only where the
    other is there and has one of the values; the other must be listed before it.
    """

    parameters: Mapping[str, Parameter]
    when: Mapping[str, tuple[str, Sequence[Any]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        order = list(self.parameters)
        for name, (other, _) in self.when.items():
            if name not in order or other not in order[: order.index(name)]:
                raise GraphError(f"{name!r} depends on {other!r}, which must be listed before it")

    def active(self, name: str, values: Mapping[str, Any]) -> bool:
        """Whether a parameter is there, given those before it."""
        if name not in self.when:
            return True
        other, wanted = self.when[name]
        return other in values and values[other] in wanted

    def draw(self, rng: np.random.Generator) -> Values:
        """Values of the parameters that are there, each from its own law. A parameter's number is
        drawn even where it is not there, so that one draw never moves another.
        """
        values: Values = {}
        for (name, parameter), unit in zip(
            self.parameters.items(), rng.random(len(self.parameters)), strict=True
        ):
            if self.active(name, values):
                values[name] = parameter.at(float(unit))
        return values

    def grid(self, points: int) -> Iterator[Values]:
        """Every combination of grids of so many points, without what is not there; each once."""
        seen = set()
        for combination in product(*(p.grid(points) for p in self.parameters.values())):
            values: Values = {}
            for name, value in zip(self.parameters, combination, strict=True):
                if self.active(name, values):
                    values[name] = value
            key = tuple(values.items())
            if key not in seen:
                seen.add(key)
                yield values

    def near(self, values: Mapping[str, Any], rng: np.random.Generator) -> Values:
        """A neighbour: one parameter is moved, and what that makes appear is drawn."""
        names = [n for n in self.parameters if n in values]
        moved, fresh = names[rng.integers(len(names))], self.draw(rng)
        result: Values = {}
        for name, parameter in self.parameters.items():
            if not self.active(name, result):
                continue
            if name == moved:
                result[name] = parameter.near(values[name], rng)
            elif name in values:
                result[name] = values[name]
            else:
                unit = float(rng.random())
                result[name] = fresh.get(name, parameter.at(unit))
        return result

    def point(self, values: Mapping[str, Any]) -> Array:
        """A vector whose distances make sense to a kernel: a choice is one-hot, and a number that
        may be missing is (0, 0) when it is missing, else a point of a quarter circle around that,
        so that all numbers are as far from it (Swersky et al., 2013).
        """
        parts: list[float] = []
        for name, parameter in self.parameters.items():
            if isinstance(parameter, Choice):
                parts += [float(name in values and values[name] == o) for o in parameter.options]
            elif name not in self.when:
                parts.append(parameter.place(values[name]))
            elif name in values:
                angle = parameter.place(values[name]) * math.pi / 2
                parts += [math.sin(angle), math.cos(angle)]
            else:
                parts += [0.0, 0.0]
        return np.array(parts)
