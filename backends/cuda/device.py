"""What a GPU runs: a kernel for every thread of a grid of blocks."""

from __future__ import annotations

from graphc.backends.loops import expr as e
from graphc.backends.loops.stmt import LoopKernel
from graphc.backends.lower.kernel import Schedule
from graphc.ir.record import dataclass

THREAD, BLOCK = e.var("thread"), e.var("block")
"""The thread's number in its block, and the block's in the grid."""


@dataclass(frozen=True)
class DeviceSchedule(Schedule):
    """How bodies are looped over for blocks of `threads` threads (a square), at most.

    `micro` x `micro` elements of a product are one thread's.
    """

    vector_bits: int = 0
    grain: int = 1024
    most_chunks: int = 256
    even: bool = False
    unroll: int = 1
    threads: int = 256
    micro: int = 4


@dataclass(frozen=True)
class DeviceKernel:
    """`loops` as one thread executes it: `THREAD` and `BLOCK` are defined, a loop of kind "thread"
    deals its iterations to the threads of the block in turn, and barriers stand where they meet.

    There are `threads` to a block, and as many blocks as `loops.chunks`; or, where `alone`, each
    thread runs a chunk by itself and the grid has as many threads as there are chunks, at least.
    """

    loops: LoopKernel
    threads: int
    alone: bool = False

    def blocks_text(self, chunks: str) -> str:
        """The size of the grid in Python, for a number of chunks in Python."""
        return f"-(-({chunks}) // {self.threads})" if self.alone else chunks
