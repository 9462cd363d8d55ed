"""A file that is written again is the old one or the new one, never a part."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphc import nn
from graphc.ir import tensor_file, whole_file
from graphc.ir.tensor_file import read_tensors, write_tensors


class FullDisk(OSError):
    pass


def _failing(*_: Any) -> Any:
    raise FullDisk("no space left on device")


@pytest.mark.parametrize("name", ["weights.npz", "weights.safetensors"])
@pytest.mark.parametrize("where", ["fsync", "replace"])
def test_weights_survive_a_save_that_fails(
    name: str, where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = nn.Dense(3, 4, seed=0), nn.Dense(3, 4, seed=1)
    path = tmp_path / name
    old.save(path)
    before = path.read_bytes()
    monkeypatch.setattr(whole_file.os, where, _failing)
    with pytest.raises(FullDisk):
        new.save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [name]
    monkeypatch.undo()
    new.save(path)
    assert path.read_bytes() != before


def test_a_file_is_whole_though_an_array_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "arrays"
    write_tensors(path, {"a": np.arange(3)})
    written: Callable[..., Any] = np.ascontiguousarray
    arrays = {"a": np.arange(3), "b": np.arange(4)}
    monkeypatch.setattr(
        tensor_file.np, "ascontiguousarray", lambda x: written(x) if len(x) == 3 else _failing()
    )
    with pytest.raises(FullDisk):
        write_tensors(path, arrays)
    assert list(read_tensors(path)) == ["a"]
    assert os.listdir(tmp_path) == ["arrays"]


def test_a_link_stays_one_and_rights_stay(tmp_path: Path) -> None:
    path, link = tmp_path / "first", tmp_path / "link"
    write_tensors(path, {"a": np.arange(3)})
    path.chmod(0o640)
    link.symlink_to(path)
    write_tensors(link, {"a": np.arange(4)})
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert len(read_tensors(path)["a"]) == 4


def test_an_error_names_the_file_that_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "weights"
    with pytest.raises(FileNotFoundError) as caught:
        write_tensors(path, {})
    assert caught.value.filename == str(path)


def test_what_is_no_file_is_written_to() -> None:
    write_tensors("/dev/null", {"a": np.arange(3)})
    assert not os.path.isfile("/dev/null")
