"""Loops over parts side by side become a loop for each part, with the same values."""

import numpy as np
import pytest

import graphc as gc
from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.joints import at_joints
from graphc.backends.loops.stmt import Accumulate, For, Let, Store
from graphc.ir.dtypes import float32, int64

i = e.var("i")
RNG = np.random.default_rng(0)


def loop(value: Expr, begin: int = 0, end: int = 64, unroll: int = 1) -> For:
    body = (Let("v", value), Store("y", i, e.var("v", float32)))
    bounds = e.const(begin, int64), e.const(end, int64)
    return For("i", *bounds, body, "vector", 16, unroll)


def either(condition: Expr) -> Expr:
    near = e.load("a", i, float32, condition)
    far = e.load("b", i - 32, float32, ~condition)
    return e.select(condition, near, far)


def bounds(loops: object) -> list[tuple[int, int]]:
    assert isinstance(loops, (list, tuple))
    return [(s.begin.attr, s.end.attr) for s in loops]


@pytest.mark.parametrize(
    "condition",
    [
        i < 32,
        i + 8 < 40,
        i - 32 < 0,
        i <= 31,
        e.const(32, int64) > i,
        ~(i >= 32),
        ~(i > 31),
        (i < 32) & (i >= 0),
        (i < 32) | (i >= 64),
    ],
    ids=str,
)
def test_each_side_of_a_joint_has_its_own_loop(condition: Expr) -> None:
    first, second = loops = at_joints(loop(either(condition)))
    assert bounds(loops) == [(0, 32), (32, 64)]
    (near, _), (far, _) = first.body, second.body
    assert isinstance(near, Let)
    assert near.value is e.load("a", i, float32)
    assert isinstance(far, Let)
    assert far.value is e.load("b", i - 32, float32)


@pytest.mark.parametrize(
    "condition",
    [i < 30, i < 0, i < 64, e.equal(i, 32), i < e.var("n"), i * 2 < 32, e.var("j") < 32],
    ids=str,
)
def test_other_questions_leave_a_loop_whole(condition: Expr) -> None:
    whole = loop(either(condition))
    assert at_joints(whole) == [whole]


def test_loops_of_unknown_length_and_sums_stay_whole() -> None:
    whole = loop(either(i < 32))
    for s in (
        For("i", whole.begin, e.var("n"), whole.body, "vector", 16),
        For("i", whole.begin, whole.end, (Accumulate("s", "sum", either(i < 32)),), "vector", 16),
    ):
        assert at_joints(s) == [s]


def test_only_whole_turns_need_no_tail() -> None:
    assert [s.even for s in at_joints(loop(either(i < 32), unroll=2))] == [True, True]
    assert [s.even for s in at_joints(loop(either(i < 16), unroll=2))] == [False, False]


@pytest.mark.parametrize(
    "widths", [(16, 16), (64, 16, 48), (32, 5, 27), (7, 9), (1, 1), (128,) * 9]
)
@pytest.mark.parametrize("target", ["cpu", "numba"])
def test_values_side_by_side(widths: tuple[int, ...], target: str) -> None:
    if target == "numba" and len(widths) > 3:
        pytest.skip("long to compile")
    xs = [gc.placeholder(f"x{k}", (3, n)) for k, n in enumerate(widths)]
    joined = gc.concat([gc.exp(x) * k for k, x in enumerate(xs)], 1)
    w = gc.placeholder("w", (3, sum(widths)))
    outputs = [gc.sin(joined) + w, *gc.grad(gc.sum(joined * joined * w), xs)]
    parts = gc.split(w, 2, axis=1) if sum(widths) % 2 == 0 else [w, w]
    outputs += gc.grad(gc.sum(gc.tanh(parts[0]) * parts[1]), [w])
    given = [RNG.uniform(-1, 1, x.shape).astype("float32") for x in (*xs, w)]
    ours = gc.compile([*xs, w], outputs, target=target)(*given)
    wanted = gc.compile([*xs, w], outputs, target="reference")(*given)
    for a, b in zip(ours, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-6, atol=2e-6)
