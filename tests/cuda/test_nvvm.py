"""The kernels that Numba's CUDA target is given compile with NVIDIA's own compiler library."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphc.backends.cuda.module import device_program
from graphc.backends.cuda.source import source_of
from graphc.backends.cuda.threads import MOST
from graphc.backends.numba.compiling import signature_of
from graphc.backends.program import walk_calls
from graphc.passes.pipeline import Graph
from tests.cuda.graphs import CASES

TOOLKIT = Path(os.environ.get("CUDA_HOME", "/usr/local/cuda"))
has_nvvm = any(TOOLKIT.glob("lib*/libnvvm.so")) or any(TOOLKIT.glob("nvvm/lib*/libnvvm.so"))


@pytest.mark.skipif(not has_nvvm, reason="no libnvvm")
@pytest.mark.parametrize("name", CASES)
def test_numba_compiles_every_kernel(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_HOME", str(TOOLKIT))
    from numba import cuda

    xs, outputs = CASES[name].build()
    program = device_program(Graph(tuple(xs), tuple(outputs)))
    names: dict[str, Any] = {"np": np}
    exec(source_of(program, MOST).replace("@cuda.jit\n", ""), names)
    for call in walk_calls(program):
        functions = [f for n, f in names.items() if n.startswith(f"{call.kernel.name}_")]
        signature = signature_of(call.kernel).args
        texts = [cuda.compile_ptx(f, signature, cc=(8, 0))[0] for f in functions[:1]]
        assert texts and ".visible .entry" in texts[0]
