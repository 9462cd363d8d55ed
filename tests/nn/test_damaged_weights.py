"""Files of weights that are damaged are refused, and nothing changes."""

import io
import json
import random
import re
import tracemalloc
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from graphc.ir.tensor_file import read_tensors, write_tensors

WORDS = (b"-1", b"0", b"99999999999999999999", b"1e999", b"4294967296", b"true", b"null", b"[]")


def layer() -> nn.Layer:
    return nn.Sequential(nn.Dense(5, 4, seed=1), nn.Dense(4, 3, seed=2))


def damaged(content: bytes, rng: random.Random) -> bytes:
    """The content with bits, bytes or numbers changed, put in, left out or repeated."""
    new, at = bytearray(content), rng.randrange(len(content))
    number = rng.choice(list(re.finditer(rb"\d+", content)))
    changes: list[Callable[[], object]] = [
        lambda: new.__setitem__(at, new[at] ^ 1 << rng.randrange(8)),
        lambda: new.__delitem__(slice(at, None)),
        lambda: new.__delitem__(slice(at, at + rng.randrange(1, 30))),
        lambda: new.__setitem__(slice(at, at), rng.randbytes(20)),
        lambda: new.__setitem__(slice(at, at + 8), rng.choice([b"\xff", b"\0"]) * 8),
        lambda: new.__setitem__(slice(*number.span()), rng.choice(WORDS)),
        lambda: new.extend(content[:at]),
    ]
    rng.choice(changes)()
    return bytes(new)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_damaged_is_refused_or_right(seed: int, tmp_path: Path) -> None:
    rng, model, path = random.Random(seed), layer(), tmp_path / "model.npz"
    model.save(path)
    content, expected = path.read_bytes(), model.state_dict()
    for _ in range(150):
        path.write_bytes(damaged(content, rng))
        with suppress(gc.GraphError):
            model.load(path)
        for name, found in model.state_dict().items():
            np.testing.assert_array_equal(found, expected[name])


@pytest.mark.parametrize("seed", range(4))
def test_the_arrays_of_a_damaged_file_lie_apart(seed: int, tmp_path: Path) -> None:
    """Safetensors have no checksum: numbers may differ, but all of the file is read once."""
    rng, model, path = random.Random(seed), layer(), tmp_path / "model.safetensors"
    model.save(path)
    content = path.read_bytes()
    begin = 8 + int.from_bytes(content[:8], "little")
    for _ in range(150):
        path.write_bytes(damaged(content[:begin], rng) + content[begin:])
        with suppress(gc.GraphError):
            found = read_tensors(path)
            assert sum(a.nbytes for a in found.values()) == len(content) - begin


def entry(begin: int, end: int) -> dict[str, object]:
    return {"dtype": "U8", "shape": [end - begin], "data_offsets": [begin, end]}


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (json.dumps({"a": entry(0, 8), "b": entry(0, 8)}), "'b' begin at 0, not at 8"),
        (json.dumps({"a": entry(0, 3), "b": entry(4, 8)}), "'b' begin at 4, not at 3"),
        (json.dumps({"a": entry(0, 7)}), "there are 8 bytes of data, not 7"),
        ("{}", "there are 8 bytes of data, not 0"),
        (f'{{"a": {json.dumps(entry(0, 8))}, "a": {json.dumps(entry(0, 8))}}}', "'a' twice"),
        ('{"a": {"dtype": "BOOL", "shape": [8], "data_offsets": [0, 8]}}', "'a' are no truths"),
        ('{"a": {"dtype": "U8", "shape": [8, true], "data_offsets": [0, 8]}}', "shape of 'a'"),
    ],
)
def test_a_header_that_does_not_fit_its_data_is_refused(
    header: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header.encode() + bytes(range(8)))
    with pytest.raises(gc.GraphError, match=said):
        read_tensors(path)


def test_arrays_without_elements_lie_anywhere(tmp_path: Path) -> None:
    arrays = {"a": np.zeros((0, 3)), "b": np.arange(3), "c": np.zeros(0), "d": np.array(True)}
    write_tensors(tmp_path / "a.safetensors", arrays)
    found = read_tensors(tmp_path / "a.safetensors")
    assert {k: a.shape for k, a in found.items()} == {k: a.shape for k, a in arrays.items()}


def archive(path: Path, members: list[tuple[str, bytes]]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members:
            file.writestr(name, content)


def stored(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def test_an_array_of_another_shape_or_dtype_is_not_read(tmp_path: Path) -> None:
    path, dense = tmp_path / "a.npz", nn.Dense(2, 2)
    bias = ("bias.npy", stored(np.zeros(2, np.float32)))
    for large in (np.zeros(1 << 26, np.uint8), np.zeros((2, 1 << 24), np.float32)):
        archive(path, [("weight.npy", stored(large)), bias])
        tracemalloc.start()
        try:
            with pytest.raises(gc.ShapeError, match=r"^weight is f32\[2, 2\], not "):
                dense.load(path)
            assert tracemalloc.get_traced_memory()[1] < 1 << 22
        finally:
            tracemalloc.stop()


def test_what_the_layer_does_not_have_is_not_read(tmp_path: Path) -> None:
    path, dense = tmp_path / "a.npz", nn.Dense(1, 1)
    ones = stored(np.ones(1, np.float32))
    weight = stored(np.ones((1, 1), np.float32))
    other = ("other.npy", b"what this is nobody knows")
    archive(path, [("weight.npy", weight), ("bias.npy", ones), other])
    with pytest.raises(gc.GraphError, match=r"not known: \['other'\]"):
        dense.load(path)
    dense.load(path, strict=False)
    assert dense.state_dict()["bias"].tolist() == [1]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    archive(path, [("bias.npy", stored(np.zeros(2, np.float32)))] * 2)
    with pytest.raises(gc.GraphError, match=r"bias\.npy twice"):
        nn.Dense(2, 2).load(path)


def test_objects_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, weight=np.full((2, 2), None, object), bias=np.zeros(2, np.float32))
    with pytest.raises(gc.GraphError, match=r"weight is f32\[2, 2\], not object"):
        nn.Dense(2, 2).load(path)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
def test_weights_of_every_dtype_come_back(dtype: str, tmp_path: Path) -> None:
    one, two = (nn.Dense(3, 4, seed=k, dtype=dtype) for k in (1, 2))
    one.save(tmp_path / "a.npz")
    two.load(tmp_path / "a.npz")
    for name, array in one.state_dict().items():
        np.testing.assert_array_equal(two.state_dict()[name], array)


def test_columns_first_and_other_bytes_first_come_back(tmp_path: Path) -> None:
    path, dense = tmp_path / "a.npz", nn.Dense(2, 3)
    weight = np.asfortranarray(np.arange(6, dtype=">f4").reshape(2, 3))
    np.savez(path, weight=weight, bias=np.zeros(3, np.float32))
    dense.load(path)
    np.testing.assert_array_equal(dense.state_dict()["weight"], weight)
