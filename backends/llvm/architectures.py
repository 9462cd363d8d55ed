"""The processors that code is made for, by name, and what their code may rely on.

A name may be followed by features that only some of these processors have: "aarch64+dotprod".
All of them keep the least significant byte first.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from graphc.ir.record import dataclass


@dataclass(frozen=True, slots=True)
class Architecture:
    """What the processors of an architecture have in common. `name` begins their triples, `abi` is
    LLVM's name of how functions are called, where there are several ways. `pointer_bits`: of an
    address. `fused`: one instruction multiplies and adds floats. `registers` for vectors (of 512
    bits: 32 everywhere). `threads`: the system has them, and shared libraries.
    """

    name: str
    abi: str = ""
    pointer_bits: int = 64
    fused: bool = True
    registers: int = 32
    threads: bool = True


X86 = Architecture("x86_64", fused=False, registers=16)
ARM = Architecture("aarch64")
RISC = Architecture("riscv64", abi="lp64d")
#: Engines keep one of x86's registers for themselves.
WASM = Architecture("wasm32", pointer_bits=32, fused=False, registers=15, threads=False)
ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {a.name: a for a in (X86, ARM, RISC, WASM)}
)


@dataclass(frozen=True, slots=True)
class Level:
    """A processor that many others can stand in for: `features` are what all of these have beside
    what LLVM's name for it says, `vector_bits` the width of their registers (0: scalars only), and
    `optional` features that some of them have.
    """

    architecture: Architecture
    system: str
    cpu: str
    features: str
    vector_bits: int
    optional: tuple[str, ...] = ()

    @property
    def triple(self) -> str:
        return f"{self.architecture.name}-{self.system}"


_LINUX = "unknown-linux-gnu"
FULL_WIDTH = "-prefer-256-bit"
"""Not the preference for 256-bit registers that some CPUs with AVX-512 carry."""
_WASM_FEATURES = "+simd128,+bulk-memory,+mutable-globals,+nontrapping-fptoint,+sign-ext"

LEVELS: Mapping[str, Level] = MappingProxyType({
    "x86-64": Level(X86, _LINUX, "x86-64", FULL_WIDTH, 128),
    "x86-64-v2": Level(X86, _LINUX, "x86-64-v2", FULL_WIDTH, 128),
    "x86-64-v3": Level(X86, _LINUX, "x86-64-v3", FULL_WIDTH, 256, ("avxvnni",)),
    "x86-64-v4": Level(
        X86, _LINUX, "x86-64-v4", FULL_WIDTH, 512, ("avx512bf16", "avx512vnni")
    ),
    "aarch64": Level(ARM, _LINUX, "generic", "+neon", 128, ("fullfp16", "lse")),
    "riscv64": Level(RISC, _LINUX, "generic-rv64", "+m,+a,+f,+d,+c", 0, ("zba", "zbb")),
    "wasm32": Level(WASM, "unknown-unknown", "generic", _WASM_FEATURES, 128),
})  # fmt: skip
"""What code can be made for, beside this machine: any x86-64, its levels, and other machines."""
