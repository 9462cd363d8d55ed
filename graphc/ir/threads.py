"""How many threads to use when nobody says: the environment, else what this process really has."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from pathlib import Path


def default_threads() -> int:
    """GRAPHC_NUM_THREADS, else OMP_NUM_THREADS, else `available_cores`."""
    named = os.environ.get("GRAPHC_NUM_THREADS", "").strip()
    if named:
        if not named.isdecimal() or int(named) < 1:
            raise ValueError(f"GRAPHC_NUM_THREADS must be a positive number, not {named!r}")
        return int(named)
    openmp = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if openmp.isdecimal() and int(openmp) >= 1:
        return int(openmp)
    return available_cores()


def available_cores(root: Path = Path("/")) -> int:
    """Cores this process may use: the affinity, one for the siblings of a core, and the quota."""
    cpus = affinity()
    cores = {_siblings(root, cpu) for cpu in cpus}
    quota = cgroup_quota(root)
    return len(cores) if quota is None else max(1, min(len(cores), math.ceil(quota)))


def affinity() -> frozenset[int]:
    """The CPUs that this process may be scheduled on."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def cgroup_quota(root: Path = Path("/")) -> float | None:
    """CPUs' worth of time that control groups allow this process, or None where unlimited.

    Both versions; a group's ancestors limit it too. `root` is the root of the file system.
    """
    quotas = [quota for folder in _cgroups(root) if (quota := _quota_of(folder)) is not None]
    return min(quotas, default=None)


def _cgroups(root: Path) -> Iterator[Path]:
    """Folders that may limit this process: its groups and their ancestors."""
    mounts = root / "sys/fs/cgroup"
    for line in _lines(root / "proc/self/cgroup"):
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number != "0" and "cpu" not in controllers.split(","):
            continue
        base = mounts if number == "0" else mounts / "cpu"
        group = base / path.lstrip("/")
        yield group
        yield from (folder for folder in group.parents if folder.is_relative_to(base))


def _quota_of(folder: Path) -> float | None:
    """The quota set on one group, in CPUs."""
    modern = " ".join(_lines(folder / "cpu.max")).split()
    older = [*_lines(folder / "cpu.cfs_quota_us"), *_lines(folder / "cpu.cfs_period_us")]
    for words in (modern, older):
        if len(words) == 2 and all(word.isdecimal() for word in words) and int(words[1]) > 0:
            return int(words[0]) / int(words[1])
    return None


def _siblings(root: Path, cpu: int) -> str:
    """What names the core that a CPU belongs to; the CPU itself where the system does not say."""
    topology = root / f"sys/devices/system/cpu/cpu{cpu}/topology"
    return "".join(_first(_lines(topology / "thread_siblings_list"))) or str(cpu)


def _first(lines: Iterable[str]) -> Iterable[str]:
    return list(lines)[:1]


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().split("\n")[:-1]
    except OSError:
        return []
