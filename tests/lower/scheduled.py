"""Graphs compiled with a schedule of the test's own."""

from collections.abc import Callable, Sequence

import numpy as np

from graphc.arguments import Signature
from graphc.backends.cpu.compiling import compiled
from graphc.backends.cpu.executable import load
from graphc.backends.llvm.engine import host_target
from graphc.backends.lower.kernel import Schedule
from graphc.backends.program import Program, build_program
from graphc.ir.node import Tensor
from graphc.passes.pipeline import Graph, optimise

Run = Callable[..., tuple[np.ndarray, ...]]


def program_of(
    inputs: Sequence[Tensor], outputs: Sequence[Tensor], schedule: Schedule | None = None
) -> Program:
    """The program of optimised outputs."""
    graph = optimise(Graph(tuple(inputs), tuple(outputs)))
    return build_program(graph.inputs, graph.outputs, (), schedule or Schedule())


def function(inputs: Sequence[Tensor], outputs: Sequence[Tensor], schedule: Schedule) -> Run:
    """A native function with all its kernels under one schedule."""
    packed = compiled(program_of(inputs, outputs, schedule), (), host_target())
    signature = Signature("scheduled", tuple(inputs))
    run: Run = load("scheduled", packed, (), "tuple", signature.bind).call
    return run


def draw_schedule(rng: np.random.Generator) -> Schedule:
    """A random schedule: narrow and wide vectors, tiny and large chunks."""
    return Schedule(
        vector_bits=int(rng.choice([0, 128, 256, 512])),
        grain=int(rng.choice([1, 5, 64, 1000, 16384])),
        most_chunks=int(rng.choice([1, 2, 7, 64])),
        unroll=int(rng.choice([1, 2, 3, 4])),
        stream_bytes=int(rng.choice([1, 2**24])),
    )
