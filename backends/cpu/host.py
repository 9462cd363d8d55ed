"""The machine this process runs on, known without loading LLVM from the second process on."""

from __future__ import annotations

import functools
import importlib
import json
import platform
from dataclasses import asdict
from pathlib import Path

from graphc.backends.cpu import cache
from graphc.backends.llvm.target import Target, host_target

CPU_INFO = Path("/proc/cpuinfo")
DESCRIBING = (
    "vendor_id", "cpu family", "model", "model name", "stepping", "flags",
    "Features", "CPU implementer", "CPU architecture", "CPU variant", "CPU part", "CPU revision",
)  # fmt: skip
"""What the system says of a processor that stays the same; x86 above, ARM below."""


@functools.cache
def host() -> Target:
    """LLVM's name for this machine, which the cache remembers for what the system and NumPy see of
    it.
    """
    name, known = _remembered()
    if known is not None:
        return known
    target = host_target()
    if name is not None:
        cache.put(name, json.dumps(asdict(target)).encode())
    return target


def is_known() -> bool:
    """Whether `host` does without LLVM, or has done with it."""
    return host.cache_info().currsize > 0 or _remembered()[1] is not None


@functools.cache
def _remembered() -> tuple[str | None, Target | None]:
    """The name under which the cache has this machine, where it has one, and what it has."""
    seen = _seen(CPU_INFO)
    if seen is None:
        return None, None
    name = cache.key("the host", seen)
    known = cache.get(name)
    return name, None if known is None else Target(**json.loads(bytes(known)))


def _seen(info: Path) -> Target | None:
    """The system's description of the first processor, with the features that NumPy has found in
    this process (an emulator may have fewer); None where there is none.
    """
    try:
        with info.open(errors="replace") as file:
            block = file.read(1 << 14).split("\n\n")[0]
    except OSError:
        return None
    pairs = [line.partition(":")[::2] for line in block.split("\n")]
    lines = [f"{name.strip()}:{value}" for name, value in pairs if name.strip() in DESCRIBING]
    features = importlib.import_module("numpy._core._multiarray_umath").__cpu_features__
    present = [name for name, found in sorted(features.items()) if found]
    return Target(platform.machine(), "\n".join(lines), ",".join(present), 0) if lines else None
