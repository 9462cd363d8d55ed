"""Our own linker: the same names, values and errors as LLVM's, and memory with no spare rights."""

from __future__ import annotations

import ctypes
import gc
import platform
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from graphc.backends.llvm import elf, engine, jit, loading

pytestmark = pytest.mark.skipif(
    platform.machine() != "x86_64" or platform.system() != "Linux",
    reason="links ELF objects for x86-64",
)

EVERYTHING = """
declare i64 @elsewhere(i64)
declare double @cos(double)
@offset = global i64 7
@zeros = global [1000 x i64] zeroinitializer
@inside = internal global i64 3
@pointer = global ptr @inside
@far = external global i64
define i64 @f(i64 %x) {
  %y = call i64 @elsewhere(i64 %x)
  %o = load i64, ptr @offset
  %i = load i64, ptr @inside
  %u = load i64, ptr @far
  %a = add i64 %y, %o
  %b = add i64 %a, %i
  %c = add i64 %b, %u
  ret i64 %c
}
define double @g(double %x) {
  %y = call double @cos(double %x)
  %z = fadd double %y, 1.5
  ret double %z
}
define ptr @which(i64 %x) {
  switch i64 %x, label %other [ i64 0, label %a  i64 1, label %b  i64 2, label %c  i64 3, label %d ]
a:
  ret ptr @offset
b:
  ret ptr @inside
c:
  ret ptr @f
d:
  ret ptr @cos
other:
  ret ptr null
}
"""


def integer_function(address: int) -> Callable[[int], int]:
    return ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(address)


@ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)
def double_it(x: int) -> int:
    return 2 * x


FAR = ctypes.c_int64(1000)
OUTSIDE = {
    "elsewhere": ctypes.cast(double_it, ctypes.c_void_p).value or 0,
    "far": ctypes.addressof(FAR),
}


@pytest.fixture(scope="module", params=[0, 1, 3])
def code(request: pytest.FixtureRequest) -> bytes:
    return engine.compile_object(EVERYTHING, engine.host_target(), level=request.param)


def test_our_own_linker_takes_what_llvm_writes(code: bytes) -> None:
    assert isinstance(loading.load_object(code, OUTSIDE), loading.LinkedLibrary)


def test_names_outside_are_near_or_far(code: bytes) -> None:
    library = loading.load_object(code, OUTSIDE)
    assert integer_function(library.address("f"))(5) == 10 + 7 + 3 + 1000
    cosine = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(library.address("g"))
    assert cosine(0.0) == 2.5


def test_data_lies_where_the_code_looks_for_it(code: bytes) -> None:
    library = loading.load_object(code, OUTSIDE)
    inside = ctypes.c_int64.from_address(library.address("pointer")).value
    assert ctypes.c_int64.from_address(inside).value == 3
    ctypes.c_int64.from_address(library.address("offset")).value = 70
    assert integer_function(library.address("f"))(5) == 10 + 70 + 3 + 1000
    assert not any((ctypes.c_int64 * 1000).from_address(library.address("zeros")))


def test_addresses_in_the_code_are_those_of_the_names(code: bytes) -> None:
    library = loading.load_object(code, OUTSIDE)
    which = integer_function(library.address("which"))
    inside = ctypes.c_int64.from_address(library.address("pointer")).value
    cosine = ctypes.cast(ctypes.CDLL(None).cos, ctypes.c_void_p).value
    expected = [library.address("offset"), inside, library.address("f"), cosine, 0]
    assert [which(k) for k in range(5)] == expected


def test_no_memory_is_both_writable_and_executable(code: bytes) -> None:
    library = loading.load_object(code, OUTSIDE)
    rights = {name: _rights(library.address(name)) for name in ("f", "which", "offset", "zeros")}
    assert rights == {"f": "r-x", "which": "r-x", "offset": "rw-", "zeros": "rw-"}


def _rights(address: int) -> str:
    for line in Path("/proc/self/maps").read_text().split("\n"):
        begin, _, end = line.split(" ")[0].partition("-")
        if end and int(begin, 16) <= address < int(end, 16):
            return line.split(" ")[1][:3]
    return "none"


def test_a_name_that_nobody_has_is_a_link_error(code: bytes) -> None:
    with pytest.raises(loading.LinkError, match="cannot link 'elsewhere'"):
        loading.load_object(code, {"far": 64})


def test_a_name_that_is_not_exported_is_a_link_error(code: bytes) -> None:
    with pytest.raises(loading.LinkError, match="cannot link 'inside'"):
        loading.load_object(code, OUTSIDE).address("inside")


def test_memory_goes_with_the_library_unless_it_is_kept(code: bytes) -> None:
    kept = loading.load_object(code, OUTSIDE, keep=True).address("f")
    dropped = loading.load_object(code, OUTSIDE).address("f")
    gc.collect()
    assert _rights(kept) == "r-x"
    assert kept != dropped
    assert integer_function(kept)(0) == 1010


def test_code_of_a_wide_loop_with_tables_links(tmp_path: Path) -> None:
    text = """
    define <8 x float> @h(<8 x float> %x) {
      %y = fmul <8 x float> %x, <float 1.0, float 2.0, float 3.0, float 4.0, float 5.0, float 6.0,
                                 float 7.0, float 8.0>
      ret <8 x float> %y
    }
    define void @store(ptr %p) {
      %x = load <8 x float>, ptr %p, align 4
      %y = call <8 x float> @h(<8 x float> %x)
      store <8 x float> %y, ptr %p, align 4
      ret void
    }"""
    library = loading.load_object(engine.compile_object(text, engine.host_target()), {})
    values = (ctypes.c_float * 8)(*[1.0] * 8)
    ctypes.CFUNCTYPE(None, ctypes.c_void_p)(library.address("store"))(ctypes.addressof(values))
    assert list(values) == [1, 2, 3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize("damage", ["empty", "word", "machine", "class", "relocation"])
def test_what_it_does_not_know_is_not_linkable(damage: str) -> None:
    code = engine.compile_object(EVERYTHING, engine.host_target())
    changed = bytearray(code)
    if damage == "machine":
        changed[18:20] = struct.pack("<H", 183)
    elif damage == "class":
        changed[4] = 1
    elif damage == "relocation":
        changed = bytearray(_with_relocations_of_kind(code, 23))
    data = {"empty": b"", "word": b"\xcf\xfa\xed\xfe" * 40}.get(damage, bytes(changed))
    with pytest.raises(elf.NotLinkable):
        elf.link(memoryview(data), lambda name: 64)


def _with_relocations_of_kind(code: bytes, kind: int) -> bytes:
    changed = bytearray(code)
    first, count = struct.unpack_from("<Q", code, 40)[0], struct.unpack_from("<H", code, 60)[0]
    for k in range(count):
        fields = struct.unpack_from("<2I4Q2I2Q", code, first + 64 * k)
        if fields[1] == elf.RELA:
            for at in range(fields[4], fields[4] + fields[5], 24):
                struct.pack_into("<I", changed, at + 8, kind)
    return bytes(changed)


def test_thread_local_data_goes_to_llvm() -> None:
    text = "@x = thread_local global i64 5\ndefine ptr @f() {\n ret ptr @x\n}"
    code = engine.compile_object(text, engine.host_target())
    with pytest.raises(elf.NotLinkable):
        elf.link(memoryview(code), lambda name: 64)


def test_code_for_another_machine_is_left_to_llvm(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []
    monkeypatch.setattr(jit, "load_objects", lambda parts, symbols, keep: asked.extend(parts))
    target = replace(engine.host_target(), triple="aarch64-unknown-linux-gnu", cpu="", features="")
    loading.load_object(engine.compile_object(EVERYTHING, target), {})
    assert len(asked) == 1


PARTS = (
    "define i64 @kernel(i64 %x) {\n  %y = mul i64 %x, 3\n  ret i64 %y\n}",
    """
    declare i64 @kernel(i64)
    define i64 @run(i64 %x) {
      %y = call i64 @kernel(i64 %x)
      ret i64 %y
    }
    define ptr @which() {
      ret ptr @kernel
    }""",
)


@pytest.mark.parametrize("loader", [loading, jit])
def test_parts_use_names_of_those_before(loader: ModuleType) -> None:
    objects = [engine.compile_object(part, engine.host_target()) for part in PARTS]
    library = loader.load_objects(objects, {})
    assert integer_function(library.address("run"))(5) == 15
    assert integer_function(library.address("which"))(0) == library.address("kernel")
