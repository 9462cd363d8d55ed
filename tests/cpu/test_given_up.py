"""Constants of which a compiled function holds all that is needed keep no array of their own."""

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest

import graphc as gc
from graphc.ir.node import Tensor
from graphc.ops.literal import LARGE, Literal
from graphc.ops.recipes import RECIPES, keep_only


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(np.float32)


def literal_of(x: Tensor) -> Literal:
    value: Literal = x.node.attrs["value"]
    return value


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRAPHC_CACHE_DIR", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("name", "shape", "more"),
    [
        ("arranged", (30, 50), ((1, 0),)),
        ("arranged", (10, 30, 5), ((2, 0, 1),)),
        ("panels", (32, 64), ((0,),)),
        ("panels", (37, 101), ((0,),)),
        ("panels", (37, 101), ((1,),)),
        ("panels", (5, 300, 3), ((2, 0),)),
        ("panels", (300, 7, 3), ((1, 2),)),
        ("kernels", (48, 20, 3, 3), (False,)),
        ("kernels", (48, 3, 7, 7), (True,)),
        ("kernels", (128, 24, 1, 1), (False,)),
        ("words", (48, 21, 3, 3), (False, 4)),
        ("words", (48, 3, 5, 7), (True, 2)),
    ],
    ids=str,
)
def test_what_a_recipe_did_is_undone(
    name: str, shape: tuple[int, ...], more: tuple[object, ...]
) -> None:
    array, recipe = numbers(*shape), RECIPES[name]
    assert recipe.undo is not None
    found = recipe.undo(recipe.make(array, *more), shape, *more)
    assert found.flags.c_contiguous
    assert found.ctypes.data % 64 == 0
    np.testing.assert_array_equal(found, array)


def laid(array: np.ndarray) -> Literal:
    """A literal of which there are only its panels."""
    literal, more = Literal(array), ((0,),)
    keep_only("panels", literal, more, RECIPES["panels"].make(array, *more))
    return literal


def test_a_literal_is_the_same_before_and_after() -> None:
    array = numbers(90, 200)
    literal, other = laid(array), Literal(array)
    assert hash(literal) == hash(other)
    assert literal == other
    assert literal.digest == other.digest
    assert not literal.array.flags.writeable


def test_it_holds_no_array_until_it_is_asked_for() -> None:
    literal = laid(numbers(90, 200))
    assert literal._array is None
    assert literal.array is literal.array


@pytest.mark.parametrize("take", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_of_it_have_its_values(take: object) -> None:
    assert callable(take)
    array = numbers(90, 200)
    np.testing.assert_array_equal(take(laid(array)).array, array)


def test_small_ones_stay() -> None:
    array = numbers(8, 8)
    assert array.nbytes < LARGE
    assert laid(array)._array is not None


def test_compiled_functions_hold_weights_once_and_share_them() -> None:
    x, w = gc.placeholder("x", ("n", 640)), gc.constant(numbers(640, 640))
    first = gc.compile([x], x @ w)
    assert literal_of(w)._array is None
    again, other = gc.compile([x], x @ w), gc.compile([x], gc.tanh(x @ w))
    assert again.from_cache
    assert literal_of(w)._array is None
    arrays = [f.native.constants for f in (first, again, other)]
    assert arrays[0][0] is arrays[1][0]
    assert arrays[0][0] is arrays[2][0]
    a = numbers(5, 640, seed=1)
    np.testing.assert_array_equal(first(a), again(a))
    np.testing.assert_allclose(first(a), a @ numbers(640, 640), rtol=1e-3, atol=1e-3)


def test_weights_that_are_read_as_they_lie_too_are_kept() -> None:
    k = gc.placeholder("k", ("n",), gc.int64)
    w = gc.constant(numbers(640, 640))
    rows = gc.take(w, k, axis=0)
    for _ in range(2):
        run = gc.compile([k], [rows, rows @ w])
        assert literal_of(w)._array is not None
        taken, _ = run(np.array([3, 5]))
        np.testing.assert_array_equal(taken, numbers(640, 640)[[3, 5]])


def test_other_targets_find_the_values_again() -> None:
    x, w = gc.placeholder("x", (3, 640)), gc.constant(numbers(640, 640))
    a = numbers(3, 640, seed=1)
    want = gc.compile([x], x @ w)(a)
    found = gc.compile([x], x @ w, target="reference")(a)
    np.testing.assert_allclose(found, want, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(gc.compile([], w)(), numbers(640, 640))
