"""What this machine is, as the cache remembers it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from graphc.backends.cpu import cache
from graphc.backends.cpu import host as module
from graphc.backends.llvm.target import Target, host_target

TWICE = """
import numpy as np
import graphc as gc
def loaded():
    return "libllvmlite" in open("/proc/self/maps").read()
x, c = gc.placeholder("x", ("n",)), gc.constant(np.arange(1000.0))
f = gc.compile([x], [gc.exp(x) * 2, gc.sum(c * x[0])])
sums = [float(np.sum(y)) for y in f(np.ones(3, np.float32))]
print(f.from_cache, loaded(), *sums)
print(f.stages.vector_bits, loaded())
"""


def asked() -> Target:
    """What a new process is told."""
    module._remembered.cache_clear()
    return module.host.__wrapped__()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRAPHC_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_host_is_llvms_and_is_remembered(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked() == host_target()
    assert cache.status(place).entries == 1
    monkeypatch.setattr(module, "host_target", None)
    assert asked() == host_target()


def test_another_processor_is_not_taken_for_this_one(place: Path, tmp_path: Path) -> None:
    text = "processor\t: 0\nmodel name\t: {}\ncpu MHz\t: {}\nflags\t: sse\n\nprocessor\t: 1\n"
    seen = set()
    for model, speed in (("A", 1), ("A", 2), ("B", 1)):
        (tmp_path / "info").write_text(text.format(model, speed))
        seen.add(module._seen(tmp_path / "info"))
    assert [x.cpu for x in sorted(seen, key=str)] == [
        f"model name: {model}\nflags: sse" for model in "AB"
    ]


def test_without_a_description_llvm_is_asked(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CPU_INFO", place / "nothing")
    assert asked() == host_target()
    assert not place.exists()


def test_the_second_process_does_without_llvm(place: Path) -> None:
    def run() -> list[str]:
        command = [sys.executable, "-c", TWICE]
        return subprocess.check_output(command, text=True, env=dict(os.environ)).split()

    cold, warm = run(), run()
    assert cold[:2] == ["False", "True"]
    assert warm[:2] == ["True", "False"]
    assert warm[2:5] == cold[2:5]
    assert warm[5] == "False"


AGAIN = """
import graphc as gc
x = gc.placeholder("x", ("n",))
for _ in range(2):
    f = gc.compile([x], gc.exp(x) * 2)
    print(f.from_cache, "graph" in vars(f.stages))
"""


def test_what_the_cache_has_is_not_optimised_in_the_first_process_either(place: Path) -> None:
    env = os.environ | {"GRAPHC_CACHE_DIR": str(place)}
    done = subprocess.run([sys.executable, "-c", AGAIN], check=True, capture_output=True, env=env)
    assert done.stdout.split() == [b"False", b"True", b"True", b"False"]
