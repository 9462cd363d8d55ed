"""The machines that code is made for."""

from __future__ import annotations

import functools
from collections.abc import Set

from graphc.ir.record import dataclass

LEVELS = {"x86-64-v2": 128, "x86-64-v3": 256, "x86-64-v4": 512}
"""Portable x86-64 levels and the widest vector registers each one promises, in bits."""


@dataclass(frozen=True, slots=True)
class Target:
    """The machine that code is made for; equal targets give the same code."""

    triple: str
    cpu: str
    features: str
    vector_bits: int

    def __str__(self) -> str:
        return f"{self.cpu} ({self.triple}, {self.vector_bits}-bit vectors)"

    @property
    def family(self) -> str:
        """The architecture and the width of its vectors, which is what schedules depend on."""
        return f"{self.triple.split('-')[0]}-{self.vector_bits}"

    def has(self, feature: str) -> bool:
        """Whether `feature` is named as present (levels imply features that are not named)."""
        return f"+{feature}" in self.features.split(",")

    def dots(self, *, relaxed: bool) -> tuple[str, ...]:
        """Kinds of dot products of narrow numbers with instructions of their own: those of floats
        take subnormal numbers for zero, which has to be allowed.
        """
        feature = {512: "avx512vnni", 256: "avxvnni"}.get(self.vector_bits, "")
        integers = ("u8i8", "i16") if self.has(feature) else ()
        floats = ("bf16",) if relaxed and self.vector_bits == 512 and self.has("avx512bf16") else ()
        return (*integers, *floats)

    @property
    def converts_halves(self) -> bool:
        """Whether there are instructions that convert 16-bit floats."""
        x86 = self.triple.startswith("x86_64")
        return not x86 or self.has("f16c") or self.cpu in ("x86-64-v3", "x86-64-v4")


@functools.cache
def host_target() -> Target:
    """The machine this process runs on, with the CPU features that are really usable here.

    Only this function loads LLVM.
    """
    from graphc.backends.llvm import library

    signed = sorted(library.text("GetHostCPUFeatures").split(","), key=lambda word: word[1:])
    triple, features = library.text("GetProcessTriple"), ",".join(signed)
    if triple.startswith("x86_64"):
        features = _full_width(features)
    present = {word[1:] for word in signed if word.startswith("+")}
    return Target(triple, library.text("GetHostCPUName"), features, _vector_bits(present))


def named_target(name: str) -> Target:
    """The target called "host" or one of `LEVELS`."""
    if name == "host":
        return host_target()
    if name not in LEVELS:
        known = ", ".join(["host", *LEVELS])
        raise ValueError(f"unknown CPU target {name!r}; known targets are {known}")
    return Target("x86_64-unknown-linux-gnu", name, _full_width(""), LEVELS[name])


def _full_width(features: str) -> str:
    """`features` without the preference for 256-bit registers that some AVX-512 CPUs carry."""
    return f"{features},-prefer-256-bit" if features else "-prefer-256-bit"


def _vector_bits(present: Set[str]) -> int:
    if present >= {"avx512f", "avx512bw", "avx512dq", "avx512vl"}:
        return 512
    return 256 if present >= {"avx2", "fma"} else 128
