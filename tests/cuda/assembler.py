"""Where the assembler of PTX is."""

import importlib.util
import shutil
from pathlib import Path


def find_ptxas() -> Path | None:
    """The `ptxas` on the path, else the one of the nvidia-cuda-nvcc wheel, else None."""
    found = shutil.which("ptxas")
    if found:
        return Path(found)
    spec = importlib.util.find_spec("nvidia")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for path in Path(folder).rglob("ptxas"):
            return path
    return None


PTXAS = find_ptxas()
