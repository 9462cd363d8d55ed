"""Kernels as they are spelled for LLVM."""

from __future__ import annotations

from graphc.backends.loops.apart import apart
from graphc.backends.loops.cut import cut
from graphc.backends.loops.settle import settled
from graphc.backends.loops.stmt import LoopKernel
from graphc.backends.loops.vectorise import vectorise


def explicit(kernel: LoopKernel) -> LoopKernel:
    """The kernel with explicit vectors, tiles by themselves, and in pieces if it is long."""
    return cut(apart(vectorise(settled(kernel))))
