"""float32 multiply-add, rounded once, by arithmetic in double precision: as LLVM IR.

A product of two float32 is exact there, and the sum has 29 bits more than float32. Rounding it
again gives what rounding once gives unless the sum is in the middle between two float32: the first
of these bits is set and no other, or the result is subnormal. Such sums are rare; they are done
again with the last bit of the first rounding made odd wherever it lost anything, which tells the
second one all that it must know (Boldo and Melquiond, Emulation of a FMA and correctly rounded
sums: proved algorithms using rounding to odd, 2008).
"""

from __future__ import annotations

from graphc.backends.llvm.types import every, vector_type

_SIGN = 1 << 31
_LEAST_NORMAL = 0x38100000
"""The upper word of 2^-126 in double precision."""


def fused_functions(lanes: int) -> str:
    """`@gc.fma.vNf32(x, y, z)`, for vectors of N, and what it calls."""
    suffix = f"v{lanes if lanes > 1 else ''}f32"
    v = vector_type("float", lanes)
    return _text(
        f"define internal {v} @gc.fma.{suffix}({v} %x, {v} %y, {v} %z) alwaysinline nounwind",
        [
            f"%slot = alloca [3 x {v}], align {max(16, 4 * lanes)}",
            *_sum(lanes),
            f"%usual = fptrunc {vector_type('double', lanes)} %s to {v}",
            *_doubtful(lanes),
            "br i1 %rare, label %again, label %done",
            "again:",
            *(f"%{x}.at = getelementptr {v}, ptr %slot, i32 {k}" for k, x in enumerate("xyz")),
            *(f"store {v} %{x}, ptr %{x}.at" for x in "xyz"),
            f"call coldcc void @gc.odd.{suffix}(ptr %slot)",
            f"%exact = load {v}, ptr %slot",
            "br label %done",
            "done:",
            f"%r = phi {v} [ %usual, %entry ], [ %exact, %again ]",
            f"ret {v} %r",
        ],
    ) + _text(
        f"define internal coldcc void @gc.odd.{suffix}(ptr %slot) noinline cold nounwind",
        [
            *(f"%{x}.at = getelementptr {v}, ptr %slot, i32 {k}" for k, x in enumerate("xyz")),
            *(f"%{x} = load {v}, ptr %{x}.at" for x in "xyz"),
            *_sum(lanes),
            *_odd(lanes),
            f"store {v} %r, ptr %slot",
            "ret void",
        ],
    )


def _text(head: str, lines: list[str]) -> str:
    body = "".join(line + "\n" if line.endswith(":") else f"  {line}\n" for line in lines)
    return f"{head} {{\nentry:\n{body}}}\n"


def _sum(lanes: int) -> list[str]:
    """The product and the sum in double precision."""
    v, d = vector_type("float", lanes), vector_type("double", lanes)
    return [
        *(f"%{x}.d = fpext {v} %{x} to {d}" for x in "xyz"),
        f"%p = fmul {d} %x.d, %y.d",
        f"%s = fadd {d} %p, %z.d",
    ]


def _doubtful(lanes: int) -> list[str]:
    """Whether any of the sums may be in the middle between two float32. Of sizes below the least
    normal number, 0 is exact: subtracting 1 makes it the largest.
    """
    d, i, flags = (vector_type(t, lanes) for t in ("double", "i32", "i1"))
    words, most = f"<{2 * lanes} x i32>", _SIGN - 1
    lines = [f"%words = bitcast {d} %s to {words}"]
    for name, first in (("low", 0), ("high", 1)):
        chosen = ", ".join(f"i32 {2 * k + first}" for k in range(lanes))
        how = f"shufflevector {words} %words, {words} poison, <{lanes} x i32> <{chosen}>"
        if lanes == 1:
            how = f"extractelement {words} %words, i32 {first}"
        lines.append(f"%{name} = {how}")
    lines += [
        f"%tail = and {i} %low, {every('i32', lanes, (1 << 29) - 1)}",
        f"%middle = icmp eq {i} %tail, {every('i32', lanes, 1 << 28)}",
        f"%size = and {i} %high, {every('i32', lanes, most)}",
        f"%less = add {i} %size, {every('i32', lanes, most)}",
        f"%small = icmp slt {i} %less, {every('i32', lanes, _LEAST_NORMAL + most - 2 * _SIGN)}",
        f"%doubtful = or {flags} %middle, %small",
    ]
    if lanes == 1:
        return [*lines, "%rare = or i1 %doubtful, false"]
    return [
        *lines,
        f"%flags = bitcast {flags} %doubtful to i{lanes}",
        f"%rare = icmp ne i{lanes} %flags, 0",
    ]


def _odd(lanes: int) -> list[str]:
    """%r from the sum rounded to an odd last bit. `lost` is what it lost (Knuth's TwoSum); by the
    signs of both the true value is larger or smaller than the sum.
    """
    v, d, i = (vector_type(t, lanes) for t in ("float", "double", "i64"))
    flags, zero = vector_type("i1", lanes), every("double", lanes, "0.0")
    return [
        f"%z.of = fsub {d} %s, %p",
        f"%p.of = fsub {d} %s, %z.of",
        f"%p.lost = fsub {d} %p, %p.of",
        f"%z.lost = fsub {d} %z.d, %z.of",
        f"%lost = fadd {d} %p.lost, %z.lost",
        f"%side = fmul {d} %lost, %s",
        f"%smaller = fcmp olt {d} %side, {zero}",
        f"%inexact = fcmp one {d} %side, {zero}",
        f"%step = sext {flags} %smaller to {i}",
        f"%last = zext {flags} %inexact to {i}",
        f"%bits = bitcast {d} %s to {i}",
        f"%below = add {i} %bits, %step",
        f"%odd = or {i} %below, %last",
        f"%told = bitcast {i} %odd to {d}",
        f"%r = fptrunc {d} %told to {v}",
    ]
