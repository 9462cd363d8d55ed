"""The functions of `graphc.backends.numba.meaning` on NumPy scalars, for CUDA's simulator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.backends.cuda.scalars import evaluate
from graphc.backends.loops import expr as e
from graphc.backends.numba.meaning import MEANINGS, TYPED
from graphc.ir.dtypes import DType, as_dtype, bool_, int64


def __getattr__(name: str) -> Callable[..., Any]:
    if name in MEANINGS:
        return _function(MEANINGS[name][0])
    if name in TYPED:
        return _conversion(TYPED[name])
    raise AttributeError(f"no primitive is called {name!r}")


def _function(make: Callable[..., e.Expr]) -> Callable[..., Any]:
    known: dict[tuple[DType, ...], e.Expr] = {}

    def function(*operands: Any) -> Any:
        dtypes = tuple(map(_dtype, operands))
        if dtypes not in known:
            known[dtypes] = make(*(e.var(f"x{k}", d) for k, d in enumerate(dtypes)))
        values = {
            f"x{k}": d.numpy.type(v) for k, (d, v) in enumerate(zip(dtypes, operands, strict=True))
        }
        return evaluate(known[dtypes], values)

    return function


def _conversion(make: Callable[[e.Expr, DType], e.Expr]) -> Callable[..., Any]:
    def converted(value: Any, dtype: Any) -> Any:
        have = _dtype(value)
        return evaluate(make(e.var("x", have), as_dtype(dtype)), {"x": have.numpy.type(value)})

    return converted


def _dtype(value: Any) -> DType:
    """The dtype of a scalar; Python's own are those of indices and conditions."""
    if isinstance(value, np.generic):
        return as_dtype(value.dtype)
    return bool_ if isinstance(value, bool) else int64
