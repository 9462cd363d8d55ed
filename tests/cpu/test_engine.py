"""LLVM IR becomes code that runs, for every named target, with IEEE arithmetic as written."""

from __future__ import annotations

import ctypes
import gc
import threading

import pytest

from graphc.backends.llvm import engine, jit

MULTIPLY_ADD = """
define <16 x float> @f(<16 x float> %a, <16 x float> %b, <16 x float> %c) {
  %m = fmul <16 x float> %a, %b
  %s = fadd <16 x float> %m, %c
  ret <16 x float> %s
}
"""

EXPLICIT_FMA = """
declare <16 x float> @llvm.fma.v16f32(<16 x float>, <16 x float>, <16 x float>)
define <16 x float> @f(<16 x float> %a, <16 x float> %b, <16 x float> %c) {
  %s = call <16 x float> @llvm.fma.v16f32(<16 x float> %a, <16 x float> %b, <16 x float> %c)
  ret <16 x float> %s
}
"""

ADD_ONE = """
define i64 @add_one(i64 %x) {
  %y = add i64 %x, 1
  ret i64 %y
}
"""

CALLS_OUT = """
declare i64 @elsewhere(i64)
declare double @cos(double)
@offset = global i64 7
define i64 @f(i64 %x) {
  %y = call i64 @elsewhere(i64 %x)
  %o = load i64, ptr @offset
  %z = add i64 %y, %o
  ret i64 %z
}
define double @g(double %x) {
  %y = call double @cos(double %x)
  ret double %y
}
"""


def integer_function(address: int) -> ctypes._CFunctionType:
    return ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(address)


@pytest.mark.parametrize(
    ("name", "register"), [("x86-64-v2", "xmm"), ("x86-64-v3", "ymm"), ("x86-64-v4", "zmm")]
)
def test_a_level_uses_its_widest_registers(name: str, register: str) -> None:
    text = engine.assembly(MULTIPLY_ADD, engine.named_target(name))
    widest = max(r for r in ("xmm", "ymm", "zmm") if r in text)
    assert widest == register


@pytest.mark.parametrize("name", ["host", *engine.LEVELS])
def test_a_product_and_a_sum_are_not_fused(name: str) -> None:
    assert "fmadd" not in engine.assembly(MULTIPLY_ADD, engine.named_target(name), level=3)


def test_an_explicit_fma_is_one_instruction() -> None:
    assert "vfmadd" in engine.assembly(EXPLICIT_FMA, engine.named_target("x86-64-v3"))


def test_host_keeps_full_width_registers_where_llvm_would_prefer_half() -> None:
    target = engine.Target("x86_64-unknown-linux-gnu", "skylake-avx512", "-prefer-256-bit", 512)
    assert "zmm" in engine.assembly(MULTIPLY_ADD, target)


def test_host_vector_bits_are_a_known_width() -> None:
    assert engine.host_target().vector_bits in (128, 256, 512)


def test_unknown_target_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match="'pentium'; known targets are host, x86-64, x86-64-v2"):
        engine.named_target("pentium")


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_every_level_computes_the_same(level: int) -> None:
    data = engine.compile_object(ADD_ONE, engine.host_target(), level=level)
    library = jit.load_object(data, {})
    assert integer_function(library.address("add_one"))(41) == 42


def test_unknown_level_is_an_error() -> None:
    with pytest.raises(ValueError, match="not 4"):
        engine.compile_object(ADD_ONE, engine.host_target(), level=4)


def test_equal_input_gives_equal_bytes() -> None:
    target = engine.named_target("x86-64-v3")
    assert engine.compile_object(ADD_ONE, target) == engine.compile_object(ADD_ONE, target)


def test_invalid_ir_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="undefined value"):
        engine.compile_object("define i64 @f() {\n ret i64 %x\n}", engine.host_target())


def test_outside_names_come_from_the_symbols_and_the_process() -> None:
    double = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(lambda x: 2 * x)
    address = ctypes.cast(double, ctypes.c_void_p).value
    assert address is not None
    data = engine.compile_object(CALLS_OUT, engine.host_target())
    library = jit.load_object(data, {"elsewhere": address})
    assert integer_function(library.address("f"))(5) == 17
    cosine = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(library.address("g"))
    assert cosine(0.0) == 1.0


def test_data_can_be_addressed() -> None:
    data = engine.compile_object(CALLS_OUT, engine.host_target())
    library = jit.load_object(data, {"elsewhere": 1})
    assert ctypes.c_int64.from_address(library.address("offset")).value == 7


def test_a_name_that_nobody_has_is_a_link_error(capfd: pytest.CaptureFixture[str]) -> None:
    library = jit.load_object(engine.compile_object(CALLS_OUT, engine.host_target()), {})
    with pytest.raises(jit.LinkError, match="cannot link 'f'"):
        library.address("f")
    assert capfd.readouterr() == ("", "")


def test_a_name_that_is_not_exported_is_a_link_error() -> None:
    library = jit.load_object(engine.compile_object(ADD_ONE, engine.host_target()), {})
    with pytest.raises(jit.LinkError, match="'subtract'"):
        library.address("subtract")


def test_many_libraries_live_beside_each_other() -> None:
    data = engine.compile_object(ADD_ONE, engine.host_target())
    libraries = [jit.load_object(data, {}) for _ in range(100)]
    addresses = {library.address("add_one") for library in libraries}
    assert len(addresses) == 100
    assert all(integer_function(address)(1) == 2 for address in addresses)


def test_kept_code_outlives_its_library() -> None:
    data = engine.compile_object(ADD_ONE, engine.host_target())
    address = jit.load_object(data, {}, keep=True).address("add_one")
    gc.collect()
    for _ in range(20):
        jit.load_object(data, {}).address("add_one")
    assert integer_function(address)(1) == 2


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_several_texts_become_the_same_bytes_as_each_alone(threads: int) -> None:
    target = engine.host_target()
    texts = [ADD_ONE.replace("1", str(k)) for k in range(1, 40)]
    alone = [engine.compile_object(text, target, level=k % 2) for k, text in enumerate(texts)]
    with engine.Compilation(target, threads) as compilation:
        for k, text in enumerate(texts):
            compilation.add(text, k % 2, last=k == len(texts) - 1)
        assert compilation.objects() == alone


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_in_one_of_several_texts_is_raised(threads: int) -> None:
    texts = [ADD_ONE, "define i64 @f() {\n ret i64 %x\n}", ADD_ONE]
    with engine.Compilation(engine.host_target(), threads) as compilation:
        for text in texts:
            compilation.add(text)
        with pytest.raises(RuntimeError, match="undefined value"):
            compilation.objects()


def test_no_thread_is_left_where_the_texts_end_early() -> None:
    def fail() -> None:
        with engine.Compilation(engine.host_target(), 4) as compilation:
            compilation.add(ADD_ONE)
            raise KeyError("no more")

    before = threading.active_count()
    with pytest.raises(KeyError):
        fail()
    assert threading.active_count() == before
