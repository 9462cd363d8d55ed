"""The caller in plain Python, for interpreters whose memory layout the native one does not know.

Same checks, same results and same errors as `call_entry`, at the price of a few microseconds.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphc.backends.cpu.callspec import NO_ARENA, NO_OUTPUT, REFUSED, CallSpec, InputSpec
from graphc.ir.record import dataclass

_PLAN = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)
_RUN = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
_state_lock = threading.Lock()

_Array = np.ndarray[Any, Any]
_UNFIT = "the prepared arguments do not fit the compiled function"


def python_caller(spec: CallSpec) -> Callable[..., Any]:
    """A function that calls the compiled function."""
    plan, run = _PLAN(spec.plan), _RUN(spec.run)

    def call(*arguments: Any, **keywords: Any) -> Any:
        sizes = np.zeros(spec.sizes + 2, np.int64)
        arrays, given = _conforming(spec, arguments, keywords, sizes)
        table = [a.ctypes.data for a in arrays]
        fail = _Failing(spec, sizes, np.array(table or [0], np.uintp))
        out = np.zeros(2 + sum(output.ndim for output in spec.outputs), np.int64)
        if plan(sizes.ctypes.data, out.ctypes.data):
            fail(REFUSED)
        need = int(out[0])
        arena = fail.empty(NO_ARENA, (need + 64,), np.dtype(np.uint8), need)
        results = _outputs(spec, given, out[2:].tolist(), fail)
        table += [a.ctypes.data for a in results] + list(spec.variables)
        buffers = np.array(table or [0], np.uintp)
        start = arena.ctypes.data + 63 & ~63
        if code := _run(spec, run, (buffers.ctypes.data, sizes.ctypes.data, start)):
            fail(code, int(sizes[-1]))
        return _structured(spec, results)

    call.__name__ = call.__qualname__ = spec.name
    return call


def _run(spec: CallSpec, run: Callable[..., int], addresses: tuple[int, int, int]) -> int:
    if not spec.stateful:
        return run(*addresses)
    with _state_lock:
        return run(*addresses)


def _conforming(
    spec: CallSpec, arguments: tuple[Any, ...], keywords: dict[str, Any], sizes: _Array
) -> tuple[Sequence[_Array], Sequence[_Array]]:
    """The arguments, and the arrays that results are written to, if they are given."""
    if not keywords and _bind(spec.inputs, arguments, sizes):
        return arguments, ()
    ready = spec.prepare(arguments, keywords or None)
    count = len(spec.inputs)
    if (
        not isinstance(ready, tuple)
        or len(ready) not in (count, count + len(spec.outputs))
        or not _bind(spec.inputs, ready[:count], sizes)
    ):
        raise RuntimeError(_UNFIT)
    return ready[:count], ready[count:]


def _bind(inputs: tuple[InputSpec, ...], arguments: tuple[Any, ...], sizes: _Array) -> bool:
    return len(arguments) == len(inputs) and all(
        _fits(item, argument, sizes) for item, argument in zip(inputs, arguments, strict=True)
    )


def _fits(item: InputSpec, argument: Any, sizes: _Array) -> bool:
    if type(argument) is not np.ndarray or argument.dtype is not item.dtype:
        return False
    ordered = argument.flags.c_contiguous and argument.flags.aligned
    if not ordered or argument.ndim != len(item.dims):
        return False
    for (kind, value), extent in zip(item.dims, argument.shape, strict=True):
        if kind in ("bind", "free"):
            sizes[value] = extent
        elif extent != (value if kind == "const" else sizes[value]):
            return False
    return True


@dataclass(frozen=True)
class _Failing:
    """Raises what the spec's `fail` does for one call."""

    spec: CallSpec
    sizes: _Array
    inputs: _Array

    def __call__(self, code: int, value: int = 0) -> None:
        self.spec.fail(code, value, tuple(self.sizes[:-2].tolist()), self.inputs.ctypes.data)
        raise RuntimeError("the compiled function failed and no error was raised for it")

    def empty(
        self, code: int, shape: tuple[int, ...], dtype: np.dtype[Any], value: int = 0
    ) -> _Array:
        """A new array; fails with the code if there is no memory for it."""
        try:
            return np.empty(shape, dtype)
        except (MemoryError, ValueError):
            self(code, value)
            raise


def _outputs(
    spec: CallSpec, given: Sequence[Any], extents: list[int], fail: _Failing
) -> list[_Array]:
    """The arrays of the planned shapes that are given, or new ones."""
    results = []
    for k, output in enumerate(spec.outputs):
        shape, extents = tuple(extents[: output.ndim]), extents[output.ndim :]
        if not given:
            results.append(fail.empty(NO_OUTPUT - k, shape, output.dtype))
        elif _holds(given[k], shape, output.dtype):
            results.append(given[k])
        else:
            raise RuntimeError(_UNFIT)
    return results


def _holds(array: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    """Whether it is an array that such a result can be written to."""
    if type(array) is not np.ndarray or array.dtype is not dtype or array.shape != shape:
        return False
    return bool(array.flags.c_contiguous and array.flags.aligned and array.flags.writeable)


def _structured(spec: CallSpec, results: list[_Array]) -> Any:
    if spec.structure == "one":
        return results[0]
    if spec.structure == "none":
        return None
    return tuple(results) if spec.structure == "tuple" else results
