"""The PTX of kernels: it assembles, and says what the loop IR says."""

import random
import re
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

import graphc as gc
from graphc.backends.cuda.module import device_program
from graphc.backends.cuda.ptx import VERSIONS, ptx_of
from graphc.ir.node import apply
from graphc.ir.op import Op, Sample
from graphc.passes.pipeline import Graph, optimise
from tests.cuda.assembler import PTXAS
from tests.cuda.graphs import CASES
from tests.support.laws import few, seeded, symbols


def ptx(name: str, sm: str = "sm_80") -> str:
    xs, outputs = CASES[name].build()
    return ptx_of(device_program(Graph(tuple(xs), tuple(outputs))), sm)


def assembled(text: str, sm: str, folder: Path) -> None:
    """Asserts that PTX is valid; how good the code becomes is the assembler's business."""
    source = folder / "kernels.ptx"
    source.write_text(text)
    output = ["-o", str(folder / "kernels.cubin")]
    command = [str(PTXAS), f"-arch={sm}", "-O0", str(source), *output]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(PTXAS is None, reason="no ptxas")
@pytest.mark.parametrize("sm", ["sm_80", "sm_90"])
@pytest.mark.parametrize("name", CASES)
def test_every_kernel_assembles(name: str, sm: str, tmp_path: Path) -> None:
    assembled(ptx(name, sm), sm, tmp_path)


def test_no_product_is_fused_with_a_sum_behind_our_back() -> None:
    x = gc.placeholder("x", ("n",))
    text = ptx_of(device_program(Graph((x,), (x * x + 1.0,))))
    assert "mul.rn.f32" in text and "add.rn.f32" in text
    assert "fma" not in text


def test_division_and_roots_are_rounded_as_ieee_says() -> None:
    x = gc.placeholder("x", ("n",))
    text = ptx_of(device_program(Graph((x,), (gc.sqrt(x) / (x + 2.0),))))
    assert "div.rn.f32" in text and "sqrt.rn.f32" in text
    assert ".ftz" not in text and ".approx" not in text


def test_equal_kernels_are_written_once() -> None:
    x, y = gc.placeholder("x", (40,)), gc.placeholder("y", (40,))
    text = ptx_of(device_program(Graph((x, y), (gc.sin(x), gc.sin(y)))))
    assert len(re.findall(r"\.visible \.entry", text)) == 1


def test_products_meet_in_shared_memory() -> None:
    text = ptx("product")
    assert ".shared" in text and "bar.sync" in text and "fma.rn.f32" in text


def test_an_unknown_architecture_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"unknown GPU architecture 'sm_1'; known are sm_"):
        ptx("softmax", "sm_1")


@pytest.mark.parametrize("sm", VERSIONS)
def test_every_known_architecture_is_written(sm: str) -> None:
    assert f".target {sm}" in ptx("softmax", sm)


OPS = [op for op in Op.registry.values() if op.samples()]
needs_ptxas = pytest.mark.skipif(PTXAS is None, reason="no ptxas")


def check_op(op: Op, samples: Sequence[Sample], folder: Path) -> None:
    xs: list[gc.Tensor] = []
    outputs: list[gc.Tensor] = []
    for k, sample in enumerate(samples):
        ours = symbols(seeded(sample), f"x{k}_")
        outputs.extend(apply(op, *ours, **sample.attrs).outputs)
        xs.extend(ours)
    program = device_program(optimise(Graph(tuple(xs), tuple(outputs))))
    assembled(ptx_of(program), "sm_80", folder)


@needs_ptxas
@pytest.mark.parametrize("op", OPS, ids=str)
def test_the_kernels_of_an_op_assemble(op: Op, tmp_path: Path) -> None:
    """Of a few of its samples; fuzzing has all."""
    check_op(op, few(op), tmp_path)


@needs_ptxas
@pytest.mark.fuzz
def test_the_kernels_of_every_sample_assemble(fuzz_seconds: float, tmp_path: Path) -> None:
    """In an order drawn anew; half a minute is enough for all."""
    end = time.monotonic() + fuzz_seconds
    for op in random.sample(OPS, len(OPS)):
        if time.monotonic() > end:
            break
        check_op(op, op.samples(), tmp_path)
