"""The machines that code is made for."""

from __future__ import annotations

import functools
from collections.abc import Set

from graphc.backends.llvm.architectures import (
    ARCHITECTURES,
    FULL_WIDTH,
    LEVELS,
    WASM,
    X86,
    Architecture,
)
from graphc.ir.record import dataclass


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

    @property
    def architecture(self) -> Architecture:
        """What all processors of its kind have in common; of kinds that are not known, as much as
        LLVM can make up for.
        """
        name = self.triple.split("-")[0]
        name = {"arm64": "aarch64", "amd64": "x86_64"}.get(name, name)
        return ARCHITECTURES.get(name) or Architecture(name, registers=16)

    @property
    def registers(self) -> int:
        """Vector registers."""
        return 32 if self.vector_bits == 512 else self.architecture.registers

    @property
    def fused(self) -> bool:
        """Whether one instruction multiplies and adds floats, rounding once, as far as is known."""
        return self.vector_bits >= 256 or self.architecture.fused

    @property
    def rounds(self) -> bool:
        """Whether there are instructions that round floats to whole numbers."""
        if self.architecture is not X86 or self.vector_bits >= 256:
            return True
        return self.has("sse4.1") or self.cpu == "x86-64-v2"

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
        """Whether instructions convert 16-bit floats, or what every program there is linked to."""
        if self.architecture is X86:
            return self.has("f16c") or self.cpu in ("x86-64-v3", "x86-64-v4")
        return self.architecture is not WASM


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
    """The target called "host" or one of `LEVELS`, with the features that follow the name."""
    if name == "host":
        return host_target()
    base, *features = name.split("+")
    if base == "host":
        raise ValueError(f"CPU target {name!r}: host has all features already, it takes none")
    if base not in LEVELS:
        known = ", ".join(["host", *LEVELS])
        raise ValueError(f"unknown CPU target {base!r}; known targets are {known}")
    level = LEVELS[base]
    for feature in features:
        if feature not in level.optional:
            known = ", ".join(level.optional) or "none"
            raise ValueError(
                f"CPU target {base} has no feature {feature!r}; features to ask for: {known}"
            )
    asked = "".join(f",+{feature}" for feature in features)
    return Target(level.triple, level.cpu, level.features + asked, level.vector_bits)


def _full_width(features: str) -> str:
    """`features` with registers of full width."""
    return f"{features},{FULL_WIDTH}" if features else FULL_WIDTH


def _vector_bits(present: Set[str]) -> int:
    if present >= {"avx512f", "avx512bw", "avx512dq", "avx512vl"}:
        return 512
    return 256 if present >= {"avx2", "fma"} else 128
