"""An optimised graph in the languages of the other targets, whatever it was compiled for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from graphc.backends.building import build_program
from graphc.backends.cuda.module import device_program
from graphc.backends.cuda.ptx import ptx_of
from graphc.backends.cuda.source import source_of as cuda_source_of
from graphc.backends.cuda.threads import MOST
from graphc.backends.lower.kernel import Schedule
from graphc.backends.numba.module import source_of
from graphc.passes.pipeline import Graph


def numba_text(graph: Graph) -> str:
    """The Python module that Numba compiles."""
    schedule = Schedule(vector_bits=0)
    program = build_program(graph.inputs, graph.outputs, graph.updates, schedule, graph.name)
    return source_of(program).text


def ptx_text(graph: Graph) -> str:
    """PTX for GPUs from compute capability 8.0 on."""
    return ptx_of(device_program(graph))


def numba_cuda_text(graph: Graph) -> str:
    """The Python module of kernels for Numba's CUDA target."""
    return cuda_source_of(device_program(graph), MOST)


TEXTS: Mapping[str, Callable[[Graph], str]] = MappingProxyType(
    {"numba": numba_text, "ptx": ptx_text, "numba-cuda": numba_cuda_text}
)
"""The text of a graph by stage."""
