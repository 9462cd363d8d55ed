"""C loops that move a workload's bytes and do nothing else: a worker in turns with the peers.

The machine's bandwidth drifts, within hours by half: only a loop in the same run says how much of
it a memory-bound workload gets. As a peer's module: `build(workload, arrays)`.
"""

import ctypes
import shutil
import tempfile

import limits
from costs import COST, KIND

NAME = "plain_loops"
# What its process is started with: two threads on one processor would flatter everybody.
ENVIRONMENT = {"OMP_PROC_BIND": "true"}
# The loop of limits.py for each way of moving bytes, and how many numbers it moves per element.
LOOPS = {
    "copy": ("copy_stream", 2),
    "triad": ("triad_stream", 3),
    "read": ("read_sum", 1),
    "update": ("update", 7),
}


def moves(workload):
    """Whether there is a loop that moves bytes as the workload does, and a compiler for it."""
    return workload in KIND and shutil.which("gcc") is not None


def build(workload, arrays):
    """A function that runs the workload's loop once; it returns no outputs to check."""
    name, numbers = LOOPS[KIND[workload]]
    n = int(COST[workload].bytes) // (4 * numbers) // 16 * 16
    with tempfile.TemporaryDirectory() as folder:
        loop = getattr(limits.build(folder), name)
    size, aligned = ctypes.c_size_t(n), [limits.aligned(n) for _ in range(min(numbers, 4))]
    if name == "read_sum":
        operands = [aligned[0]]
    else:  # all but the update take a third array, read or not
        operands = aligned + aligned[-1:] * (3 - len(aligned))
    pointers = [ctypes.c_void_p(a.ctypes.data) for a in operands]

    def step():
        loop(*pointers, size)
        return []

    step.arrays = aligned  # alive as long as the loop reads them
    return step
