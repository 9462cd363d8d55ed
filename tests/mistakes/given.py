"""What mistakes are made with."""

from collections.abc import Callable
from typing import Any

import numpy as np

import graphc as gc

MISTAKES: dict[str, Callable[[], Any]] = {}


def mistake(function: Callable[[], Any]) -> Callable[[], Any]:
    MISTAKES[function.__name__.replace("_", " ")] = function
    return function


def image() -> gc.Tensor:
    return gc.placeholder("image", ("batch", 3))


def matrix() -> gc.Tensor:
    return gc.placeholder("matrix", (4, 5))


def positions() -> gc.Tensor:
    return gc.placeholder("positions", ("n",), gc.int64)


def weight() -> gc.Tensor:
    return gc.variable(np.zeros(3, np.float32), "weight")


def double() -> Any:
    return gc.compile([x := image()], x * 2, name="double")


def zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)
