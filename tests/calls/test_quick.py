"""What takes arguments that are nearly in order takes them as the whole check does."""

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.arguments import Signature
from graphc.ir.errors import ArgumentError
from graphc.results import Binding

X, S, K = gc.placeholder("x", ("n", 3)), gc.placeholder("s", ()), gc.placeholder("k", (), "int32")
A, B = np.ones((2, 3), np.float32), np.arange(6, dtype=np.float32).reshape(2, 3)


class Kind(np.ndarray[Any, Any]):
    """A kind of array."""


F32, OUT = np.float32, np.empty((2, 3), np.float32)
FROZEN = np.zeros((2, 3), np.float32)
FROZEN.flags.writeable = False


def binding(outputs: Any = X) -> Binding:
    return Binding(Signature("f", (X, S, K)), outputs)


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((A, 0.5, 2), None),
        ((A, F32(0.5), np.int32(2)), {}),
        ((FROZEN, 1, np.array(2, np.int32)), None),
        ((A,), {"k": 2, "s": 0.5}),
        ((), {"x": A, "k": 2, "s": float("nan")}),
        ((A, 0.5, 2), {"out": OUT}),
        ((A, 0.5, 2), {"out": None}),
    ],
)
def test_what_is_nearly_in_order_is_taken_at_once(args: Any, kwargs: Any) -> None:
    b = binding()
    quick, (arrays, given) = b.quick(args, kwargs), b.split(args, kwargs)
    assert quick is not None
    for x, y in zip(quick, (*arrays, *given), strict=True):
        assert (x.dtype, x.shape) == (y.dtype, y.shape)
        np.testing.assert_array_equal(x, y)
    assert quick[0] is A or quick[0] is FROZEN
    assert not given or quick[-1] is OUT


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((A, 0.5), None),
        ((A, 0.5, 2, 2), None),
        ((A, 0.5, 2), {"k": 2}),
        ((A, 0.5), {"l": 2}),
        ((A, 0.5, 2.0), None),
        ((A, 0.5, 2**31), None),
        ((A, 10**400, 2), None),
        ((A, np.float64(0.5), 2), None),
        ((A.astype(float), 0.5, 2), None),
        ((A[:, :2], 0.5, 2), None),
        ((A[None], 0.5, 2), None),
        ((A, A, 2), None),
        ((A, 0.5, 2), {"out": OUT[:1]}),
        ((A, 0.5, 2), {"out": FROZEN}),
        ((A, 0.5, 2), {"out": (OUT,)}),
        ((A, 0.5, 2), {"out": 1.0}),
    ],
)
def test_what_is_wrong_is_left_to_the_whole_check(args: Any, kwargs: Any) -> None:
    assert binding().quick(args, kwargs) is None
    with pytest.raises(ArgumentError):
        binding()(args, kwargs)


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((A.T.copy().T, 0.5, 2), None),
        ((A.tolist(), 0.5, 2), None),
        ((A, True, 2), None),
        ((A, 0.5, 2), {"out": A}),
        ((A.view(Kind), 0.5, 2), None),
    ],
)
def test_what_takes_more_is_left_to_the_whole_check(args: Any, kwargs: Any) -> None:
    assert binding().quick(args, kwargs) is None
    assert len(binding()(args, kwargs)) in (3, 4)


def test_several_results_are_taken_as_they_are_structured() -> None:
    args, empty = (A, 0.5, 2), np.empty((2, 3), np.float32)
    for kind in (tuple, list):
        b = binding(kind([X, X]))
        assert b.quick(args, {"out": kind([OUT, empty])}) is not None
        assert b.quick(args, {"out": (OUT, OUT)}) is None
        assert b.quick(args, {"out": OUT}) is None
    assert binding({"a": X}).quick(args, {"out": {"a": OUT}}) is None
    assert binding(None).quick(args, {"out": ()}) is None
    assert binding(gc.sum(X) * gc.ones(("m",))).quick(args, {"out": np.empty(3, F32)}) is None


def test_sizes_agree() -> None:
    y = gc.placeholder("y", ("n", "m"))
    z = gc.placeholder("z", (2 * y.shape[1],))
    assert Binding(Signature("f", (X, y)), None).quick((A, B), None) is not None
    assert Binding(Signature("f", (X, y)), None).quick((A, B[:1]), None) is None
    assert Binding(Signature("f", (y, z)), None).quick((A, np.ones(6, F32)), None) is None


def test_a_placeholder_may_be_called_out() -> None:
    out = gc.placeholder("out", ("n",))
    f = gc.compile([out], out + 1.0)
    np.testing.assert_array_equal(f(out=np.ones(3, F32)), np.full(3, 2))
    assert Binding(Signature("f", (out,)), out).quick((), {"out": np.ones(3, F32)}) is not None
