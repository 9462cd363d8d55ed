"""Evaluates scalar expressions of the loop IR with NumPy's scalars: exact, slow, for simulation."""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from graphc.backends.loops.casts import expand_cast
from graphc.backends.loops.expr import Expr
from graphc.backends.math import expand
from graphc.ir.dtypes import DType, float32, int64

_ORDER: Mapping[str, Callable[..., Any]] = {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}
_PLAIN: Mapping[str, Callable[..., Any]] = {
    **_ORDER,
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "not": np.invert,
    "shl": np.left_shift,
    "shr": np.right_shift,
    "abs": np.absolute,
    "neg": np.negative,
    "sqrt": np.sqrt,
    "floor": np.floor,
    "ceil": np.ceil,
    "trunc": np.trunc,
    "rint": np.rint,
}
_BOOLEAN = {"add": np.logical_xor, "sub": np.logical_xor, "mul": np.logical_and}


def evaluate(x: Expr, values: Mapping[str, Any]) -> Any:
    """The NumPy scalar that x is, given those of its variables."""
    with np.errstate(all="ignore"):
        return _Evaluation(values).value(x)


class _Evaluation:
    def __init__(self, values: Mapping[str, Any]):
        self.values = values
        self._memo: dict[Expr, Any] = {}

    def value(self, x: Expr) -> Any:
        found = self._memo.get(x)
        if found is None:
            found = self._memo[x] = x.dtype.numpy.type(self._make(x))
        return found

    def _make(self, x: Expr) -> Any:
        if x.op == "const":
            return _wrapped(x.attr, x.dtype) if x.dtype.is_integer else x.attr
        if x.op == "var":
            return self.values[x.attr]
        if x.op == "math":
            return self.value(expand(x))
        if x.op == "cast":
            return self._cast(x)
        operands = [self.value(a) for a in x.args]
        if x.dtype.kind == "b" and x.op in _BOOLEAN:
            return _BOOLEAN[x.op](*operands)
        if x.op in _PLAIN:
            return _PLAIN[x.op](*operands)
        rule: Callable[..., Any] = getattr(self, f"_{x.op}")
        return rule(x.dtype, *operands)

    def _cast(self, x: Expr) -> Any:
        simpler = expand_cast(x)
        if simpler is not None:
            return self.value(simpler)
        (a,) = x.args
        value = self.value(a)
        if a.dtype.is_float and x.dtype.is_integer:
            return _integer(float(value), x.dtype)
        return value.astype(x.dtype.numpy)

    def _bitcast(self, dtype: DType, a: Any) -> Any:
        return np.asarray(a).view(dtype.numpy)[()]

    def _select(self, dtype: DType, condition: Any, a: Any, b: Any) -> Any:
        return a if condition else b

    def _min(self, dtype: DType, a: Any, b: Any) -> Any:
        return a if a < b or a != a else b

    def _max(self, dtype: DType, a: Any, b: Any) -> Any:
        return a if a > b or a != a else b

    def _div(self, dtype: DType, a: Any, b: Any) -> Any:
        if dtype.is_float:
            return a / b
        quotient = abs(int(a)) // abs(int(b))
        return _wrapped(quotient if (a < 0) == (b < 0) else -quotient, dtype)

    def _rem(self, dtype: DType, a: Any, b: Any) -> Any:
        size = abs(int(a)) % abs(int(b))
        return _wrapped(-size if a < 0 else size, dtype)

    def _mulhi(self, dtype: DType, a: Any, b: Any) -> Any:
        return (int(a) * int(b)) >> dtype.bits

    def _fma(self, dtype: DType, a: Any, b: Any, c: Any) -> Any:
        if dtype is float32:
            return _libm().fmaf(float(a), float(b), float(c))
        return _libm().fma(float(a), float(b), float(c))


@functools.cache
def _libm() -> Any:
    """The C library's functions; those of fma round once."""
    library = ctypes.CDLL(ctypes.util.find_library("m"))
    library.fma.argtypes, library.fma.restype = [ctypes.c_double] * 3, ctypes.c_double
    library.fmaf.argtypes, library.fmaf.restype = [ctypes.c_float] * 3, ctypes.c_float
    return library


def _wrapped(value: int, dtype: DType) -> Any:
    """The integer modulo two to the number of bits."""
    mask = (1 << dtype.bits) - 1
    unsigned = np.asarray(value & mask, f"uint{dtype.bits}")
    return unsigned.view(dtype.numpy)[()]


def _integer(value: float, dtype: DType) -> Any:
    """A float towards zero, stopped at the ends of a wide type; narrow types wrap around."""
    wide = dtype if dtype.bits >= 32 else int64
    if value != value:
        return 0
    ends = np.iinfo(wide.numpy)
    bounded = min(max(value, float(ends.min)), float(ends.max))
    return _wrapped(min(max(int(bounded), int(ends.min)), int(ends.max)), dtype)
