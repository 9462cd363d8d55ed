"""Instructions of a block move, but never before what they need, and memory keeps its meaning."""

import random
import re

from graphc.backends.llvm.order import AHEAD, ordered

BITS = "  %bits = bitcast i32 %n to float"  # what tells a block with a function of the math library


def chain(name: str, length: int) -> list[str]:
    """A value and `length` sums, each of the one before."""
    steps = [f"  %{name}.{k + 1} = fadd float %{name}.{k}, %{name}.{k}" for k in range(length)]
    return [f"  %{name}.0 = bitcast i32 %n to float", *steps]


def test_chains_that_follow_each_other_are_written_side_by_side() -> None:
    lines = [*chain("a", 12), *chain("b", 12)]
    result = ordered(lines)
    assert sorted(result) == sorted(lines)
    assert result.index("  %b.1 = fadd float %b.0, %b.0") < result.index(
        "  %a.3 = fadd float %a.2, %a.2"
    )


def test_short_blocks_and_those_without_functions_stay_as_they_are() -> None:
    short = [*chain("a", 3), *chain("b", 3)]
    plain = [line for line in [*chain("a", 20), *chain("b", 20)] if "bitcast" not in line]
    assert ordered(short) == short
    assert ordered(plain) == plain


def test_look_ups_tell_of_a_function() -> None:
    looked_up = [
        line.replace("bitcast i32 %n to float", "call float @gc.lookup.v1(float %n, ptr @table)")
        for line in [*chain("a", 12), *chain("b", 12)]
    ]
    assert ordered(looked_up) != looked_up


def test_instructions_stay_in_their_blocks() -> None:
    block = [*chain("a", 12), *chain("b", 12)]
    lines = ["entry:", *block, "  br label %loop", "loop:", "  %i = phi i64 [ 0, %entry ]", "  ret"]
    result = ordered(lines)
    assert result[0] == "entry:"
    assert result[-4:] == lines[-4:]


def test_nothing_comes_from_further_than_the_window() -> None:
    many = [line for k in range(AHEAD) for line in chain(f"c{k}", 12)]
    for place, line in enumerate(ordered(many)):
        assert many.index(line) < place + AHEAD + 1


def random_block(rng: random.Random) -> list[str]:
    """Sums of earlier values, loads and stores of two slots and of other memory."""
    names, lines = ["%n", "%m"], [BITS, *chain("z", 12)]
    places = ["%reg.a", "%reg.b", "%p", "%q"]
    for k in range(60):
        a, b, place = rng.choice(names), rng.choice(names), rng.choice(places)
        kind = rng.random()
        if kind < 0.2:
            lines.append(f"  store float {a}, ptr {place}")
            continue
        value = f"load float, ptr {place}" if kind < 0.4 else f"fmul float {a}, {b}"
        lines.append(f"  %v{k} = {value}")
        names.append(f"%v{k}")
    return lines


def run(lines: list[str]) -> tuple[dict[str, int], dict[str, int]]:
    """What every name and every place holds after the lines, by a hash of how it came to be."""
    names: dict[str, int] = {"%n": 1, "%m": 2}
    memory = {"%reg.a": 3, "%reg.b": 4, "": 5}
    for line in lines:
        result, _, instruction = line.strip().rpartition(" = ")
        opcode, *operands = instruction.split()[0], *re.findall(r"%[\w.]+", instruction)
        place = operands[-1] if operands[-1].startswith("%reg.") else ""
        if opcode == "store":
            memory[place] = hash((memory[place], operands[-1], names[operands[0]]))
        elif opcode == "load":
            names[result] = hash((memory[place], operands[-1]))
        else:
            names[result] = hash((opcode, *(names[x] for x in operands)))
    return names, memory


def test_any_order_computes_the_same() -> None:
    rng, moved = random.Random(3), 0
    for _ in range(200):
        lines = random_block(rng)
        result = ordered(lines)
        assert sorted(result) == sorted(lines)
        assert run(result) == run(lines)
        moved += result != lines
    assert moved > 150


def test_lanes_gathered_after_lanes_were_scattered_stay_after_them() -> None:
    scatter = (
        "  call void @llvm.masked.scatter.v16f32.v16p0(<16 x float> %a.12, <16 x ptr> %to, i32 4, "
        "<16 x i1> %m)"
    )
    gather = (
        "  %g.0 = call <16 x float> @llvm.masked.gather.v16f32.v16p0(<16 x ptr> %to, i32 4, "
        "<16 x i1> %m, <16 x float> %z)"
    )
    fence = "  call void @llvm.x86.sse.sfence()"
    later = [f"  %g.{k + 1} = fadd <16 x float> %g.{k}, %g.{k}" for k in range(30)]
    lines = [*chain("a", 12), scatter, gather, *later, fence]
    result = ordered(lines)
    assert result.index(scatter) < result.index(gather) < result.index(fence)
