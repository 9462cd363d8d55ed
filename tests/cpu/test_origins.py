"""Constants that a cached graph takes from the graph as written instead of from the cache."""

from pathlib import Path

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from graphc.backends.cpu.origins import origin_of, values_of
from graphc.executable import Executable
from graphc.ir.node import Tensor
from graphc.ops.literal import Literal
from graphc.ops.recipes import RECIPES, made


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def literal_of(x: Tensor) -> Literal:
    value: Literal = x.node.attrs["value"]
    return value


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRAPHC_CACHE_DIR", str(tmp_path))
    return tmp_path


def network(seed: int = 0) -> Executable:
    """Products by a matrix as it lies and by one that is turned, a convolution, and a sum."""
    x = gc.placeholder("x", ("n", 96))
    w, v, k = (gc.constant(numbers(*s, seed=seed)) for s in ((96, 320), (64, 320), (32, 16, 1, 1)))
    y = gc.relu(x @ w) @ gc.transpose(v, (1, 0))
    z = nn.conv(gc.reshape(y, (-1, 16, 2, 2)), k)
    return gc.compile([x], gc.sum(z) + gc.sum(gc.constant(numbers(2000, seed=seed))))


def test_what_was_written_is_not_stored_again(folder: Path) -> None:
    gc.compile([gc.placeholder("y", ("n",))], gc.constant(0.0))  # what every process needs
    before = stored(folder)
    x, w = gc.placeholder("x", ("n", 640)), gc.constant(numbers(640, 640))
    first, again = (gc.compile([x], x @ w) for _ in range(2))
    assert stored(folder) - before < w.type.bytes / 8
    assert (first.from_cache, again.from_cache) == (False, True)
    array = numbers(7, 640, seed=3)
    np.testing.assert_array_equal(first(array), again(array))


def stored(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def test_constants_made_again_give_the_same_results() -> None:
    x = numbers(7, 96, seed=3)
    first, again = network(), network()
    assert (first.from_cache, again.from_cache) == (False, True)
    np.testing.assert_array_equal(first(x), again(x))


def test_other_constants_are_another_graph() -> None:
    x = numbers(5, 96, seed=3)
    assert network(seed=1)(x) != network(seed=2)(x)
    assert not network(seed=4).from_cache


@pytest.mark.parametrize(
    ("name", "shape", "more"),
    [
        ("panels", (96, 320), ((0,),)),
        ("panels", (320, 96), ((1,),)),
        ("panels", (8, 100, 12), ((2, 0),)),
        ("kernels", (48, 20, 3, 3), (False,)),
        ("kernels", (48, 3, 7, 7), (True,)),
        ("words", (48, 20, 3, 3), (False, 4)),
        ("offsets", (48, 20, 3, 3), ()),
        ("arranged", (32, 16, 3, 3), ((2, 3, 1, 0),)),
        ("transformed", (3, 3, 48, 64), (4, False)),
        ("transformed", (3, 3, 20, 32), (2, True)),
    ],
)
def test_what_a_recipe_made_is_made_again(
    name: str, shape: tuple[int, ...], more: tuple[object, ...]
) -> None:
    source = gc.constant(numbers(*shape))
    x = literal_of(made(name, source, *more))
    written = [Literal(numbers(2000)), literal_of(source)]
    origin = origin_of(x, {value: k for k, value in enumerate(written)})
    assert origin == (name, (1,), *more)
    (again,) = values_of([origin], written)
    np.testing.assert_array_equal(again, x.array, strict=True)
    assert again.ctypes.data % 64 == x.array.ctypes.data % 64 == 0
    np.testing.assert_array_equal(again, RECIPES[name].make(literal_of(source).array, *more))


def test_what_was_made_of_something_else_is_stored() -> None:
    source = gc.constant(numbers(96, 320))
    x = literal_of(made("panels", source, (0,)))
    assert origin_of(x, {Literal(numbers(96, 320, seed=1)): 0}) == ()
    assert origin_of(Literal(numbers(2000)), {}) == ()


def test_a_literal_keeps_its_value_when_its_source_changes() -> None:
    for count in (3, 5000):
        array = numbers(count)
        x, before = gc.constant(array), array.copy()
        array[:] = 0
        np.testing.assert_array_equal(literal_of(x).array, before)
        with pytest.raises(ValueError, match="read-only"):
            literal_of(x).array[0] = 1


def test_large_literals_are_compared_by_all_their_bytes() -> None:
    zero, minus = np.zeros(5000, np.float32), np.zeros(5000, np.float32)
    minus[-1] = -0.0
    assert Literal(zero) == Literal(zero.copy())
    assert Literal(zero) != Literal(minus)
    assert Literal(zero) != Literal(zero.view(np.int32))
    assert Literal(zero) != Literal(zero.reshape(50, 100))
    assert gc.constant(zero) is gc.constant(zero.copy())
    assert gc.constant(zero) is not gc.constant(minus)
