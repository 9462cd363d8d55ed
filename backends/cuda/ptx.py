"""PTX text of a program."""

from __future__ import annotations

from graphc.backends.cuda.module import DeviceModule, module_of
from graphc.backends.llvm.engine import Target, assembly
from graphc.backends.program import Program

TRIPLE = "nvptx64-nvidia-cuda"
#: The PTX version that each architecture is written in: what CUDA 12.0 and later assemble.
VERSIONS = {"sm_70": 60, "sm_75": 63, "sm_80": 70, "sm_86": 71, "sm_89": 78, "sm_90": 78}


def target_of(sm: str) -> Target:
    """The code generator's target for an architecture; ValueError if it is not one of VERSIONS."""
    if sm not in VERSIONS:
        raise ValueError(f"unknown GPU architecture {sm!r}; known are {', '.join(VERSIONS)}")
    return Target(TRIPLE, sm, f"+ptx{VERSIONS[sm]}", 0)


def ptx_of(program: Program, sm: str = "sm_80") -> str:
    """The PTX of a program's kernels for GPUs of an architecture and later ones."""
    return ptx_of_module(module_of(program), sm)


def ptx_of_module(module: DeviceModule, sm: str) -> str:
    """The PTX of a module's kernels."""
    return assembly(module.text, target_of(sm), level=2)
