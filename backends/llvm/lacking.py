"""Arithmetic of floats that a target has no instruction for, with the very same results.

Without these, code generation calls the mathematical library for every lane. Kernels are written
with LLVM's intrinsics; what a target lacks is exchanged for functions of ours, which are inlined.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from graphc.backends.llvm.fused import fused_functions
from graphc.backends.llvm.target import Target
from graphc.backends.llvm.types import every, vector_type

_ROUNDINGS = "floor|ceil|trunc|rint"
_INTEGRAL = {"float": 2.0**23, "double": 2.0**52}
"""From these on every number is whole; added to a smaller one they leave no bit below 1."""


def with_lacking(ir_text: str, target: Target) -> str:
    """The text with functions in place of what the target lacks."""
    if not target.fused:
        ir_text = _exchanged(ir_text, "fma", "f32", lambda _, lanes: fused_functions(lanes))
    if not target.rounds:
        for element, kind in (("float", "f32"), ("double", "f64")):
            ir_text = _exchanged(ir_text, _ROUNDINGS, kind, _rounding_of(element, kind))
    return ir_text


def _exchanged(ir_text: str, names: str, kind: str, define: Callable[[str, int], str]) -> str:
    found = rf"@llvm\.({names})\.(?:v(\d+))?{kind}\("
    called = {(m[1], int(m[2] or 1)) for m in re.finditer(found, ir_text)}
    if not called:
        return ir_text
    ir_text = re.sub(rf"^declare [^@\n]*{found}.*\n?", "", ir_text, flags=re.M)
    ir_text = re.sub(found, rf"@gc.\1.v\2{kind}(", ir_text)
    return "\n".join([ir_text, *(define(name, lanes) for name, lanes in sorted(called))])


def _rounding_of(element: str, kind: str) -> Callable[[str, int], str]:
    def define(name: str, lanes: int) -> str:
        v, suffix = vector_type(element, lanes), f"v{lanes if lanes > 1 else ''}{kind}"
        lines = "".join(f"  {line}\n" for line in _rounding(name, element, lanes))
        return f"define internal {v} @gc.{name}.{suffix}({v} %x) alwaysinline {{\n{lines}}}\n"

    return define


def _rounding(name: str, element: str, lanes: int) -> list[str]:
    """Numbers that may have a fraction are rounded to the nearest, then moved by 1 if that went the
    wrong way; the sign is that of x, of zeros too.
    """
    bits = 32 if element == "float" else 64
    v, i, flags = (vector_type(t, lanes) for t in (element, f"i{bits}", "i1"))
    whole, one = every(element, lanes, _INTEGRAL[element]), every(element, lanes, "1.0")
    top = every(f"i{bits}", lanes, -(1 << (bits - 1)))
    rest = every(f"i{bits}", lanes, (1 << (bits - 1)) - 1)
    moved, chosen = [], "%near"
    if name != "rint":
        moved, chosen = _moved(name, v, i, flags, one), "%chosen"
    return [
        f"%bits = bitcast {v} %x to {i}",
        f"%sign = and {i} %bits, {top}",
        f"%positive = and {i} %bits, {rest}",
        f"%size = bitcast {i} %positive to {v}",
        f"%up = fadd {v} %size, {whole}",
        f"%near = fsub {v} %up, {whole}",
        *moved,
        f"%chosen.bits = bitcast {v} {chosen} to {i}",
        f"%unsigned = and {i} %chosen.bits, {rest}",
        f"%signed = or {i} %unsigned, %sign",
        f"%rounded = bitcast {i} %signed to {v}",
        f"%fraction = fcmp olt {v} %size, {whole}",
        f"%r = select {flags} %fraction, {v} %rounded, {v} %x",
        f"ret {v} %r",
    ]


def _moved(name: str, v: str, i: str, flags: str, one: str) -> list[str]:
    """Lines that give %chosen, whose sign may be wrong."""
    compare, operation = ("olt", "fadd") if name == "ceil" else ("ogt", "fsub")
    nearest, number = "%near", "%size"
    lines: list[str] = []
    if name != "trunc":
        nearest, number = "%nearest", "%x"
        lines += [
            f"%near.bits = bitcast {v} %near to {i}",
            f"%nearest.bits = or {i} %near.bits, %sign",
            f"%nearest = bitcast {i} %nearest.bits to {v}",
        ]
    return [
        *lines,
        f"%beyond = fcmp {compare} {v} {nearest}, {number}",
        f"%moved = {operation} {v} {nearest}, {one}",
        f"%chosen = select {flags} %beyond, {v} %moved, {v} {nearest}",
    ]
