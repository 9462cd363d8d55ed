"""`export`: a shared library and a C header that run without Python."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from graphc.compile import compile
from graphc.deploy.header import KEYWORDS, header_text
from graphc.deploy.interface import interface_text
from graphc.deploy.object_file import is_object, with_data
from graphc.deploy.shared_library import link
from graphc.executable import Executable
from graphc.ir.errors import ArgumentError, GraphError, MissingExtraError
from graphc.ir.node import Tensor
from graphc.ir.record import dataclass
from graphc.ir.whole_file import whole_file
from graphc.stages import Stages

_OWN = (
    "check", "create", "destroy", "error", "interface", "load", "save", "set_threads", "variable",
)  # fmt: skip


@dataclass(frozen=True)
class Artefact:
    """Files of an exported model."""

    library: Path
    header: Path
    object: Path


def export(
    inputs: Sequence[Tensor] | Mapping[str, Executable] | Executable,
    outputs: Any = None,
    path: str | Path = "model",
    updates: Mapping[Tensor, Any] | None = None,
    isa: str = "host",
    names: Mapping[str, Tensor] | None = None,
) -> Artefact:
    """Writes PATH.so and PATH.h (and PATH.o, which can be linked statically).

    Either `export([x], y, "model", updates=...)`, which makes one function `model_call`, or
    `export({"predict": f, "train_step": g}, path="model")` with functions from `compile`, which
    share their variables; one alone, `export(f)`, keeps the name it was compiled with. The
    variables' present values are stored. The library needs libc, pthread and (where the instruction
    set has no fused multiply-add) libm only.

    isa: "host" or one of "x86-64-v2", "x86-64-v3", "x86-64-v4".
    names: what variables are called in the header and in files of weights, such as
    `model.variables()`: then a layer's `load` takes what the library saves, and the library what
    its `save` writes. Others have their labels, numbered where they are not alone.

    `graphc.load` gives the functions back. Raises GraphError for names that C cannot have or that
    are not of variables, ArgumentError for an unknown isa. Elsewhere than on x86-64 with ELF,
    linking needs a C compiler on PATH (MissingExtraError otherwise; object and header are written
    all the same).
    """
    if isinstance(inputs, Executable):
        functions = {inputs.name: inputs}
    elif isinstance(inputs, Mapping):
        functions = dict(inputs)
    else:
        call = compile(inputs, outputs, updates, target="reference")
        call.stages = Stages(call.stages.source)  # all passes, as for native code
        functions = {"call": call}
    target = Path(path)
    _check_names(target.name, functions)
    data, text = _contents(target.name, functions, isa, _by_variable(names or {}))
    target.parent.mkdir(parents=True, exist_ok=True)
    object_file, header = _beside(target, ".o"), _beside(target, ".h")
    _replace(object_file, data)
    _replace(header, text.encode())
    return Artefact(_link(object_file, _beside(target, ".so")), header, object_file)


def _beside(target: Path, suffix: str) -> Path:
    return target.with_name(target.name + suffix)


def _check_names(name: str, functions: Mapping[str, Executable]) -> None:
    if not functions:
        raise GraphError("there are no functions to export")
    for function, executable in functions.items():
        if not isinstance(executable, Executable):
            raise GraphError(
                f"{function!r} is no compiled function but a {type(executable).__name__}\n"
                "  hint: gc.export([x], y, path) compiles what it exports"
            )
    for what in (name, *functions):
        if not re.fullmatch(r"[A-Za-z_]\w*", what, re.ASCII):
            raise GraphError(f"{what!r} cannot be a name in C")
    if name in KEYWORDS:
        raise GraphError(f"{name!r} means something else in C; give the model another name")
    for function in functions:
        if function in _OWN or function.removesuffix("_workspace") in functions.keys() - {function}:
            raise GraphError(
                f"every artefact has a function {name}_{function}; give {function!r} another name"
            )


def _by_variable(names: Mapping[str, Tensor]) -> dict[Tensor, str]:
    for name, x in names.items():
        if not isinstance(x, Tensor) or x.node.op.name != "variable":
            raise GraphError(f"names are those of variables; {name!r} is {x!r}")
    return {x: name for name, x in names.items()}


def _replace(path: Path, data: bytes, executable: bool = False) -> None:
    """Writes a new file in place of the old one, which a process may have mapped."""
    with whole_file(path) as file:
        file.write(data)
        if executable:
            os.fchmod(file.fileno(), 0o755)


def _contents(
    name: str, functions: Mapping[str, Executable], isa: str, names: Mapping[Tensor, str]
) -> tuple[bytes, str]:
    from graphc.backends.building import program_of
    from graphc.backends.cpu.runtime import UNLOAD_IR, runtime_ir
    from graphc.backends.llvm.artefact import artefact_ir
    from graphc.backends.llvm.artefact_state import named_variables
    from graphc.backends.llvm.engine import compile_object, named_target
    from graphc.backends.lower.choices import with_choices
    from graphc.backends.lower.kernel import Schedule

    try:
        target = named_target(isa)
    except ValueError as error:
        raise ArgumentError(str(error)) from None
    programs = {}
    for function, executable in functions.items():
        graph = executable.graph
        dots = target.dots(relaxed=graph.relaxed)
        plain = Schedule(vector_bits=target.vector_bits, dots=dots)
        same = executable.machine is not None and executable.machine.family == target.family
        schedule = with_choices(plain, executable.stages.choices if same else {})
        programs[function] = program_of(graph, schedule, function)
    found = dict.fromkeys(x for program in programs.values() for x in program.variables)
    if names and not found.keys() & names.keys():
        raise GraphError(
            f"none of the {len(names)} names is of a variable of these functions\n"
            "  hint: are they the names of the layer that the functions were made with?"
        )
    variables = named_variables(list(found), names)
    apart: dict[str, bytes] | None = {} if _is_ours(target.triple) else None
    interface = interface_text(programs, variables, target.cpu)
    runtime = runtime_ir(target.triple) + UNLOAD_IR
    ir = artefact_ir(name, programs, variables, runtime, target, interface, apart)
    data = with_data(compile_object(ir, target, pic=True), apart or {})
    return data, header_text(name, programs, variables)


def _is_ours(triple: str) -> bool:
    """Whether object files for this machine are of the kind that is read and linked here."""
    return triple.startswith("x86_64") and "linux" in triple


def _link(object_file: Path, library: Path) -> Path:
    data = object_file.read_bytes()
    if is_object(data):
        _replace(library, link(data, library.name), executable=True)
        return library
    compiler = next((c for c in ("cc", "gcc", "clang") if shutil.which(c)), None)
    if compiler is None:
        raise MissingExtraError(
            f"no C compiler (cc, gcc or clang) found to link {library.name}; "
            f"{object_file} is written and can be linked by hand"
        )
    command = [compiler, "-shared", "-o", str(library), str(object_file), "-lpthread", "-lm"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise GraphError(f"linking failed: {' '.join(command)}\n{result.stderr}")
    return library
