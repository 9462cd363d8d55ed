"""Code for other machines than this one, as far as its text shows: every target, everywhere."""

import re
from functools import cache

import numpy as np
import pytest

import graphc as gc
from graphc.backends.building import program_of
from graphc.backends.cpu.runtime import library_runtime_ir
from graphc.backends.llvm.architectures import LEVELS
from graphc.backends.llvm.artefact_cpu import needed_features
from graphc.backends.llvm.engine import assembly, compile_object, named_target
from graphc.backends.llvm.module import module_of
from graphc.backends.lower.kernel import Schedule
from graphc.ir.node import Tensor
from graphc.passes.pipeline import Graph, optimise

NAMES = sorted(LEVELS)
STACK = re.compile(r"\[sp\b|\(%r[sb]p|__stack_pointer")


def module_text(inputs: list[Tensor], outputs: list[Tensor], name: str) -> str:
    target = named_target(name)
    schedule = Schedule(target.vector_bits, registers=target.registers)
    return module_of(program_of(optimise(Graph(tuple(inputs), tuple(outputs))), schedule)).text


@cache
def product(name: str) -> str:
    """Assembly of a product of two matrices."""
    x, y = (gc.placeholder(k, (192, 192)) for k in "xy")
    return assembly(module_text([x, y], [x @ y], name), named_target(name))


@cache
def rows(name: str) -> str:
    """Assembly of functions that are computed row by row."""
    x = gc.placeholder("x", ("n", 256))
    y = gc.softmax(gc.tanh(x) + gc.floor(x * 8), axis=1)
    return assembly(module_text([x], [y], name), named_target(name))


def inner_loops(text: str) -> list[list[str]]:
    """The lines between a label and a jump back to it, where there are no labels between."""
    found, begin, label = [], 0, ""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith((".p2", "//", "#"))]
    for k, line in enumerate(lines):
        if start := re.match(r"(\.LBB\w+):", line):
            begin, label = k + 1, start[1]
        elif re.search(rf"\s(j\w+|b\.?\w*|cbn?z|tbn?z)\s.*{re.escape(label)}$", line) and label:
            found.append(lines[begin:k])
    return found


def count(pattern: str, lines: list[str]) -> int:
    return sum(bool(re.match(rf"\s*{pattern}\b", line)) for line in lines)


@pytest.mark.parametrize("name", NAMES)
def test_an_object_is_made_for_every_target(name: str) -> None:
    x = gc.placeholder("x", ("n", 8))
    data = compile_object(module_text([x], [gc.exp(x @ x.T)], name), named_target(name))
    magic = {"wasm32": b"\0asm"}.get(name, b"\x7fELF\x02\x01")
    assert data.startswith(magic)
    machines = {"x86-64": 62, "aarch64": 183, "riscv64": 243}
    if name in machines:
        assert int.from_bytes(data[18:20], "little") == machines[name]


@pytest.mark.parametrize(
    ("name", "operation", "sums"),
    [
        ("aarch64", "fmla", 24),
        ("x86-64", "mulps", 12),
        ("x86-64-v2", "mulps", 12),
        ("x86-64-v3", "vfmadd\\w+ps", 12),
        ("x86-64-v4", "vfmadd\\w+ps", 24),
    ],
)
def test_a_tile_of_sums_stays_in_registers(name: str, operation: str, sums: int) -> None:
    loop = max(inner_loops(product(name)), key=lambda lines: count(operation, lines))
    assert count(operation, loop) == sums
    assert not [line for line in loop if STACK.search(line)]


def test_neon_multiplies_by_a_lane() -> None:
    """Elements of the left operand are not spread over registers before they are used."""
    loop = max(inner_loops(product("aarch64")), key=lambda lines: count("fmla", lines))
    by_lane = [line for line in loop if re.search(r"fmla.*\.s\[\d\]", line)]
    assert len(by_lane) >= 20
    assert count("dup", loop) == 0
    assert len(loop) <= 48


def test_webassembly_has_vectors_and_no_calls_of_c() -> None:
    text = product("wasm32") + rows("wasm32")
    assert text.count("f32x4.mul") >= 8
    assert "v128.load32_splat" in text
    assert not re.search(r"call\s+(fmaf?|floorf?|expf?)\b", text)


@pytest.mark.parametrize("name", NAMES)
def test_no_function_of_the_mathematical_library_is_called(name: str) -> None:
    called = set(re.findall(r"\b(fmaf|floorf|ceilf|truncf|rintf|expf|tanhf)\b", rows(name)))
    assert not called


def test_neon_looks_tables_up_in_registers() -> None:
    assert re.search(r"\btbl\b", rows("aarch64"))


@pytest.mark.parametrize(
    ("name", "registers", "fused"),
    [
        ("x86-64", 16, False),
        ("x86-64-v3", 16, True),
        ("x86-64-v4", 32, True),
        ("aarch64", 32, True),
        ("riscv64", 32, True),
        ("wasm32", 15, False),
    ],
)
def test_a_target_knows_its_registers(name: str, registers: int, fused: bool) -> None:
    target = named_target(name)
    assert (target.registers, target.fused) == (registers, fused)
    machine = Schedule(target.vector_bits, registers=target.registers).machine
    assert (machine.registers, machine.fused) == (registers, fused)


@pytest.mark.parametrize("name", NAMES)
def test_optional_features_can_be_asked_for(name: str) -> None:
    level = LEVELS[name]
    for feature in level.optional:
        target = named_target(f"{name}+{feature}")
        assert target.has(feature)
        if name.startswith("x86-64"):
            assert feature in needed_features(target), "the library asks the CPU for it"


def test_an_unknown_feature_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"aarch64 has no feature 'sve9'; .*: fullfp16, lse"):
        named_target("aarch64+lse+sve9")
    with pytest.raises(ValueError, match=r"wasm32 has no feature 'neon'; .*: none"):
        named_target("wasm32+neon")
    with pytest.raises(ValueError, match=r"'host\+avx2': host has all"):
        named_target("host+avx2")


@pytest.mark.parametrize("size", [1, 2, 7, 33])
def test_code_for_any_x86_gives_what_the_reference_gives(size: int) -> None:
    if named_target("host").architecture.name != "x86_64":
        pytest.skip("this machine has another architecture")
    x, y = gc.placeholder("x", ("n", 37)), gc.placeholder("y", (37, "m"))
    outputs = [gc.maximum(x @ y, 0), gc.softmax(x, axis=1), gc.ceil(x * 9), gc.trunc(y * 9)]
    rng = np.random.default_rng(size)
    given = [rng.normal(size=s).astype(np.float32) for s in ((size, 37), (37, size + 3))]
    expected = gc.compile([x, y], outputs, target="reference")(*given)
    for found, value in zip(
        gc.compile([x, y], outputs, isa="x86-64")(*given), expected, strict=True
    ):
        np.testing.assert_allclose(found, value, 1e-5, 1e-5)


@pytest.mark.parametrize(
    ("name", "instructions"),
    [
        ("x86-64", ("pause", "stmxcsr", "ldmxcsr")),
        ("aarch64", ("yield", r"mrs\s+\w+, FPCR", r"msr\s+FPCR")),
        ("riscv64", ()),
    ],
)
def test_workers_wait_and_round_as_the_processor_does(
    name: str, instructions: tuple[str, ...]
) -> None:
    target = named_target(name)
    text = assembly(library_runtime_ir(target), target, level=0)
    assert [x for x in instructions if not re.search(rf"\t{x}\b", text)] == []


def test_where_there_are_no_threads_none_is_started() -> None:
    target = named_target("wasm32")
    text = library_runtime_ir(target)
    assert "pthread" not in text
    assert "call_indirect" in assembly(text, target, level=0)
