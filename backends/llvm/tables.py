"""Look-ups in tables of sixteen float32, and products with powers of two, as each target does them.

Kernels call `@gc.lookup.vN(sums, table)` and `@gc.scale.vN(x, n)`, for vectors of N, and with two
bounds `@gc.argument.vN(x, low, high)`, `@gc.remainder.vN(x, low, high)` and `@gc.rest.vN(x, low,
high)`; what a module calls is added to it when its target is known, and inlined.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from graphc.backends.llvm.target import Target
from graphc.backends.llvm.types import every, vector_type

_CALLED = re.compile(r"@gc\.(lookup|scale|argument|remainder|rest)\.v(\d+)\(")
_TABLE = "<16 x float>"


def table_functions(ir_text: str, target: Target) -> str:
    """The definitions that the text lacks."""
    called = sorted({(name, int(lanes)) for name, lanes in _CALLED.findall(ir_text)})
    kind = target.architecture.name
    width = target.vector_bits if kind == "x86_64" else 128
    lines = "".join(_function(name, lanes, width, kind) for name, lanes in called).splitlines(True)
    return "".join(x for x in lines if not (x.startswith("declare") and x in ir_text))


def _function(name: str, lanes: int, width: int, kind: str) -> str:
    wide = width == 512 and lanes in (4, 8, 16)
    if name == "argument":
        if (lanes, kind) == (4, "aarch64"):
            return _bounded_at_once(lanes)
        return _same(name, lanes) if wide else _bounded(lanes)
    if name == "remainder":
        return _range(lanes) if wide else _same(name, lanes)
    if name == "rest":
        return _below_two(lanes) if wide else _same(name, lanes)
    if name == "scale":
        return _scale_at_once(lanes) if wide else _scale(lanes)
    if (lanes, width) in ((16, 512), (8, 512), (8, 256)):
        return _permutation(lanes, width)
    return _bytes() if (lanes, kind) == (4, "aarch64") else _loads(lanes)


def _define(head: str, lines: Sequence[str], *declared: str) -> str:
    body = "".join(f"  {line}\n" for line in lines)
    return (
        "".join(f"{d}\n" for d in declared) + f"define internal {head} alwaysinline {{\n{body}}}\n"
    )


def _same(name: str, lanes: int) -> str:
    v = vector_type("float", lanes)
    return _define(f"{v} @gc.{name}.v{lanes}({v} %x, {v} %low, {v} %high)", [f"ret {v} %x"])


def _bounded(lanes: int) -> str:
    """NaN compares with nothing, and stays."""
    v, flags = vector_type("float", lanes), vector_type("i1", lanes)
    return _define(
        f"{v} @gc.argument.v{lanes}({v} %x, {v} %low, {v} %high)",
        [
            f"%above = fcmp olt {v} %high, %x",
            f"%most = select {flags} %above, {v} %high, {v} %x",
            f"%below = fcmp ogt {v} %low, %most",
            f"%r = select {flags} %below, {v} %low, {v} %most",
            f"ret {v} %r",
        ],
    )


def _bounded_at_once(lanes: int) -> str:
    """Of a number and NaN, NaN."""
    v, kind = vector_type("float", lanes), f"v{lanes}f32"
    names = [f"@llvm.{name}.{kind}" for name in ("minimum", "maximum")]
    return _define(
        f"{v} @gc.argument.v{lanes}({v} %x, {v} %low, {v} %high)",
        [
            f"%most = call {v} {names[0]}({v} %x, {v} %high)",
            f"%r = call {v} {names[1]}({v} %most, {v} %low)",
            f"ret {v} %r",
        ],
        *(f"declare {v} {name}({v}, {v})" for name in names),
    )


def _range(lanes: int) -> str:
    """The sign of the first operand with the smaller size; of NaN and a number, the number."""
    v, flags = vector_type("float", lanes), f"i{max(8, lanes)}"
    name = f"@llvm.x86.avx512.mask.range.ps.{32 * lanes}"
    last, mode = (", i32", ", i32 4") if lanes == 16 else ("", "")
    types = f"{v}, {v}, i32, {v}, {flags}{last}"
    values = f"{v} %x, {v} %high, i32 2, {v} zeroinitializer, {flags} -1{mode}"
    return _define(
        f"{v} @gc.remainder.v{lanes}({v} %x, {v} %low, {v} %high)",
        [f"%r = call {v} {name}({values})", f"ret {v} %r"],
        f"declare {v} {name}({types})",
    )


def _below_two(lanes: int) -> str:
    """Anything below 2 as it is, all else as something below 2: without the exponent's first bit,
    which any unit takes away.
    """
    v, i = vector_type("float", lanes), vector_type("i32", lanes)
    return _define(
        f"{v} @gc.rest.v{lanes}({v} %x, {v} %low, {v} %high)",
        [
            f"%bits = bitcast {v} %x to {i}",
            f"%small = and {i} %bits, {every('i32', lanes, ~(1 << 30))}",
            f"%r = bitcast {i} %small to {v}",
            f"ret {v} %r",
        ],
    )


def _scale_at_once(lanes: int) -> str:
    v, flags = vector_type("float", lanes), f"i{max(8, lanes)}"
    name = f"@llvm.x86.avx512.mask.scalef.ps.{32 * lanes}"
    last, mode = ("i32", "i32 4") if lanes == 16 else ("", "")
    types = ", ".join(filter(None, (v, v, v, flags, last)))
    values = ", ".join(
        filter(None, (f"{v} %x", f"{v} %n", f"{v} zeroinitializer", f"{flags} -1", mode))
    )
    return _define(
        f"{v} @gc.scale.v{lanes}({v} %x, {v} %n)",
        [f"%r = call {v} {name}({values})", f"ret {v} %r"],
        f"declare {v} {name}({types})",
    )  # fmt: skip


def _scale(lanes: int) -> str:
    """x 2^a 2^b with a + b = floor(n), of which a is half: the first product is exact.

    1.5 2^19 + 254 leaves the sixteenths of n + 2 bias in the low bits.
    """
    v, i = vector_type("float", lanes), vector_type("i32", lanes)
    exponent, rounder = every("i32", lanes, -(1 << 23)), every("float", lanes, 786686.0)
    return _define(
        f"{v} @gc.scale.v{lanes}({v} %x, {v} %n)",
        [
            f"%sums = fadd {v} %n, {rounder}",
            f"%bits = bitcast {v} %sums to {i}",
            f"%half = shl {i} %bits, {every('i32', lanes, 18)}",
            f"%a = and {i} %half, {exponent}",
            f"%whole = shl {i} %bits, {every('i32', lanes, 19)}",
            f"%both = and {i} %whole, {exponent}",
            f"%b = sub {i} %both, %a",
            f"%first = bitcast {i} %a to {v}",
            f"%second = bitcast {i} %b to {v}",
            f"%product = fmul {v} %x, %first",
            f"%r = fmul {v} %product, %second",
            f"ret {v} %r",
        ],
    )


def _permutation(lanes: int, width: int) -> str:
    v, i = f"<{lanes} x float>", f"<{lanes} x i32>"
    head = f"{v} @gc.lookup.v{lanes}({v} %sums, ptr %table)"
    lines = [f"%k = bitcast {v} %sums to {i}"]
    if lanes == 16:
        name, types = "@llvm.x86.avx512.permvar.sf.512", f"{_TABLE}, {i}"
        lines += [f"%all = load {_TABLE}, ptr %table, align 64"]
        lines += [f"%r = call {v} {name}({_TABLE} %all, {i} %k)", f"ret {v} %r"]
        return _define(head, lines, f"declare {v} {name}({types})")
    lines += [
        "%upper = getelementptr i8, ptr %table, i64 32",
        f"%a = load {v}, ptr %table, align 32",
        f"%b = load {v}, ptr %upper, align 32",
    ]
    if width == 512:
        name, types = "@llvm.x86.avx512.vpermi2var.ps.256", f"{v}, {i}, {v}"
        lines += [f"%r = call {v} {name}({v} %a, {i} %k, {v} %b)", f"ret {v} %r"]
        return _define(head, lines, f"declare {v} {name}({types})")
    name = "@llvm.x86.avx2.permps"
    lines += [
        f"%low = call {v} {name}({v} %a, {i} %k)",
        f"%high = call {v} {name}({v} %b, {i} %k)",
        f"%bit = shl {i} %k, splat (i32 28)",
        f"%in.upper = icmp slt {i} %bit, zeroinitializer",
        f"%r = select <8 x i1> %in.upper, {v} %high, {v} %low",
        f"ret {v} %r",
    ]
    return _define(head, lines, f"declare {v} {name}({v}, {i})")


def _bytes() -> str:
    """The table's 64 bytes are in four registers: of number k those from 4 k on."""
    part, all_parts = "<16 x i8>", ", ".join(f"<16 x i8> %t{k}" for k in range(4))
    lines = [
        "%bits = bitcast <4 x float> %sums to <4 x i32>",
        "%k = and <4 x i32> %bits, splat (i32 15)",
        f"%fours = mul <4 x i32> %k, splat (i32 {0x04040404})",
        f"%at = add <4 x i32> %fours, splat (i32 {0x03020100})",
        f"%which = bitcast <4 x i32> %at to {part}",
    ]
    for k in range(4):
        lines += [
            f"%p{k} = getelementptr i8, ptr %table, i64 {16 * k}",
            f"%t{k} = load {part}, ptr %p{k}, align 16",
        ]
    name = f"{part} @llvm.aarch64.neon.tbl4.v16i8"
    lines += [
        f"%found = call {name}({all_parts}, {part} %which)",
        f"%r = bitcast {part} %found to <4 x float>",
        "ret <4 x float> %r",
    ]
    declared = f"declare {name}({', '.join([part] * 5)})"
    return _define("<4 x float> @gc.lookup.v4(<4 x float> %sums, ptr %table)", lines, declared)


def _loads(lanes: int) -> str:
    v, i = vector_type("float", lanes), vector_type("i32", lanes)
    lines = [
        f"%bits = bitcast {v} %sums to {i}",
        f"%k = and {i} %bits, {every('i32', lanes, 15)}",
    ]
    result = "poison"
    for lane in range(lanes):
        index = "%k"
        if lanes > 1:
            index = f"%k{lane}"
            lines.append(f"{index} = extractelement {i} %k, i64 {lane}")
        lines += [
            f"%at{lane} = getelementptr float, ptr %table, i32 {index}",
            f"%t{lane} = load float, ptr %at{lane}, align 4",
        ]
        if lanes > 1:
            lines.append(f"%r{lane} = insertelement {v} {result}, float %t{lane}, i64 {lane}")
            result = f"%r{lane}"
        else:
            result = "%t0"
    head = f"{v} @gc.lookup.v{lanes}({v} %sums, ptr %table)"
    return _define(head, [*lines, f"ret {v} {result}"])
