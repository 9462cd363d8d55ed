"""Graphs compiled with a schedule of the test's own."""

from collections.abc import Callable, Sequence

import numpy as np

from graphc.arguments import Signature
from graphc.backends.building import build_program
from graphc.backends.cpu.compiling import compiled
from graphc.backends.cpu.executable import load
from graphc.backends.llvm.engine import host_target
from graphc.backends.lower.kernel import Schedule
from graphc.backends.program import Program
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
    native = load("scheduled", packed, (), "tuple", signature.bind)

    def run(*arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        results: tuple[np.ndarray, ...] = native.call(*arrays)  # while the constants are held
        return results

    return run


def draw_schedule(rng: np.random.Generator) -> Schedule:
    """A random schedule: narrow and wide vectors, tiny and large chunks."""
    return Schedule(
        vector_bits=int(rng.choice([0, 128, 256, 512])),
        grain=int(rng.choice([1, 5, 64, 1000, 16384])),
        most_chunks=int(rng.choice([1, 2, 7, 64])),
        unroll=int(rng.choice([1, 2, 3, 4])),
        stream_bytes=int(rng.choice([1, 2**24])),
        across=[None, False, True][rng.integers(3)],
        by_lines=bool(rng.integers(2)),
        line_tile=int(rng.choice([0, 1, 48, 2048])),
        turned=bool(rng.integers(2)),
        direct=bool(rng.integers(2)),
        in_place=bool(rng.integers(2)),
        few=[None, 0, 3][rng.integers(3)],
        tile_vectors=int(rng.integers(5)),
        height=int(rng.choice([0, 1, 96, 10**6])),
        width=int(rng.choice([0, 1, 128, 10**6])),
        depth=int(rng.choice([0, 1, 200, 10**6])),
        positions=int(rng.choice([0, 1, 7, 100, 10**6])),
    )
