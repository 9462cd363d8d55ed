"""A program as a callable that runs on a GPU, from our own PTX."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ctypes import c_void_p
from typing import Any

import numpy as np

from graphc.backends.cuda.calls import Run, device_call
from graphc.backends.cuda.driver import Device
from graphc.backends.cuda.memory import Arrays, DeviceArray
from graphc.backends.cuda.module import DeviceModule, module_of
from graphc.backends.cuda.ptx import VERSIONS, ptx_of_module
from graphc.backends.lower.kernel import Call
from graphc.backends.numba.entry import entry_text
from graphc.backends.program import Program
from graphc.ir.dims import Dim
from graphc.ir.errors import UnsupportedError


def architecture(capability: tuple[int, int]) -> str:
    """The newest architecture that a GPU of this compute capability runs."""
    known = {name: divmod(int(name.removeprefix("sm_")), 10) for name in VERSIONS}
    fitting = [name for name, needed in known.items() if needed <= capability]
    if not fitting:
        major, minor = capability
        raise UnsupportedError(
            f"the target 'cuda' needs a GPU of compute capability 7.0 or later, "
            f"this one has {major}.{minor}"
        )
    return fitting[-1]


def build(program: Program, device: Device) -> Run:
    """A function of conforming arrays and named sizes that returns new output arrays."""
    device.enter()
    module = module_of(program)
    binary = device.load(ptx_of_module(module, architecture(device.capability)))
    functions = {name: binary.function(name) for name in module.kernels}
    memory = Arrays(device)
    names: dict[str, Any] = {
        "np": np,
        "empty": memory.empty,
        "launch": _launcher(device, functions),
    }
    text = entry_text(program, _spelling(module))
    exec(compile(text, f"<graphc cuda {program.name}>", "exec"), names)
    return device_call(program, names["run"], memory)


def _launcher(device: Device, functions: dict[str, c_void_p]) -> Callable[..., None]:
    def launch(name: str, blocks: int, threads: int, *arguments: DeviceArray | int) -> None:
        if blocks > 0:
            words = [a.address if isinstance(a, DeviceArray) else a for a in arguments]
            device.launch(functions[name], blocks, threads, words)

    return launch


def _spelling(module: DeviceModule) -> Callable[..., str]:
    def spell(call: Call, arguments: Sequence[str], dim: Callable[[Dim], str]) -> str:
        launch = module.launches[call]
        kernel = launch.kernel
        blocks = kernel.blocks_text(dim(call.chunks))
        return f"launch({launch.name!r}, {blocks}, {kernel.threads}, {', '.join(arguments)})"

    return spell
