"""A program as a callable that runs on a GPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from ctypes import c_void_p
from typing import Any

import numpy as np

from graphc.backends.cuda.driver import Device
from graphc.backends.cuda.memory import DeviceArray, empty, uploaded
from graphc.backends.cuda.module import DeviceModule, module_of
from graphc.backends.cuda.ptx import VERSIONS, ptx_of_module
from graphc.backends.lower.kernel import Call
from graphc.backends.memory import holder
from graphc.backends.numba.entry import constants_of, entry_text, numpy_name
from graphc.backends.program import Program
from graphc.ir.dims import Dim, evaluate
from graphc.ir.errors import IndexRangeError, UnsupportedError
from graphc.ir.node import Tensor

Array = np.ndarray[Any, np.dtype[Any]]
Run = Callable[[Sequence[Array], Mapping[str, int]], list[Array]]


def architecture(capability: tuple[int, int]) -> str:
    """The newest architecture that a GPU of this compute capability runs."""
    known = {name: divmod(int(name.removeprefix("sm_")), 10) for name in VERSIONS}
    fitting = [name for name, needed in known.items() if needed <= capability]
    if not fitting:
        major, minor = capability
        raise UnsupportedError(
            f"the target 'cuda' needs a GPU of compute capability 7.0 or later, this one has "
            f"{major}.{minor}"
        )
    return fitting[-1]


def build(program: Program, device: Device) -> Run:
    """A function of conforming arrays and named sizes that returns new output arrays.

    Arguments and variables travel to the GPU with every call, and results back. It raises
    IndexRangeError where a check fails, before any variable changes.
    """
    device.enter()
    module = module_of(program)
    binary = device.load(ptx_of_module(module, architecture(device.capability)))
    functions = {name: binary.function(name) for name in module.kernels}
    run = _entry(program, module, device, functions)
    constants = [uploaded(device, _stored(_value(x), x)) for x in constants_of(program)]
    written = _written(program)

    def call(arrays: Sequence[Array], sizes: Mapping[str, int]) -> list[Array]:
        device.enter()
        given = zip(arrays, program.inputs, strict=True)
        inputs = [uploaded(device, _stored(a, x)) for a, x in given]
        variables = [uploaded(device, _stored(_value(x), x)) for x in program.variables]
        outputs = [_room(device, x, sizes) for x in program.outputs]
        status = uploaded(device, np.zeros(2, np.int64))
        run(status, inputs, outputs, variables, constants, sizes)
        code, value = status.to_host()
        if code:
            raise IndexRangeError(program.failures[code - 1].message.format(value=value))
        for k in written:
            x = program.variables[k]
            _value(x).reshape(-1)[:] = _loaded(variables[k], x)
        return [
            _loaded(array, x).reshape([evaluate(d, sizes) for d in x.shape])
            for array, x in zip(outputs, program.outputs, strict=True)
        ]

    return call


def _entry(
    program: Program, module: DeviceModule, device: Device, functions: Mapping[str, c_void_p]
) -> Callable[..., None]:
    """The function that starts the kernels in order."""
    launches = module.launches

    def spell(call: Call, arguments: Sequence[str], dim: Callable[[Dim], str]) -> str:
        launch = launches[call]
        kernel, chunks = launch.kernel, dim(call.chunks)
        blocks = f"-(-({chunks}) // {kernel.threads})" if kernel.alone else chunks
        return f"launch({launch.name!r}, {blocks}, {kernel.threads}, {', '.join(arguments)})"

    def launch(name: str, blocks: int, threads: int, *arguments: DeviceArray | int) -> None:
        if blocks > 0:
            words = [a.address if isinstance(a, DeviceArray) else a for a in arguments]
            device.launch(functions[name], blocks, threads, words)

    names: dict[str, Any] = {
        "np": np,
        "empty": lambda size, dtype: empty(device, size, dtype),
        "launch": launch,
    }
    exec(compile(entry_text(program, spell), f"<graphc cuda {program.name}>", "exec"), names)
    run: Callable[..., None] = names["run"]
    return run


def _written(program: Program) -> list[int]:
    """The numbers of the variables that calls from the first commit on touch."""
    touched = (x for call in program.calls[program.first_commit :] for x in call.arguments)
    places = [program.plan.places[holder(x)] for x in touched]
    return sorted({place.number for place in places if place.kind == "variable"})


def _value(x: Tensor) -> Array:
    """The array behind a variable or constant."""
    attrs = x.node.attrs
    array: Array = (attrs["state"] if "state" in attrs else attrs["value"]).array
    return array


def _stored(array: Array, x: Tensor) -> Array:
    """The elements in a row, as kernels know them."""
    return np.ascontiguousarray(array).reshape(-1).view(numpy_name(x.dtype))


def _loaded(array: DeviceArray, x: Tensor) -> Array:
    return array.to_host().view(x.dtype.numpy)


def _room(device: Device, x: Tensor, sizes: Mapping[str, int]) -> DeviceArray:
    return empty(device, int(evaluate(x.type.size, sizes)), numpy_name(x.dtype))
