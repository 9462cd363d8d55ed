"""The arguments of a compiled function: what it takes, and the errors when something else comes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from graphc.ir.demand import Demand, said
from graphc.ir.dim_values import evaluate, sizes
from graphc.ir.dims import Dim, DimExpr
from graphc.ir.dtypes import DType, as_dtype
from graphc.ir.errors import ArgumentError, DTypeError
from graphc.ir.node import Tensor
from graphc.ir.record import dataclass
from graphc.ir.types import TensorType

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, eq=False)
class Signature:
    """The placeholders of a function, in order, and lengths that sizes might make negative."""

    function: str
    inputs: tuple[Tensor, ...]
    lengths: tuple[Demand, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(str(x.node.attrs["name"]) for x in self.inputs)

    def __str__(self) -> str:
        parts = (f"{n}: {x.type}" for n, x in zip(self.names, self.inputs, strict=True))
        return f"{self.function}({', '.join(parts)})"

    def bind(
        self, args: Sequence[Any], kwargs: Mapping[str, Any] | None = None
    ) -> tuple[Array, ...]:
        """The arguments in order, as contiguous arrays of the declared dtypes and shapes; raises
        ArgumentError.
        """
        values = self._by_position(args, kwargs or {})
        arrays = tuple(
            self._array(n, x, v) for n, x, v in zip(self.names, self.inputs, values, strict=True)
        )
        self.sizes(arrays)
        return arrays

    def _by_position(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
        names = self.names
        if len(args) > len(names):
            takes = f"{len(names)} argument{'s' * (len(names) != 1)}"
            raise ArgumentError(f"{self.function} takes {takes}, got {len(args)}\n  {self}")
        given = dict(zip(names, args, strict=False))
        for name, value in kwargs.items():
            if name not in names:
                raise ArgumentError(f"{self.function} has no argument {name!r}\n  {self}")
            if name in given:
                raise ArgumentError(f"{self.function} got two values for {name!r}\n  {self}")
            given[name] = value
        missing = [n for n in names if n not in given]
        if missing:
            raise ArgumentError(f"{self.function} misses {', '.join(missing)}\n  {self}")
        return [given[n] for n in names]

    def _array(self, name: str, x: Tensor, value: Any) -> Array:
        array = as_array(value, name)
        if array.dtype != x.dtype.numpy:
            array = _converted(name, x.dtype, value, array)
        if array.ndim != x.ndim:
            came = TensorType(x.dtype, array.shape)
            raise ArgumentError(f"argument {name!r} is {came}, expected {x.type}")
        for axis, (d, n) in enumerate(zip(x.shape, array.shape, strict=True)):
            if isinstance(d, int) and d != n:
                came = TensorType(x.dtype, array.shape)
                why = f"axis {axis} has length {n}, not {d}"
                raise ArgumentError(f"argument {name!r} is {came}, expected {x.type}: {why}")
        return np.require(array, x.dtype.numpy, ["C", "A"])

    def sizes(self, arrays: Sequence[Array]) -> dict[str, int]:
        """The named sizes, read off the arrays; raises ArgumentError where two disagree."""
        found: dict[str, tuple[int, str, int]] = {}
        compound: list[tuple[str, int, Dim, int]] = []
        for name, x, array in zip(self.names, self.inputs, arrays, strict=True):
            for axis, (d, n) in enumerate(zip(x.shape, array.shape, strict=True)):
                if not isinstance(d, DimExpr):
                    continue
                if str(d) not in sizes(d):
                    compound.append((name, axis, d, n))
                    continue
                size, other, other_axis = found.setdefault(str(d), (n, name, axis))
                if size != n:
                    raise ArgumentError(
                        f"size {d} is {size} in argument {other!r} (axis {other_axis}) "
                        f"but {n} in argument {name!r} (axis {axis})"
                    )
        known = {size: n for size, (n, _, _) in found.items()}
        self._check_lengths(known)
        for name, axis, d, n in compound:
            self._check_compound(name, axis, d, n, known)
        return known

    def _check_lengths(self, known: Mapping[str, int]) -> None:
        for demand in self.lengths:
            if not sizes(demand.number) <= known.keys():
                continue
            number = evaluate(demand.number, known)
            if number < 0:
                given = ", ".join(f"{s} = {known[s]}" for s in sorted(sizes(demand.number)))
                raise ArgumentError(
                    f"{self.function}: {said(demand.what, number)}, as {given}\n"
                    f"  {demand.tensor.describe()}"
                )

    def _check_compound(
        self, name: str, axis: int, d: Dim, n: int, known: Mapping[str, int]
    ) -> None:
        missing = sizes(d) - known.keys()
        if missing:
            raise ArgumentError(
                f"no argument gives the size {sorted(missing)[0]} by itself, "
                f"so axis {axis} of {name!r} ({d}) is unknown"
            )
        wanted = evaluate(d, known)
        if wanted != n:
            raise ArgumentError(
                f"argument {name!r} has length {n} along axis {axis}, expected {d} = {wanted}"
            )


def as_array(value: Any, name: str) -> Array:
    """A NumPy array of anything that is one, offers DLPack or the buffer protocol, or is a number
    or nested list.
    """
    if isinstance(value, Tensor):
        raise ArgumentError(
            f"argument {name!r} is a symbolic tensor, expected an array\n  {value.describe()}"
        )
    if isinstance(value, np.ma.MaskedArray):
        raise ArgumentError(
            f"argument {name!r} is a masked array, expected an array\n"
            "  hint: fill its gaps with .filled(), or pass the mask as an argument of its own"
        )
    if isinstance(value, np.ndarray):
        return np.asarray(value)
    if hasattr(value, "__dlpack__"):
        return _lent(value, name)
    try:
        array = np.asarray(value)
    except ValueError as error:
        reason = str(error).split(". ")[0]
        raise ArgumentError(f"argument {name!r} is no array: {reason}") from None
    if array.dtype.kind in "OSUMm":
        hint = "\n  hint: f(**arguments) takes a dict by names" if isinstance(value, dict) else ""
        text = f"argument {name!r} is no array of numbers: {type(value).__name__}"
        if isinstance(value, (list, tuple)):
            text += f" that holds {next(_strangers(value), None)!r:.40}"
        raise ArgumentError(text + hint)
    return array


def _lent(value: Any, name: str) -> Array:
    """The array that something lends by DLPack."""
    try:
        device = getattr(value, "__dlpack_device__", lambda: (1, 0))()
        if device[0] == 1:
            return np.from_dlpack(value)
    except (BufferError, RuntimeError, ValueError) as error:
        raise ArgumentError(f"argument {name!r} is no array: {error}") from None
    raise ArgumentError(
        f"argument {name!r} lies on another device {device}, expected one in the CPU's memory"
    )


def _strangers(value: Any) -> Iterator[Any]:
    """What is no number in nested lists."""
    if isinstance(value, (list, tuple)):
        for x in value:
            yield from _strangers(x)
    elif not isinstance(value, (bool, int, float, np.generic)):
        yield value


def _converted(name: str, wanted: DType, value: Any, array: Array) -> Array:
    """Python numbers and lists take the declared dtype where their kind allows; an array of another
    dtype is an error.
    """
    if not hasattr(value, "dtype"):
        if array.size == 0 or (array.dtype.kind in "biuf" and wanted.is_float):
            return _rounded(name, wanted, array)
        if array.dtype.kind in "biu" and wanted.is_integer:
            return _fitting(name, wanted, array)
    hint = ""
    try:
        came = as_dtype(array.dtype).name
        if hasattr(value, "astype"):
            hint = f"\n  hint: convert it with .astype({wanted.name!r})"
    except DTypeError:
        came = str(array.dtype)
        if array.dtype.newbyteorder("=") == wanted.numpy:
            came += ", whose bytes are swapped"
            hint = f"\n  hint: convert it with .astype({wanted.name!r})"
    raise ArgumentError(f"argument {name!r} has dtype {came}, expected {wanted.name}{hint}")


def _rounded(name: str, wanted: DType, array: Array) -> Array:
    """Numbers as floats; a finite one that would become infinite is an error."""
    with np.errstate(over="ignore"):
        rounded = array.astype(wanted.numpy)
    if array.dtype.kind == "f":
        wrong = np.isfinite(array) & np.isinf(rounded)
        if wrong.any():
            raise ArgumentError(
                f"argument {name!r} holds {array[wrong][0]}, which {wanted.name} cannot"
            )
    return rounded


def _fitting(name: str, wanted: DType, array: Array) -> Array:
    """Integers in another integer dtype; one that it cannot hold is an error."""
    info = np.iinfo(wanted.numpy)
    wrong = (array < info.min) | (array > info.max)
    if wrong.any():
        raise ArgumentError(
            f"argument {name!r} holds {array[wrong][0]}, which {wanted.name} cannot"
        )
    return array.astype(wanted.numpy)
