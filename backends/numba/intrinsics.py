"""The functions of `meaning` as intrinsics of Numba; importing this module loads Numba.

An intrinsic is made when its name is first asked for, as by
`from graphc.backends.numba.intrinsics import fma`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.numba.builder import ScalarBuilder
from graphc.backends.numba.meaning import MEANINGS, TYPED
from graphc.backends.numba.spelling import stored
from graphc.ir.dtypes import ALL, DType

NUMBA_TYPES = {d: types.boolean if d.kind == "b" else getattr(types, stored(d).name) for d in ALL}
"""What a value of each dtype is in Numba; 16-bit floats are their bits."""

_DTYPES = {t: d for d, t in NUMBA_TYPES.items() if stored(d) is d}

Typed = tuple[Any, Callable[..., Any]]


def __getattr__(name: str) -> Any:
    if name in MEANINGS:
        made = _function(*MEANINGS[name])
    elif name in TYPED:
        made = _conversion(TYPED[name])
    else:
        raise AttributeError(f"no primitive is called {name!r}")
    globals()[name] = made
    return made


def _function(make: Callable[..., Expr], arity: int) -> Any:
    def one(typingctx: Any, x: Any) -> Typed:
        return _typed(make, (x,), ())

    def two(typingctx: Any, x: Any, y: Any) -> Typed:
        return _typed(make, (x, y), ())

    def three(typingctx: Any, x: Any, y: Any, z: Any) -> Typed:
        return _typed(make, (x, y, z), ())

    return intrinsic((one, two, three)[arity - 1])


def _conversion(make: Callable[[Expr, DType], Expr]) -> Any:
    def converted(typingctx: Any, x: Any, dtype: Any) -> Typed:
        return _typed(lambda v: make(v, _DTYPES[dtype.dtype]), (x,), (dtype,))

    return intrinsic(converted)


def _typed(make: Callable[..., Expr], values: tuple[Any, ...], others: tuple[Any, ...]) -> Typed:
    """The signature for operands of these types, and what emits the code."""
    values = tuple(map(_unliteral, values))
    operands = tuple(e.var(f"x{k}", _DTYPES[t]) for k, t in enumerate(values))
    result = make(*operands)
    signature = NUMBA_TYPES[result.dtype](*values, *others)

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        names = dict(zip((v.attr for v in operands), args, strict=False))
        gpu = type(context).__module__.startswith("numba.cuda.")
        return ScalarBuilder(builder, names, gpu).value(result)

    return signature, emit


def _unliteral(type_: Any) -> Any:
    """The type of a literal's value."""
    unliteral: Callable[[Any], Any] = types.unliteral
    return unliteral(type_)
