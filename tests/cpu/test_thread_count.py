"""How many threads are used when nobody says."""

from __future__ import annotations

from pathlib import Path

import pytest

from graphc.ir import threads


def test_the_environment_decides_before_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "5,2")
    monkeypatch.delenv("GRAPHC_NUM_THREADS", raising=False)
    assert threads.default_threads() == 5
    monkeypatch.setenv("GRAPHC_NUM_THREADS", "3")
    assert threads.default_threads() == 3
    monkeypatch.delenv("GRAPHC_NUM_THREADS")
    monkeypatch.setenv("OMP_NUM_THREADS", "nonsense")
    assert threads.default_threads() == threads.available_cores()


@pytest.mark.parametrize("value", ["0", "-2", "two", "1.5"])
def test_a_senseless_number_of_threads_is_an_error(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("GRAPHC_NUM_THREADS", value)
    with pytest.raises(ValueError, match="GRAPHC_NUM_THREADS must be a positive number"):
        threads.default_threads()


def machine(root: Path, files: dict[str, str]) -> Path:
    """A file system root that holds `files`."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({}, None),
        ({"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "150000 100000"}, 1.5),
        ({"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "max 100000"}, None),
        (
            {
                "proc/self/cgroup": "0::/a/b",
                "sys/fs/cgroup/a/cpu.max": "200000 100000",
                "sys/fs/cgroup/a/b/cpu.max": "max 100000",
            },
            2.0,
        ),
        (
            {
                "proc/self/cgroup": "4:memory:/x\n3:cpu,cpuacct:/x",
                "sys/fs/cgroup/cpu/x/cpu.cfs_quota_us": "300000",
                "sys/fs/cgroup/cpu/x/cpu.cfs_period_us": "100000",
            },
            3.0,
        ),
        (
            {
                "proc/self/cgroup": "3:cpu:/",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
            },
            None,
        ),
    ],
    ids=["none", "v2", "v2 unlimited", "v2 ancestor", "v1", "v1 unlimited"],
)
def test_the_containers_quota_is_found(
    tmp_path: Path, files: dict[str, str], quota: float | None
) -> None:
    assert threads.cgroup_quota(machine(tmp_path, files)) == quota


def test_siblings_of_a_core_count_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "affinity", lambda: frozenset({0, 1, 2, 3}))
    names = {0: "0,2", 1: "1,3", 2: "0,2", 3: "1,3"}
    files = {
        f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list": text
        for cpu, text in names.items()
    }
    assert threads.available_cores(machine(tmp_path, files)) == 2


def test_a_small_quota_bounds_the_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "affinity", lambda: frozenset(range(8)))
    files = {"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "250000 100000"}
    assert threads.available_cores(machine(tmp_path, files)) == 3
