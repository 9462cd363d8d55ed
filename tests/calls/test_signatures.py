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
OPEN = ("choose_conv", "tune")


def public() -> Iterator[tuple[str, Any]]:
    for module in MODULES:
        for name in getattr(module, "__all__", [n for n in dir(module) if n[0] != "_"]):
            found = getattr(module, name)
            ours = str(getattr(found, "__module__", "") or "").startswith("graphc")
            if callable(found) and not isinstance(found, ModuleType) and ours:
                yield f"{module.__name__}.{name}", found


NAMES = dict(public())


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_says_what_it_is(name: str) -> None:
    assert inspect.getdoc(NAMES[name])


@pytest.mark.parametrize("name", [n for n in NAMES if n.split(".")[-1] not in OPEN])
def test_a_signature_shows_every_option(name: str) -> None:
    found = NAMES[name]
    if inspect.isclass(found) and issubclass(found, Exception):
        return
    if not getattr(found, "_is_protocol", False):
        kinds = {p.kind for p in inspect.signature(found).parameters.values()}
        assert inspect.Parameter.VAR_KEYWORD not in kinds


@pytest.mark.parametrize("name", [n for n, x in NAMES.items() if inspect.isclass(x)])
def test_a_method_says_what_it_does(name: str) -> None:
    found = NAMES[name]
    for method, function in vars(found).items():
        if not method.startswith("_") and inspect.isfunction(function):
            assert inspect.getdoc(getattr(found, method)), method


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
