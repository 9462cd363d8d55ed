"""A program as a callable, through Numba."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphc.backends.numba.compiling import namespace_of
from graphc.backends.numba.entry import constants_of, numpy_name
from graphc.backends.numba.module import source_of
from graphc.backends.program import Program
from graphc.ir.dim_values import evaluate
from graphc.ir.dtypes import DType
from graphc.ir.node import Tensor

Array = np.ndarray[Any, np.dtype[Any]]
Run = Callable[[Sequence[Array], Mapping[str, int]], list[Array]]


def build(program: Program) -> Run:
    """A function of conforming arrays and named sizes that returns new output arrays.

    It raises IndexRangeError where a check fails, before any variable changes.
    """
    run = namespace_of(source_of(program))["run"]
    variables = [elements_of(state_array(x), x.dtype) for x in program.variables]
    constants = [elements_of(x.node.attrs["value"].array, x.dtype) for x in constants_of(program)]

    def call(arrays: Sequence[Array], sizes: Mapping[str, int]) -> list[Array]:
        shapes = [tuple(evaluate(d, sizes) for d in x.shape) for x in program.outputs]
        results = [np.empty(s, x.dtype.numpy) for s, x in zip(shapes, program.outputs, strict=True)]
        inputs = [elements_of(a, x.dtype) for a, x in zip(arrays, program.inputs, strict=True)]
        outputs = [elements_of(a, x.dtype) for a, x in zip(results, program.outputs, strict=True)]
        status = np.zeros(2, np.int64)
        run(status, inputs, outputs, variables, constants, sizes)
        if status[0]:
            failure = program.failures[status[0] - 1]
            raise failure.error(int(status[1]), sizes, program.inputs, arrays)
        return results

    return call


def state_array(variable: Tensor) -> Array:
    """The array behind a variable."""
    array: Array = variable.node.attrs["state"].array
    return array


def elements_of(array: Array, dtype: DType) -> Array:
    """The elements of a contiguous array in a row, as kernels know them."""
    return array.reshape(-1).view(getattr(np, numpy_name(dtype)))
