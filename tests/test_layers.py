"""How layers describe themselves, and what they say of files and copies that they cannot use."""

import copy
import pickle
from pathlib import Path

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


@pytest.mark.parametrize("copied", [copy.deepcopy, pickle.dumps])
def test_a_layer_says_what_to_copy_instead(copied: object) -> None:
    assert callable(copied)
    with pytest.raises(
        gc.GraphError, match=r"neither copied nor pickled\n  weight: .*\n.*state_di"
    ):
        copied(nn.Dense(3, 4))


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
