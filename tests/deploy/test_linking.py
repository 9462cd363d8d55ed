"""Libraries that graphc links itself are as good as those of the system's linker."""

import ctypes
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import graphc as gc
from graphc.deploy.object_file import ObjectError, is_object, read_object, with_data
from graphc.deploy.shared_library import link

pytestmark = pytest.mark.skipif(
    not (sys.platform == "linux" and os.uname().machine == "x86_64"),
    reason="linked by the system's linker here",
)


def artefact(folder: Path, isa: str = "host") -> gc.Artefact:
    x = gc.placeholder("x", ("n", 4))
    table = gc.constant(np.arange(8, dtype=np.float32).reshape(4, 2))
    total = gc.variable(np.zeros(2, np.float32), "total")
    y = gc.tanh(x) @ table
    return gc.export([x], y, folder / "model", updates={total: total + y.sum(axis=0)}, isa=isa)


def called(library: Path) -> tuple[np.ndarray, list[float]]:
    """What the function gives for fixed arguments, by threads, and the variable after two calls."""
    lib = ctypes.CDLL(str(library))
    lib.model_create.restype = ctypes.c_void_p
    lib.model_variable.restype = ctypes.POINTER(ctypes.c_float)
    lib.model_set_threads(2)
    state = ctypes.c_void_p(lib.model_create())
    n = 100_000
    x = np.linspace(-1, 1, 4 * n, dtype=np.float32)
    y = np.empty((n, 2), np.float32)
    for _ in range(2):
        places = (ctypes.c_void_p(a.ctypes.data) for a in (x, y))
        assert lib.model_call(state, ctypes.c_int64(n), *places, None) == 0
    total = lib.model_variable(state, 0)[:2]
    lib.model_destroy(state)
    return y, total


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
@pytest.mark.parametrize("isa", ["host", "x86-64-v2"])
def test_the_system_linker_makes_the_same(tmp_path: Path, isa: str) -> None:
    ours = artefact(tmp_path, isa)
    theirs = tmp_path / "theirs.so"
    subprocess.run(["cc", "-shared", "-o", theirs, ours.object, "-lpthread", "-lm"], check=True)
    (a, first), (b, second) = called(ours.library), called(theirs)
    np.testing.assert_array_equal(a, b)
    assert first == second


def test_no_program_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    y, total = called(artefact(tmp_path / "files").library)
    np.testing.assert_allclose(2 * y.sum(axis=0, dtype=np.float64), total, rtol=1e-3, atol=1)


@pytest.mark.skipif(shutil.which("readelf") is None, reason="no readelf")
def test_readelf_finds_nothing_wrong(tmp_path: Path) -> None:
    library = artefact(tmp_path).library
    done = subprocess.run(
        ["readelf", "--all", "--wide", library], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert "Warning" not in done.stdout
    assert "Error" not in done.stdout
    loads = [line.split() for line in done.stdout.splitlines() if line.startswith("  LOAD")]
    assert [" ".join(row[6:-1]) for row in loads] == ["R", "R E", "RW"]


ELF = b"\x7fELF\x02\x01"
LOAD_AGAIN = """
import _ctypes, ctypes, sys
for _ in range(20):
    lib = ctypes.CDLL(sys.argv[1])
    lib.model_create.restype = ctypes.c_void_p
    lib.model_set_threads(4)
    state = ctypes.c_void_p(lib.model_create())
    n = 50_000
    x, y = (ctypes.c_float * (4 * n))(), (ctypes.c_float * (2 * n))()
    assert lib.model_call(state, ctypes.c_int64(n), x, y, None) == 0
    lib.model_destroy(state)
    handle = lib._handle
    del lib
    _ctypes.dlclose(handle)
    assert sys.argv[1] not in open("/proc/self/maps").read()
print("done")
"""


def test_a_library_can_be_unloaded_while_its_threads_sleep(tmp_path: Path) -> None:
    library = artefact(tmp_path).library
    command = [sys.executable, "-c", LOAD_AGAIN, str(library)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


def test_an_object_says_what_it_defines(tmp_path: Path) -> None:
    made = read_object(artefact(tmp_path).object.read_bytes())
    defined = {s.name for s in made.symbols if s.binding and s.section}
    assert {"model_create", "model_call"} <= defined
    assert ".text" in {s.name for s in made.sections}
    assert made.relocations


@pytest.mark.parametrize("data", [b"", ELF, bytes(100), ELF + bytes(100)])
def test_what_is_no_object_is_refused(data: bytes) -> None:
    assert not is_object(data)
    with pytest.raises(ObjectError, match="no relocatable ELF object for x86-64"):
        link(data, "model.so")


def test_big_arrays_are_carried_beside_the_code(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((1000, 2000)).astype(np.float32)
    fixed, k = gc.constant(rng.integers(0, 9, 3000)), gc.variable(weight, "weight")
    begin = time.perf_counter()
    made = gc.export([], [k.sum(axis=0), fixed * 2], tmp_path / "model")
    assert time.perf_counter() - begin < 10
    assert weight.nbytes < made.library.stat().st_size < weight.nbytes + 200_000
    lib = ctypes.CDLL(str(made.library))
    lib.model_create.restype = ctypes.c_void_p
    sums, doubled = np.empty(2000, np.float32), np.empty(3000, np.int64)
    places = (ctypes.c_void_p(a.ctypes.data) for a in (sums, doubled))
    assert lib.model_call(ctypes.c_void_p(lib.model_create()), *places, None) == 0
    np.testing.assert_allclose(sums, weight.sum(axis=0), rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(doubled, 2 * fixed.node.attrs["value"].array)


def test_data_that_nobody_asks_for_is_a_mistake(tmp_path: Path) -> None:
    data = artefact(tmp_path).object.read_bytes()
    with pytest.raises(ObjectError, match="the object does not ask for other"):
        with_data(data, {"other": b"1"})
