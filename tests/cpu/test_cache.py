"""The object cache: sound keys, whole files, bounded size, many processes, no trust in others."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from graphc.backends.cpu import cache
from graphc.backends.llvm.engine import named_target

TARGET = named_target("x86-64-v3")
KEY = cache.key("define void @f()", TARGET)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "cache"


def test_what_is_put_is_got(place: Path) -> None:
    assert cache.get(KEY, place) is None
    assert cache.put(KEY, b"code", place)
    assert cache.get(KEY, place) == b"code"


def test_empty_data_is_data(place: Path) -> None:
    cache.put(KEY, b"", place)
    assert cache.get(KEY, place) == b""


def test_the_key_depends_on_everything_that_determines_the_bytes() -> None:
    keys = {
        KEY,
        cache.key("define void @g()", TARGET),
        cache.key("define void @f()", named_target("x86-64-v4")),
        cache.key("define void @f()", replace(TARGET, triple="aarch64-unknown-linux-gnu")),
        cache.key("define void @f()", replace(TARGET, features="+avx512f")),
        cache.key("define void @f()", replace(TARGET, cpu="znver4")),
        cache.key("define void @f()", TARGET, "level 2"),
        cache.key("define void @f()", TARGET, "level", "2"),
    }
    assert len(keys) == 8


def test_every_module_that_makes_code_of_text_is_part_of_the_key() -> None:
    script = (
        "import sys, graphc.backends.llvm.engine\n"
        "names = [n for n in sys.modules if n.startswith('graphc.backends.llvm.')]\n"
        "print(*sorted(n.split('.')[-1] for n in names))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == list(cache.GENERATING)


def test_the_key_is_the_same_in_another_process() -> None:
    script = (
        "from graphc.backends.cpu import cache\n"
        "from graphc.backends.llvm.engine import named_target\n"
        "print(cache.key('define void @f()', named_target('x86-64-v3')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "17"},
    )
    assert done.stdout.strip() == KEY


@pytest.mark.parametrize("damage", ["flip", "cut", "grow", "empty", "magic"])
def test_a_damaged_file_is_a_miss_and_goes(place: Path, damage: str) -> None:
    cache.put(KEY, b"some code that matters", place)
    (path,) = place.glob(f"*{cache.SUFFIX}")
    content = path.read_bytes()
    path.write_bytes(
        {
            "flip": content[:-1] + bytes([content[-1] ^ 1]),
            "cut": content[:-3],
            "grow": content + b"x",
            "empty": b"",
            "magic": b"G" + content[1:],
        }[damage]
    )
    assert cache.get(KEY, place) is None
    assert not path.exists()


def test_a_file_under_the_name_of_another_is_a_miss(place: Path) -> None:
    cache.put(KEY, b"code", place)
    other = cache.key("define void @g()", TARGET)
    (path,) = place.glob(f"*{cache.SUFFIX}")
    path.rename(place / (other + cache.SUFFIX))
    assert cache.get(other, place) is None


def test_a_file_that_has_grown_is_not_read(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.put(KEY, b"code", place)
    (path,) = place.glob(f"*{cache.SUFFIX}")
    with path.open("ab") as file:
        file.truncate(1 << 40)
    monkeypatch.setattr(cache, "aligned_empty", lambda count: pytest.fail(f"{count} bytes"))
    assert cache.get(KEY, place) is None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_not_waited_for(place: Path) -> None:
    cache.put(KEY, b"code", place)
    (path,) = place.glob(f"*{cache.SUFFIX}")
    path.unlink()
    os.mkfifo(path)
    script = (
        "import sys\nfrom pathlib import Path\nfrom graphc.backends.cpu import cache\n"
        "print(cache.get(sys.argv[1], Path(sys.argv[2])))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, KEY, place], capture_output=True, text=True, timeout=30
    )
    assert done.stdout == "None\n"


def test_a_damaged_file_that_cannot_go_is_a_miss(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    cache.put(KEY, b"code", place)
    (path,) = place.glob(f"*{cache.SUFFIX}")
    path.write_bytes(b"damaged")
    monkeypatch.setattr(Path, "unlink", refused)
    assert cache.get(KEY, place) is None


def test_a_new_directory_is_private(place: Path) -> None:
    cache.put(KEY, b"code", place)
    assert place.stat().st_mode & 0o777 == 0o700


def test_a_directory_that_others_can_write_is_not_used(place: Path) -> None:
    cache.put(KEY, b"code", place)
    place.chmod(0o777)
    assert cache.get(KEY, place) is None
    assert not cache.put(KEY, b"code", place)
    assert "can be written by others (mode 777)" in str(cache.status(place).problem)


def test_a_link_to_a_directory_is_not_followed(place: Path, tmp_path: Path) -> None:
    cache.put(KEY, b"code", place)
    link = tmp_path / "link"
    link.symlink_to(place)
    assert cache.get(KEY, link) is None
    assert "is not a directory" in str(cache.status(link).problem)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_directory_of_another_user_is_not_used(place: Path) -> None:
    cache.put(KEY, b"code", place)
    os.chown(place, 12345, -1)
    assert cache.get(KEY, place) is None
    assert "belongs to user 12345" in str(cache.status(place).problem)


def test_a_directory_that_cannot_be_made_costs_nothing_but_speed(tmp_path: Path) -> None:
    blocked = tmp_path / "file" / "cache"
    (tmp_path / "file").write_text("in the way")
    assert not cache.put(KEY, b"code", blocked)
    assert cache.get(KEY, blocked) is None
    assert cache.status(blocked).problem == f"{blocked}: Not a directory"


def test_a_failed_write_leaves_nothing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    cache.put(KEY, b"code", place)
    monkeypatch.setattr(os, "replace", full)
    assert not cache.put(cache.key("other", TARGET), b"code", place)
    assert [path.name for path in place.iterdir()] == [KEY + cache.SUFFIX]


def test_the_least_recently_used_go_first(place: Path) -> None:
    keys = [cache.key(str(i), TARGET) for i in range(6)]
    for age, name in enumerate(keys):
        cache.put(name, bytes(1000), place)
        past = time.time() - 1000 + age
        os.utime(place / (name + cache.SUFFIX), (past, past))
    assert cache.get(keys[0], place) is not None  # used now, so no longer the oldest
    cache.put(cache.key("new", TARGET), bytes(1000), place, limit=4 * (1000 + cache.HEAD))
    left = [i for i, name in enumerate(keys) if cache.get(name, place) is not None]
    assert left == [0, 4, 5]
    assert cache.status(place).total_bytes <= 4 * (1000 + cache.HEAD)


def test_a_file_that_a_killed_process_was_writing_goes(place: Path) -> None:
    cache.put(KEY, b"code", place, limit=100)
    old, young = place / ".writing-old", place / ".writing-young"
    old.write_bytes(b"half")
    young.write_bytes(b"half")
    os.utime(old, (0, 0))
    cache.put(KEY, b"code", place, limit=100)
    assert (old.exists(), young.exists()) == (False, True)


def test_the_environment_names_the_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GRAPHC_CACHE_DIR", str(tmp_path / "a"))
    assert cache.cache_directory() == tmp_path / "a"
    monkeypatch.delenv("GRAPHC_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "b"))
    assert cache.cache_directory() == tmp_path / "b" / "graphc"


STRESS = """
import sys
from pathlib import Path
from graphc.backends.cpu import cache
from graphc.backends.llvm.engine import named_target

place, target = Path(sys.argv[1]), named_target("x86-64-v3")
hits = 0
for step in range(150):
    number = step % 10 if step % 3 else 0  # one is asked for before six others were
    name = cache.key(str(number), target)
    data = cache.get(name, place)
    hits += data is not None
    assert data in (None, bytes([number]) * 5000), "torn or mixed up"
    if data is None or step % 7 == 0:
        assert cache.put(name, bytes([number]) * 5000, place, limit=6 * 5040)
print(hits)
"""


def test_many_processes_share_a_directory(place: Path) -> None:
    command = [sys.executable, "-c", STRESS, str(place)]
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    outcomes = [process.communicate(timeout=120) for process in processes]
    assert [error for _, error in outcomes] == [""] * 4
    assert all(int(hits) > 0 for hits, _ in outcomes)
    assert cache.status(place).total_bytes <= 6 * 5040


def test_data_begin_on_a_boundary_of_64_bytes(place: Path) -> None:
    for size in (0, 1, 1000, 10_000_000):
        cache.put(KEY, bytes(size), place)
        found = cache.get(KEY, place)
        assert found is not None
        assert len(found) == size
        assert np.frombuffer(found, np.uint8).ctypes.data % 64 == 0 or not size


@pytest.mark.parametrize("size", [0, 1, 64, 65, 128, 1000])
def test_data_of_several_pieces_are_checked_piece_by_piece(
    place: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(cache, "PIECE", 64)
    data = np.random.default_rng(size).bytes(size)
    cache.put(KEY, data, place)
    assert cache.get(KEY, place) == data
    (path,) = place.glob(f"*{cache.SUFFIX}")
    content = path.read_bytes()
    middle = (cache.HEAD + len(content) - 1) // 2
    for at in {len(cache.MAGIC), cache.HEAD - 1, len(content) - 1, middle}:
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        assert cache.get(KEY, place) is None
    path.write_bytes(content[:-1])
    assert cache.get(KEY, place) is None
