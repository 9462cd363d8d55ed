"""Every stage as text."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import graphc as gc
from graphc.dump import STAGES
from tests.dump.graphs import product, rows

Golden = Callable[[str, str], None]


@pytest.mark.parametrize("stage", ["source", "optimised", "kernels", "memory", "loops"])
def test_a_stage_reads_as_it_did(stage: str, golden: Golden) -> None:
    golden(f"rows_{stage}", without_literals_lines(rows().dump(stage)))


def without_literals_lines(text: str) -> str:
    """The text without the places of literals, of which equal ones are one node of many places."""
    literals = r"^(.*(?:constant|broadcast\(%?\d+(?:\.\d+)?\)).*?)  # .*$"
    return re.sub(literals, r"\1", text, flags=re.M)


@pytest.mark.parametrize(
    ("stage", "part"),
    [
        ("source", "maximum("),
        ("optimised", "dot_general("),
        ("kernels", "reads  %x: f32[batch, 16]"),
        ("memory", "arena: "),
        ("loops", "kernel dot"),
        ("vectors", "kernel dot"),
        ("llvm", "define i64 @gc_run"),
        ("assembly", "gc_run:"),
    ],
)
def test_every_stage_shows_what_it_is_about(stage: str, part: str) -> None:
    assert part in product().dump(stage)


def test_vectors_are_explicit_in_their_stage_alone() -> None:
    f = rows()
    assert "vector(8 x" in f.dump("loops")
    assert "..+8" not in f.dump("loops")
    assert "..+8" in f.dump("vectors")


def test_kernels_have_distinct_names_that_say_what_they_do() -> None:
    names = [kernel.name for kernel in rows().kernels]
    assert len(set(names)) == len(names)
    assert any("exp" in name for name in names)


def test_kernels_call_values_as_the_graph_does() -> None:
    f = rows()
    lines = f.dump("optimised").splitlines()
    named = {
        line.split(":")[0].strip(): line.split("=")[1].split("(")[0].strip()
        for line in lines
        if " = " in line and ":" in line and "constant" not in line
    }
    for line in f.dump("kernels").splitlines():
        if line.startswith("    %") and ".copy" not in line.split(":")[0]:
            name, rest = line.strip().split(":", 1)
            assert named[name] == rest.split("=")[1].split("(")[0].strip(), line


def test_tensors_can_be_dumped_without_compiling() -> None:
    x = gc.placeholder("x", ("n",))
    assert "exp(%x)" in gc.dump({"a": gc.exp(x), "b": [x * 2]}, "source")
    assert "kernel " in gc.dump(gc.exp(x), "loops")


def test_loops_and_branches_show_what_is_inside() -> None:
    x = gc.placeholder("x", ("n", 3))
    f = gc.compile([x], gc.scan(lambda s, row: (s + gc.tanh(row), s), gc.zeros(3), x)[0])
    assert "scan of 1:\n  kernel " in f.dump("loops")
    assert "scan" in f.dump("memory")
    assert all(f.dump(stage) for stage in STAGES)


def test_a_text_can_be_written_to_a_file(tmp_path: Path) -> None:
    f = rows()
    assert gc.dump(f, "kernels", path=tmp_path / "kernels.txt") == f.dump("kernels")
    assert (tmp_path / "kernels.txt").read_text() == f.dump("kernels")


@pytest.mark.parametrize(
    ("stage", "format", "message"),
    [
        ("kernel", "text", "unknown stage 'kernel'; stages are source, optimised, kernels"),
        ("source", "pdf", "unknown format 'pdf'; formats are text, dot, svg"),
        ("loops", "svg", "the stage 'loops' is no graph"),
    ],
)
def test_what_there_is_not_is_named(stage: str, format: str, message: str) -> None:
    with pytest.raises(gc.GraphError, match=message):
        rows().dump(stage, format)


def test_a_target_without_kernels_says_so() -> None:
    x = gc.placeholder("x")
    f = gc.compile([x], x + 1, target="reference")
    for format in ("text", "dot"):
        with pytest.raises(gc.GraphError, match="the target 'reference' has no stage 'kernels'"):
            f.dump("kernels", format)
