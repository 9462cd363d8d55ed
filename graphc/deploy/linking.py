"""From an object file to a shared library, for the machines that have such."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from graphc.deploy.object_file import is_object
from graphc.deploy.shared_library import link
from graphc.ir.errors import GraphError, MissingExtraError
from graphc.ir.whole_file import whole_file

if TYPE_CHECKING:
    from graphc.backends.llvm.target import Target

_NATIVE = ("cc", "gcc", "clang")


def replace_file(path: Path, data: bytes, executable: bool = False) -> None:
    """Writes a new file in place of the old one, which a process may have mapped."""
    with whole_file(path) as file:
        file.write(data)
        if executable:
            os.fchmod(file.fileno(), 0o755)


def link_library(object_file: Path, library: Path, target: Target, here: Target) -> Path:
    """The library; the object itself where the target has no shared libraries, or is of another
    architecture than this machine and its C compiler is not here.
    """
    data = object_file.read_bytes()
    if is_object(data):
        replace_file(library, link(data, library.name), executable=True)
        return library
    architecture = target.architecture
    if not architecture.threads:
        return object_file
    native = architecture.name == here.architecture.name
    names = _NATIVE if native else (f"{architecture.name}-linux-gnu-gcc",)
    compiler = next(filter(shutil.which, names), None)
    if compiler is not None:
        _run([compiler, "-shared", "-o", str(library), str(object_file), "-lpthread", "-lm"])
        return library
    if not native:
        return object_file
    raise MissingExtraError(
        f"no C compiler (cc, gcc or clang) found to link {library.name}; "
        f"{object_file} is written and can be linked by hand"
    )


def _run(command: list[str]) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise GraphError(f"linking failed: {' '.join(command)}\n{result.stderr}")
