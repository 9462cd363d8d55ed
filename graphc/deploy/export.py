"""`export`: a shared library and a C header that run without Python."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphc.compile import compile
from graphc.deploy.header import KEYWORDS, header_text
from graphc.deploy.interface import interface_text
from graphc.deploy.linking import link_library, replace_file
from graphc.deploy.object_file import with_data
from graphc.deploy.results import described
from graphc.executable import Executable
from graphc.ir.errors import ArgumentError, GraphError
from graphc.ir.node import Tensor
from graphc.ir.record import dataclass
from graphc.stages import Stages

if TYPE_CHECKING:
    from graphc.backends.llvm.target import Target

_OWN = (
    "check", "create", "destroy", "error", "interface", "load", "save", "set_threads", "variable",
)  # fmt: skip


@dataclass(frozen=True)
class Artefact:
    """Files of an exported model. The object is the library where there is no other one: for
    WebAssembly, and for other architectures than this machine's if their C compiler is not here.
    """

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

    isa: "host"; "x86-64" (any), "x86-64-v2", "x86-64-v3" or "x86-64-v4"; "aarch64", "riscv64" (both
    for Linux) or "wasm32". Features may follow that only some such CPUs have: "aarch64+dotprod".
    names: what variables are called in the header and in files of weights, such as
    `model.variables()`: then a layer's `load` takes what the library saves, and the library what
    its `save` writes. Others have their labels, numbered where they are not alone.

    `graphc.load` gives the functions back. Raises GraphError for names that C cannot have or that
    are not of variables, ArgumentError for an unknown isa. Libraries for x86-64 with ELF are
    linked here. Other ones need a C compiler on PATH (MissingExtraError if there is none for this
    machine; object and header are written all the same).
    """
    if isinstance(inputs, Executable):
        functions = {inputs.name: inputs}
    elif isinstance(inputs, Mapping):
        functions = dict(inputs)
    else:
        call = compile(inputs, outputs, updates, target="reference")
        call.stages = Stages(call.stages.source)  # all passes, as for native code
        functions = {"call": call}
    from graphc.backends.llvm.target import host_target

    base, target = Path(path), _target(isa)
    _check_names(base.name, functions)
    asked = target.cpu if isa == "host" else isa
    data, text = _contents(base.name, functions, target, asked, _by_variable(names or {}))
    base.parent.mkdir(parents=True, exist_ok=True)
    object_file, header, library = (base.with_name(base.name + end) for end in (".o", ".h", ".so"))
    replace_file(object_file, data)
    replace_file(header, text.encode())
    return Artefact(link_library(object_file, library, target, host_target()), header, object_file)


def _target(isa: str) -> Target:
    from graphc.backends.llvm.engine import named_target

    try:
        return named_target(isa)
    except ValueError as error:
        raise ArgumentError(str(error)) from None


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
            plain = re.sub(r"\W", "_", what.removesuffix(".so"), flags=re.ASCII)
            hint = f"\n  hint: {plain!r} can" if re.fullmatch(r"[A-Za-z_]\w*", plain) else ""
            raise GraphError(f"{what!r} cannot be a name in C{hint}")
    if name == "graphc":
        raise GraphError(
            "a library called graphc.so hides graphc itself from Python in its folder\n"
            "  hint: any other name will do"
        )
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


def _contents(
    name: str,
    functions: Mapping[str, Executable],
    target: Target,
    asked: str,
    names: Mapping[Tensor, str],
) -> tuple[bytes, str]:
    from graphc.backends.building import program_of
    from graphc.backends.cpu.runtime import library_runtime_ir
    from graphc.backends.llvm.artefact import artefact_ir
    from graphc.backends.llvm.artefact_state import named_variables
    from graphc.backends.llvm.engine import compile_object
    from graphc.backends.lower.choices import with_choices
    from graphc.backends.lower.kernel import Schedule

    programs = {}
    for function, executable in functions.items():
        graph = executable.graph
        dots = target.dots(relaxed=graph.relaxed)
        plain = Schedule(target.vector_bits, registers=target.registers, dots=dots)
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
    apart: dict[str, bytes] | None = {} if _is_elf(target) else None
    results = {
        function: described(executable.structure) for function, executable in functions.items()
    }
    interface = interface_text(programs, results, variables, asked)
    runtime = library_runtime_ir(target)
    ir = artefact_ir(name, programs, variables, runtime, target, interface, apart)
    code = compile_object(ir, target, pic=target.architecture.threads)
    return with_data(code, apart or {}), header_text(name, programs, results, variables)


def _is_elf(target: Target) -> bool:
    """Whether object files for this machine are of the kind that is read here."""
    return target.architecture.pointer_bits == 64 and "linux" in target.triple
