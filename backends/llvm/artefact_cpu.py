"""Whether a CPU has the instructions that an artefact was compiled for, as LLVM IR.

What C calls is compiled for any x86-64 and asks this before it enters code that is not.
Sources: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, CPUID and XGETBV;
AMD64 Architecture Programmer's Manual, volume 3, appendix E.
"""

from __future__ import annotations

from collections.abc import Collection, Set
from types import MappingProxyType

from graphc.backends.llvm import library
from graphc.backends.llvm.target import Target

WRONG_CPU = -5

_PLACES = MappingProxyType({
    (1, 0, 2): {
        "sse3": 0, "pclmul": 1, "ssse3": 9, "fma": 12, "cx16": 13, "sse4.1": 19, "sse4.2": 20,
        "movbe": 22, "popcnt": 23, "aes": 25, "xsave": 27, "avx": 28, "f16c": 29,
    },
    (7, 0, 1): {
        "bmi": 3, "avx2": 5, "bmi2": 8, "avx512f": 16, "avx512dq": 17, "adx": 19,
        "avx512ifma": 21, "avx512cd": 28, "sha": 29, "avx512bw": 30, "avx512vl": 31,
    },
    (7, 0, 2): {
        "avx512vbmi": 1, "avx512vbmi2": 6, "gfni": 8, "vaes": 9, "vpclmulqdq": 10,
        "avx512vnni": 11, "avx512bitalg": 12, "avx512vpopcntdq": 14,
    },
    (7, 0, 3): {
        "avx512vp2intersect": 8, "amx-bf16": 22, "avx512fp16": 23, "amx-tile": 24, "amx-int8": 25,
    },
    (7, 1, 0): {"avxvnni": 4, "avx512bf16": 5, "avxifma": 23},
    (0x80000001, 0, 2): {"lzcnt": 5, "sse4a": 6, "xop": 11, "fma4": 16, "tbm": 21},
})  # fmt: skip
"""The bit of a feature, by LLVM's name, in a register (eax, ebx, ecx, edx) of a leaf of CPUID."""

_SECOND = frozenset({"cx16", "popcnt", "sse3", "ssse3", "sse4.1", "sse4.2"})
_THIRD = _SECOND | {"avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe", "xsave"}
_FOURTH = _THIRD | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}
_FEATURES = MappingProxyType({"x86-64-v2": _SECOND, "x86-64-v3": _THIRD, "x86-64-v4": _FOURTH})
#: Registers that the system must save: those of AVX, and those of AVX-512.
_WIDE, _WIDEST = 0x06, 0xE6


def any_cpu(target: Target) -> str:
    """The attributes of a function that runs on every CPU of the architecture."""
    return '"target-cpu"="x86-64" "target-features"=""' if _is_x86(target) else ""


def needed_features(target: Target) -> Set[str]:
    """What code for the target may use, as far as CPUID has to say it."""
    if not _is_x86(target):
        return frozenset()
    named = {word[1:] for word in target.features.split(",") if word.startswith("+")}
    known = {name for bits in _PLACES.values() for name in bits}
    return (named & known) | _FEATURES.get(target.cpu, frozenset())


def _is_x86(target: Target) -> bool:
    return target.architecture.name == "x86_64"


def cpu_ir(name: str, target: Target) -> str:
    """`int NAME_check(void)`: 0, or `WRONG_CPU`. It is asked of the CPU once.

    On machines of another architecture than the target's, LLVM has no assembler for it: libraries
    that are made there do not ask.
    """
    here = library.text("GetProcessTriple").split("-")[0] == target.triple.split("-")[0]
    needed = needed_features(target) if here else ()
    head = f"define i32 @{name}_check() nounwind {any_cpu(target)} {{"
    if not needed:
        return f"{head}\n  ret i32 0\n}}\n"
    text = _CHECK.replace("HEAD", head).replace("ANY_CPU", any_cpu(target))
    wide = any(feature.startswith(("avx", "amx", "fma", "f16c", "xop")) for feature in needed)
    widest = any(feature.startswith("avx512") for feature in needed)
    saved = _WIDEST if widest else _WIDE if wide else 0
    return text.replace("LOOK", "\n".join(_look(needed, saved))).replace("CODE", str(WRONG_CPU))


def _look(needed: Collection[str], saved: int) -> list[str]:
    """Lines that give %fits."""
    lines, good = [], []
    for k, ((leaf, part, register), bits) in enumerate(_PLACES.items()):
        mask = sum(1 << bit for feature, bit in bits.items() if feature in needed)
        if mask:
            call = f"call i32 @gc_cpuid(i32 {leaf}, i32 {part}, i32 {register})"
            lines += [f"  %r{k} = {call}", *_has(f"%r{k}", mask, f"k{k}")]
            good.append(f"%good.k{k}")
    if saved:
        lines += ["  %saved = call i32 @gc_saved()", *_has("%saved", saved, "saved")]
        good.append("%good.saved")
    total = "true"
    for k, one in enumerate(good):
        lines.append(f"  %all{k} = and i1 {total}, {one}")
        total = f"%all{k}"
    return [*lines, f"  %fits = and i1 {total}, true"]


def _has(value: str, mask: int, name: str) -> list[str]:
    return [
        f"  %masked.{name} = and i32 {value}, {mask}",
        f"  %good.{name} = icmp eq i32 %masked.{name}, {mask}",
    ]


_CHECK = """
@gc_cpu = internal global i32 1  ; 1: not known yet

HEAD
  %known = load atomic i32, ptr @gc_cpu monotonic, align 4
  %new = icmp eq i32 %known, 1
  br i1 %new, label %look, label %done
done:
  ret i32 %known
look:
LOOK
  %code = select i1 %fits, i32 0, i32 CODE
  store atomic i32 %code, ptr @gc_cpu monotonic, align 4
  ret i32 %code
}

; A register of a leaf; 0 where the CPU does not know the leaf.
define internal i32 @gc_cpuid(i32 %leaf, i32 %part, i32 %register) nounwind noinline ANY_CPU {
  %base = and i32 %leaf, -2147483648
  %bounds = call { i32, i32, i32, i32 } asm sideeffect "cpuid",
      "={ax},={bx},={cx},={dx},{ax},{cx},~{dirflag},~{fpsr},~{flags}"(i32 %base, i32 0)
  %most = extractvalue { i32, i32, i32, i32 } %bounds, 0
  %known = icmp ule i32 %leaf, %most
  br i1 %known, label %read, label %none
none:
  ret i32 0
read:
  %all = call { i32, i32, i32, i32 } asm sideeffect "cpuid",
      "={ax},={bx},={cx},={dx},{ax},{cx},~{dirflag},~{fpsr},~{flags}"(i32 %leaf, i32 %part)
  %a = extractvalue { i32, i32, i32, i32 } %all, 0
  %b = extractvalue { i32, i32, i32, i32 } %all, 1
  %c = extractvalue { i32, i32, i32, i32 } %all, 2
  %d = extractvalue { i32, i32, i32, i32 } %all, 3
  %first = icmp eq i32 %register, 0
  %second = icmp eq i32 %register, 1
  %third = icmp eq i32 %register, 2
  %cd = select i1 %third, i32 %c, i32 %d
  %bcd = select i1 %second, i32 %b, i32 %cd
  %abcd = select i1 %first, i32 %a, i32 %bcd
  ret i32 %abcd
}

; Which registers the system saves (XCR0), 0 where it does not say.
define internal i32 @gc_saved() nounwind noinline ANY_CPU {
  %features = call i32 @gc_cpuid(i32 1, i32 0, i32 2)
  %bit = and i32 %features, 134217728
  %told = icmp ne i32 %bit, 0
  br i1 %told, label %read, label %none
none:
  ret i32 0
read:
  %pair = call { i32, i32 } asm sideeffect ".byte 0x0f, 0x01, 0xd0",
      "={ax},={dx},{cx},~{dirflag},~{fpsr},~{flags}"(i32 0)
  %low = extractvalue { i32, i32 } %pair, 0
  ret i32 %low
}
"""
