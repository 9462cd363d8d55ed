"""The code of a loop and the work of a step do not depend on how many steps there are."""

from collections.abc import Iterator

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from graphc.backends.program import Nested, Program
from graphc.executable import Executable

CELL = nn.LSTMCell(4, 8, seed=0)


def lstm(length: int | str, gradient: bool = False) -> Executable:
    x = gc.placeholder("x", (length, 2, 4), gc.float32)
    h, last = nn.unroll(CELL, x)
    slopes = gc.grad(gc.sum(last[0]), CELL.parameters()) if gradient else []
    return gc.compile([x], [h, *last, *slopes])


def loops(run: Executable) -> list[Nested]:
    def within(program: Program | None) -> Iterator[Nested]:
        for call in program.calls if program else ():
            if isinstance(call, Nested):
                yield call
                for inner in call.programs:
                    yield from within(inner)

    return list(within(run.program))


@pytest.mark.parametrize("gradient", [False, True], ids=["value", "gradient"])
def test_code_does_not_grow_with_the_steps(gradient: bool) -> None:
    short, long = lstm(2_000, gradient), lstm(10_000, gradient)
    assert [k.ops for k in short.kernels] == [k.ops for k in long.kernels]
    sizes = [len(run.dump("llvm").splitlines()) for run in (short, long)]
    assert abs(sizes[1] - sizes[0]) <= 0.2 * sizes[0]  # products have kinds for few and many rows


def test_an_lstm_is_one_loop_with_the_inputs_product_before_it() -> None:
    run = lstm(10)
    (loop,) = loops(run)
    (body,) = loop.programs
    products = [k for k in run.kernels if "dot_general" in k.ops]
    assert len(products) == 1 and len(body.bodies) <= 2
    assert len(loops(lstm(10, gradient=True))) == 2


@pytest.mark.parametrize("length", [40_000, "n"])
def test_a_long_lstm_is_a_loop_of_blocks_with_the_inputs_product_in_it(length: int | str) -> None:
    blocks, loop = loops(lstm(length))
    assert blocks.node.op.name == "blocks" and loop.node.op.name == "scan"
    (outer,), (inner,) = blocks.programs, loop.programs
    assert len(outer.bodies) == 2 and len(inner.bodies) <= 2
    assert len(loops(lstm(length, gradient=True))) == 4


@pytest.mark.parametrize("gradient", [False, True], ids=["value", "gradient"])
def test_a_step_costs_the_same_however_many_there_are(gradient: bool) -> None:
    run = lstm("n", gradient)
    work = np.array([run.cost.at(n=n).flops for n in (10, 20, 10_010, 10_020)])
    assert work[1] - work[0] == work[3] - work[2] > 0
    assert lstm(20, gradient).cost.flops == pytest.approx(work[1], rel=0.01)
