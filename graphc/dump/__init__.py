"""Everything the compiler does, to look at: as text that diffs, as a picture, as a page.

stage       what
source      the graph as written
optimised   the graph after all passes
kernels     which ops run together
memory      where every value lies
loops       the loop IR of every kernel
vectors     the loop IR with explicit vectors
llvm        the LLVM IR
assembly    the machine's own instructions
numba       the Python module that Numba would compile
ptx         the kernels for NVIDIA's GPUs
numba-cuda  the same as Python for Numba's CUDA target

The last three are of the optimised graph, whatever target it was compiled for.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphc.ir.errors import GraphError
from graphc.ir.structure import leaves
from graphc.ir.whole_file import whole_file

if TYPE_CHECKING:
    from graphc.backends.program import Program
    from graphc.executable import Executable
    from graphc.passes.pipeline import Graph

ELSEWHERE = ("numba", "ptx", "numba-cuda")
STAGES = (
    "source", "optimised", "kernels", "memory", "loops", "vectors", "llvm", "assembly", *ELSEWHERE
)  # fmt: skip
DRAWN = ("source", "optimised", "kernels")
FORMATS = ("text", "dot", "svg", "json", "networkx", "html")


def dump(
    what: Any, stage: str = "optimised", format: str = "text", path: str | Path | None = None
) -> Any:
    """Shows a compiled function, or tensors that are not compiled, at a stage of compilation.

    format: "text" for every stage; "dot", "svg", "json" and "networkx" for the stages that are
    graphs ("source", "optimised", "kernels"); "html" is one self-contained page with all of it.
    Returns a string, or a graph for "networkx"; with `path` the string is written there too.
    Raises GraphError for an unknown stage or format.
    """
    from graphc.executable import Executable

    executable = what if isinstance(what, Executable) else _uncompiled(what)
    result = dump_executable(executable, stage, format)
    if path is not None:
        if not isinstance(result, str):
            raise GraphError(f"the format {format!r} is no text that can be written to {path}")
        with whole_file(path) as file:
            file.write(result.encode())
    return result


def _uncompiled(what: Any) -> Executable:
    """A stand-in for a function that has not been compiled."""
    from graphc.arguments import Signature
    from graphc.executable import Executable
    from graphc.ir.walk import topological
    from graphc.ops.convert import as_tensor
    from graphc.passes.pipeline import Graph
    from graphc.stages import Stages

    outputs = tuple(as_tensor(x) for x in leaves(what))
    nodes = topological(outputs)
    inputs = tuple(x for n in nodes for x in n.outputs if n.op.name == "placeholder")
    executable = Executable()
    executable.name, executable.target = "graph", "none"
    executable.stages = Stages(Graph(inputs, outputs), vector_bits=512)
    executable.signature = Signature("graph", inputs)
    return executable


def dump_executable(executable: Executable, stage: str, format: str) -> Any:
    """See `dump`."""
    if stage not in STAGES:
        raise GraphError(f"unknown stage {stage!r}; stages are {', '.join(STAGES)}")
    if format not in FORMATS:
        raise GraphError(f"unknown format {format!r}; formats are {', '.join(FORMATS)}")
    if format == "html":
        from graphc.dump.page import page

        return page(executable)
    if format == "text":
        return _text(executable, stage)
    return _drawing(executable, stage, format)


def _graph(executable: Executable, stage: str) -> Graph:
    return executable.stages.source if stage == "source" else executable.graph


def _program(executable: Executable, stage: str) -> Program:
    program = executable.program
    if program is None:
        raise GraphError(f"the target {executable.target!r} has no stage {stage!r}")
    return program


def _text(executable: Executable, stage: str) -> str:
    from graphc.dump import code
    from graphc.ir.text import to_text

    if stage in ("source", "optimised"):
        return to_text(_graph(executable, stage))
    if stage in ELSEWHERE:
        from graphc.dump.targets import TEXTS

        return TEXTS[stage](executable.graph)
    program = _program(executable, stage)
    if stage == "kernels":
        return code.kernels_text(program, executable.graph)
    writers = {
        "memory": code.memory_text,
        "loops": code.loops_text,
        "vectors": code.vectors_text,
        "llvm": code.llvm_text,
        "assembly": code.assembly_text,
    }
    return writers[stage](program)


def _drawing(executable: Executable, stage: str, format: str) -> Any:
    from graphc.dump import drawing, views

    if stage not in DRAWN:
        raise GraphError(f"the stage {stage!r} is no graph: it has the formats text and html")
    if stage == "kernels":
        view = views.kernel_view(executable.graph, _program(executable, stage))
    else:
        view = views.graph_view(_graph(executable, stage))
    makers = {
        "svg": drawing.svg,
        "dot": drawing.dot,
        "json": drawing.as_json,
        "networkx": drawing.as_networkx,
    }
    return makers[format](views.without_lonely(view))
