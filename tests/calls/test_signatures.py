"""What `help` shows of public names: every option, and a text."""

import inspect
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

import graphc as gc
from graphc import fft, init, linalg, nn, optim, probability, random, search, vision

MODULES = (gc, fft, init, linalg, nn, optim, probability, random, search, vision)
#: Whose named options are any that are passed on to what the caller gives.
OPEN = ("choose_conv", "find_nan", "tune")


def public() -> Iterator[tuple[str, Any]]:
    for module in MODULES:
        for name in getattr(module, "__all__", [n for n in dir(module) if n[0] != "_"]):
            found = getattr(module, name)
            ours = str(getattr(found, "__module__", "") or "").startswith("graphc")
            if callable(found) and not isinstance(found, ModuleType) and ours:
                yield f"{module.__name__}.{name}", found


NAMES = dict(public())


def test_public_names_say_what_they_are() -> None:
    assert [name for name, found in NAMES.items() if not inspect.getdoc(found)] == []


def shows_every_option(found: Any) -> bool:
    """Whether there is no `**options` whose names and values are a secret."""
    if inspect.isclass(found) and issubclass(found, Exception):
        return True
    if getattr(found, "_is_protocol", False):
        return True
    kinds = {p.kind for p in inspect.signature(found).parameters.values()}
    return inspect.Parameter.VAR_KEYWORD not in kinds


def test_signatures_show_every_option() -> None:
    closed = {name: x for name, x in NAMES.items() if name.split(".")[-1] not in OPEN}
    assert [name for name, found in closed.items() if not shows_every_option(found)] == []


def test_methods_say_what_they_do() -> None:
    silent = [
        f"{name}.{method}"
        for name, found in NAMES.items()
        if inspect.isclass(found)
        for method, function in vars(found).items()
        if not method.startswith("_") and inspect.isfunction(function)
        if not inspect.getdoc(getattr(found, method))
    ]
    assert silent == []


@pytest.mark.parametrize(
    ("function", "parameters"),
    [
        (gc.exp, ["x"]),
        (gc.add, ["x", "y"]),
        (gc.logical_and, ["x", "y"]),
        (nn.conv2d, ["inputs", "outputs", "taps", "stride", "padding", "dilation", "groups"]),
        (nn.LSTM, ["inputs", "size", "layers", "bidirectional", "segment", "squash", "bias"]),
        (nn.GRU, ["inputs", "size", "layers", "bidirectional", "segment", "reset_after", "bias"]),
    ],
)
def test_parameters_have_names(function: Any, parameters: list[str]) -> None:
    assert list(inspect.signature(function).parameters)[: len(parameters)] == parameters
