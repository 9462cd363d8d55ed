"""What a call on a GPU does around the kernels: memory for arguments, results and state."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from graphc.backends.memory import holder
from graphc.backends.numba.entry import constants_of, numpy_name
from graphc.backends.program import Program
from graphc.ir.dim_values import evaluate
from graphc.ir.node import Tensor
from graphc.ir.record import dataclass

Array = np.ndarray[Any, np.dtype[Any]]
Run = Callable[[Sequence[Array], Mapping[str, int]], list[Array]]


class Memory(Protocol):
    """Flat arrays on a GPU, whatever their type."""

    def empty(self, size: int, dtype: Any) -> Any:
        """A new array, its elements undefined."""

    def upload(self, array: Array) -> Any:
        """A new array with the elements of a NumPy array."""

    def download(self, array: Any) -> Array:
        """The elements as a NumPy array."""


@dataclass(frozen=True, eq=False)
class DeviceCall:
    """Calls `run`, a function of arrays on the GPU, with NumPy arrays.

    Arguments and variables travel to the GPU with every call, and results back. A call raises
    IndexRangeError where a check fails, before any variable changes.
    """

    program: Program
    run: Callable[..., None]
    memory: Memory
    constants: Sequence[Any]

    def __call__(self, arrays: Sequence[Array], sizes: Mapping[str, int]) -> list[Array]:
        program, memory = self.program, self.memory
        given = zip(arrays, program.inputs, strict=True)
        inputs = [memory.upload(stored(a, x)) for a, x in given]
        variables = [memory.upload(stored(value_of(x), x)) for x in program.variables]
        room = [int(evaluate(x.type.size, sizes)) for x in program.outputs]
        kinds = [np.dtype(numpy_name(x.dtype)) for x in program.outputs]
        outputs = [memory.empty(n, kind) for n, kind in zip(room, kinds, strict=True)]
        status = memory.upload(np.zeros(2, np.int64))
        self.run(status, inputs, outputs, variables, self.constants, sizes)
        code, value = memory.download(status)
        if code:
            failure = program.failures[code - 1]
            raise failure.error(int(value), sizes, program.inputs, arrays)
        for k in written_variables(program):
            x = program.variables[k]
            value_of(x).reshape(-1)[:] = memory.download(variables[k]).view(x.dtype.numpy)
        return [
            memory.download(array).view(x.dtype.numpy).reshape(_shape(x, sizes))
            for array, x in zip(outputs, program.outputs, strict=True)
        ]


def device_call(program: Program, run: Callable[..., None], memory: Memory) -> Run:
    """The callable of a program whose entry is `run`; its constants stay on the GPU."""
    constants = [memory.upload(stored(value_of(x), x)) for x in constants_of(program)]
    return DeviceCall(program, run, memory, constants)


def written_variables(program: Program) -> list[int]:
    """The numbers of the variables that calls from the first commit on touch."""
    touched = (x for call in program.calls[program.first_commit :] for x in call.arguments)
    places = [program.plan.places[holder(x)] for x in touched]
    return sorted({place.number for place in places if place.kind == "variable"})


def value_of(x: Tensor) -> Array:
    """The array behind a variable or constant."""
    attrs = x.node.attrs
    array: Array = (attrs["state"] if "state" in attrs else attrs["value"]).array
    return array


def stored(array: Array, x: Tensor) -> Array:
    """The elements in a row, as kernels know them."""
    return np.ascontiguousarray(array).reshape(-1).view(numpy_name(x.dtype))


def _shape(x: Tensor, sizes: Mapping[str, int]) -> list[int]:
    return [int(evaluate(d, sizes)) for d in x.shape]
