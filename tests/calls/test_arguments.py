"""What counts as an array when a compiled function is called."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc


class Tagged(np.ndarray):  # type: ignore[type-arg]
    """An array with a class of its own."""


class Lender:
    """Offers an array by one of the protocols."""

    def __init__(self, array: np.ndarray[Any, Any], *protocol: str):
        self.array, self.protocol = array, protocol

    def __getattr__(self, name: str) -> Any:
        if name in self.protocol:
            return getattr(self.array, name)
        raise AttributeError(name)


def fixed(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    copy = array.copy()
    copy.flags.writeable = False
    return copy


@pytest.mark.parametrize("target", ["cpu", "reference"])
@pytest.mark.parametrize(
    "given",
    [
        lambda a: a.view(Tagged),
        lambda a: Lender(a, "__dlpack__", "__dlpack_device__"),
        lambda a: Lender(a, "__array_interface__"),
        memoryview,
        fixed,
        lambda a: np.asfortranarray(a),
        lambda a: np.repeat(a, 2, axis=1)[:, ::2],
        lambda a: a.tolist(),
    ],
    ids=["subclass", "dlpack", "interface", "buffer", "read-only", "columns", "strided", "list"],
)
def test_whatever_holds_numbers_is_an_argument(given: Callable[[Any], Any], target: str) -> None:
    x = gc.placeholder("x", ("rows", 3))
    f = gc.compile([x], x * 2, target=target)
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    result = f(given(array))
    assert type(result) is np.ndarray
    np.testing.assert_array_equal(result, array * 2)


class Unlent:
    """What takes part in DLPack, but refuses to be read, as a torch tensor with a gradient does."""

    def __init__(self, device: Any):
        self.device = device

    def __dlpack_device__(self) -> Any:
        if isinstance(self.device, Exception):
            raise self.device
        return self.device

    def __dlpack__(self, **_: Any) -> Any:
        raise BufferError("it needs a gradient, use detach()")


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (Unlent((1, 0)), "it needs a gradient, use detach()"),
        (Unlent(ValueError("there is no device")), "there is no device"),
    ],
)
def test_an_array_that_cannot_be_lent_names_the_argument(given: Unlent, why: str) -> None:
    x = gc.placeholder("x", ("rows", 3))
    f = gc.compile([x], x * 2)
    with pytest.raises(gc.ArgumentError) as caught:
        f(given)
    assert str(caught.value) == f"argument 'x' is no array: {why}"
