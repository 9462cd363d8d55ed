"""`export`: a shared library and a C header that run without Python."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphc.compile import compile
from graphc.deploy.header import header_text
from graphc.executable import Executable
from graphc.ir.errors import GraphError, MissingExtraError
from graphc.ir.node import Tensor


@dataclass(frozen=True)
class Artefact:
    """Files of an exported model."""

    library: Path
    header: Path
    object: Path


def export(
    inputs: Sequence[Tensor] | Mapping[str, Executable],
    outputs: Any = None,
    path: str | Path = "model",
    updates: Mapping[Tensor, Any] | None = None,
    isa: str = "host",
) -> Artefact:
    """Writes PATH.so and PATH.h (and PATH.o, which can be linked statically).

    Either `export([x], y, "model", updates=...)`, which makes one function `model_call`, or
    `export({"predict": f, "train_step": g}, path="model")` with functions from `compile` for the CPU, which share their
    variables. The variables' present values are stored. The library needs libc and libpthread only.

    isa: "host" or one of "x86-64-v2", "x86-64-v3", "x86-64-v4". Linking needs a C compiler or linker on PATH
    (MissingExtraError otherwise; the object and the header are written all the same).
    """
    functions = inputs if isinstance(inputs, Mapping) else {"call": compile(inputs, outputs, updates)}
    target = Path(path)
    name = target.name
    _check_names(name, functions)
    object_file, header = target.with_suffix(".o"), target.with_suffix(".h")
    data, text = _contents(name, functions, isa)
    target.parent.mkdir(parents=True, exist_ok=True)
    object_file.write_bytes(data)
    header.write_text(text)
    return Artefact(_link(object_file, target.with_suffix(".so")), header, object_file)


def _check_names(name: str, functions: Mapping[str, Executable]) -> None:
    for what in (name, *functions):
        if not what.isidentifier():
            raise GraphError(f"{what!r} cannot be a name in C")
    for function, executable in functions.items():
        if executable.target != "cpu":
            raise GraphError(f"{function!r} was compiled for {executable.target}; only functions for the CPU can be exported")


def _contents(name: str, functions: Mapping[str, Executable], isa: str) -> tuple[bytes, str]:
    from graphc.backends.cpu.runtime import UNLOAD_IR, runtime_ir
    from graphc.backends.llvm.artefact import artefact_ir
    from graphc.backends.llvm.engine import compile_object, named_target
    from graphc.backends.lower.kernel import Schedule
    from graphc.backends.program import build_program

    target = named_target(isa)
    programs = {}
    for function, executable in functions.items():
        graph = executable.graph
        programs[function] = build_program(graph.inputs, graph.outputs, graph.updates, Schedule(vector_bits=target.vector_bits), function)
    variables = list(dict.fromkeys(x for program in programs.values() for x in program.variables))
    ir = artefact_ir(name, programs, variables, runtime_ir(target.triple) + UNLOAD_IR)
    return compile_object(ir, target, pic=True), header_text(name, programs, variables)


def _link(object_file: Path, library: Path) -> Path:
    compiler = next((c for c in ("cc", "gcc", "clang") if shutil.which(c)), None)
    if compiler is None:
        raise MissingExtraError(
            f"no C compiler (cc, gcc or clang) found to link {library.name}; {object_file} is written and can be linked by hand"
        )
    command = [compiler, "-shared", "-o", str(library), str(object_file), "-lpthread"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise GraphError(f"linking failed: {' '.join(command)}\n{result.stderr}")
    return library
