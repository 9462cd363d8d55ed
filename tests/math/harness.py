"""Compiles math functions over arrays with the LLVM backend, and measures errors in ulps."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import mpmath
import numpy as np

from graphc.backends.llvm.engine import compile_object, named_target
from graphc.backends.llvm.jit import Library, load_object
from graphc.backends.llvm.types import type_of
from graphc.backends.llvm.values import Values
from graphc.backends.loops.expr import Expr, math, var
from graphc.backends.math import expand
from graphc.ir.dtypes import DType, float32, float64

LANES = {float32: 16, float64: 8}
BINARY = ("pow", "atan2", "hypot")


def nodes(root: Expr, rare: bool = True) -> Iterator[Expr]:
    """Every node under root once; without `rare`, not what only the rare side of a select needs."""
    seen: set[int] = set()
    stack = [root]
    while stack:
        node = stack.pop()
        if id(node) not in seen:
            seen.add(id(node))
            yield node
            keep = rare or node.op != "select" or node.attr != "rarely"
            stack.extend(node.args if keep else (node.args[0], node.args[2]))


def operations(root: Expr) -> int:
    """How many instructions the expression usually takes."""
    free = ("const", "var", "broadcast", "bitcast")
    return sum(node.op not in free for node in nodes(root, rare=False))


def expansion(name: str, dtype: DType, lanes: int = 1, tables: bool = True) -> Expr:
    """The primitives of a math function of x0, x1."""
    inputs = 2 if name in BINARY else 1
    return expand(math(name, *(var(f"x{i}", dtype, lanes) for i in range(inputs))), tables)


def module_text(root: Expr, inputs: int) -> str:
    """A module with `run(out, x0, ..., blocks)`: a block is one vector of the expression."""
    values, vector = Values(), type_of(root)
    align = f"align {root.dtype.bytes}"
    for i in range(inputs):
        where = values.assign(f"getelementptr {vector}, ptr %p{i}, i64 %i")
        values.names[0][f"x{i}"] = values.assign(f"load {vector}, ptr {where}, {align}")
    result = values.value(root)
    where = values.assign(f"getelementptr {vector}, ptr %out, i64 %i")
    values.emit(f"store {vector} {result}, ptr {where}, {align}")
    params = ", ".join(["ptr noalias %out", *(f"ptr %p{i}" for i in range(inputs)), "i64 %n"])
    head = [
        f"define void @run({params}) {{",
        "entry:", "  br label %loop",
        "loop:", "  %i = phi i64 [ 0, %entry ], [ %next, %latch ]",
    ]  # fmt: skip
    tail = [
        "  br label %latch",
        "latch:", "  %next = add i64 %i, 1", "  %more = icmp slt i64 %next, %n",
        "  br i1 %more, label %loop, label %end",
        "end:", "  ret void", "}",
    ]  # fmt: skip
    return "\n".join([*values.declarations, *head, *values.lines, *tail]) + "\n"


_libraries: list[Library] = []


def compile_expression(root: Expr, inputs: int, target: str = "host") -> Callable[..., Any]:
    """A function of contiguous arrays of the expression's dtype, of any length."""
    library = load_object(compile_object(module_text(root, inputs), named_target(target)), {})
    _libraries.append(library)
    signature = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * (1 + inputs), ctypes.c_int64)
    native, lanes = signature(library.address("run")), root.lanes

    def run(*arrays: Any) -> Any:
        size = arrays[0].size
        blocks = -(-size // lanes)
        padded = [np.resize(a, blocks * lanes) if size % lanes else a for a in arrays]
        out = np.empty(blocks * lanes, root.dtype.numpy)
        if blocks:
            native(out.ctypes.data, *(a.ctypes.data for a in padded), blocks)
        return out[:size]

    return run


@cache
def compiled(
    name: str, dtype: DType, lanes: int = 0, target: str = "host", tables: bool = True
) -> Callable[..., Any]:
    """The math function `name` over arrays."""
    root = expansion(name, dtype, lanes or LANES[dtype], tables)
    return compile_expression(root, 2 if name in BINARY else 1, target)


def ulps32(result: Any, exact: Any) -> Any:
    """Errors of float32 results in units of their last place; infinite for a wrong sign or kind.

    `exact` is in float64, whose own error is some 1e-8 of such a unit.
    """
    exponent = np.clip((exact.view(np.int64) >> 52) & 2047, 1023 - 126, 1023 + 127)
    scale = ((2046 + 23 - exponent) << 52).view(np.float64)
    largest = float(np.finfo(np.float32).max)
    with np.errstate(all="ignore"):
        error = np.abs(result.astype(np.float64) - np.clip(exact, -largest, largest)) * scale
        right = (result == exact.astype(np.float32)) & np.isinf(result)
        error[right | (np.isnan(result) & np.isnan(exact))] = 0
        wrong = (np.signbit(result) != np.signbit(exact)) & ~np.isnan(exact)
    error[wrong | np.isnan(error)] = np.inf
    return error


def ulps64(result: float, exact: Any) -> float:
    """The error of a float64 result in units of its last place, of an exact value from mpmath."""
    if mpmath.isnan(exact) or np.isnan(result):
        return 0.0 if mpmath.isnan(exact) and np.isnan(result) else np.inf
    if mpmath.isinf(exact) or abs(exact) >= mpmath.mpf(2) ** 1024:
        return 0.0 if np.isinf(result) and (result > 0) == (exact > 0) else np.inf
    if np.isinf(result):
        return np.inf
    exponent = mpmath.frexp(exact)[1] if exact else -1074
    unit = mpmath.ldexp(mpmath.mpf(1), max(exponent - 53, -1074))
    return float(abs(mpmath.mpf(float(result)) - exact) / unit)
