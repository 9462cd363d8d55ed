"""How layers describe themselves, and what they say of files and copies that they cannot use."""

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc import nn


def test_a_layer_shows_its_variables() -> None:
    assert repr(nn.Dense(3, 4)) == "Dense(weight: f32[3, 4], bias: f32[4])"
    assert repr(nn.Dropout(0.5, gc.random.Generator(0))) == "Dropout"


def test_a_layer_shows_the_layers_within() -> None:
    model = nn.Sequential(nn.Dense(3, 4, bias=False), gc.tanh, nn.Sequential(nn.GRU(4, 2)))
    assert repr(model).splitlines() == [
        "Sequential",
        "  0: Dense(weight: f32[3, 4])",
        "  1: tanh",
        "  2: Sequential",
        "    0: GRU",
        "      levels.0: GRUCell(input_weight: f32[4, 6], state_weight: f32[2, 6], bias: f32[6])",
    ]


@pytest.mark.parametrize("content", [b"", b"text", b"\x08\0\0\0\0\0\0\0{}      "])
def test_a_file_that_holds_no_arrays_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.npz"
    path.write_bytes(content)
    with pytest.raises(gc.GraphError, match=r"model\.npz is no \.npz file"):
        nn.Dense(3, 4).load(path)


def through_pickle(model: Any) -> Any:
    return pickle.loads(pickle.dumps(model))


def draws() -> nn.Sequential:
    dense = nn.Dense(3, 3, gc.relu)
    return nn.Sequential(dense, nn.Dropout(0.5, gc.random.Generator(7)), dense, nn.LSTM(3, 2))


@pytest.mark.parametrize("copied", [copy.deepcopy, through_pickle])
def test_a_copy_of_a_model_is_independent(copied: Callable[[Any], Any]) -> None:
    model = draws()
    other = copied(model)
    first, second = model.variables(), other.variables()
    assert list(first) == list(second)
    assert not {*first.values()} & {*second.values()}
    assert [x.label for x in first.values()] == [x.label for x in second.values()]
    assert other[0] is other[2]
    before = model.state_dict()
    for x in other.parameters():
        x.value = x.value + 1
    for name, array in before.items():
        np.testing.assert_array_equal(model.state_dict()[name], array)


@pytest.mark.parametrize("copied", [copy.deepcopy, through_pickle])
def test_a_copy_computes_the_same_and_draws_the_same(copied: Callable[[Any], Any]) -> None:
    x = gc.placeholder("x", (4, 3))
    model = draws()
    other = copied(model)
    run, again = (gc.compile([x], m[1](m[0](x))) for m in (model, other))
    given = np.random.default_rng(0).random((4, 3), np.float32)
    for _ in range(2):
        np.testing.assert_array_equal(run(given), again(given))


def test_a_computed_tensor_is_copied_with_what_it_depends_on() -> None:
    w, x = gc.variable(np.ones(3, np.float32), "w"), gc.placeholder("x", (3,))
    copied_w, doubled, same = copy.deepcopy([w, w * 2 + x, x])
    assert copied_w is not w
    assert same is x
    copied_w.value = [1, 2, 3]
    np.testing.assert_array_equal(gc.compile([x], doubled)(np.zeros(3, np.float32)), [2, 4, 6])


def test_a_target_network_follows_slowly() -> None:
    online = nn.Dense(2, 1)
    target = copy.deepcopy(online)
    pairs = zip(target.parameters(), online.parameters(), strict=True)
    follow = gc.compile([], None, updates={slow: slow * 0.9 + fast * 0.1 for slow, fast in pairs})
    start = target.state_dict()["weight"]
    online.parameters()[0].value = start + 1
    follow()
    np.testing.assert_allclose(target.state_dict()["weight"], start + 0.1, rtol=1e-6)


def test_what_is_computed_cannot_be_pickled() -> None:
    x = gc.placeholder("x", (3,))
    for y in (x, x + 1):
        with pytest.raises(gc.GraphError, match=r"cannot be pickled.*\n  .*\n.*state_di"):
            pickle.dumps(y)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_compiled_function_says_what_to_do_instead(copied: object) -> None:
    assert callable(copied)
    x = gc.placeholder("x", ("n",))
    with pytest.raises(gc.GraphError, match=r"neither copied nor pickled\n  <Executable graph\("):
        copied(gc.compile([x], x + 1))


def test_a_function_writes_its_own_dump(tmp_path: Path) -> None:
    x = gc.placeholder("x", ("n",))
    f = gc.compile([x], x + 1)
    path = tmp_path / "kernels.svg"
    assert f.dump("kernels", "svg", path) == path.read_text() == f.dump("kernels", "svg")
    np.testing.assert_array_equal(f(np.zeros(2, np.float32)), [1, 1])
