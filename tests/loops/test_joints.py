"""Loops over parts side by side become a loop for each part, with the same values."""

import numpy as np
import pytest

import graphc as gc
from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.joints import at_joints, checks_apart
from graphc.backends.loops.stmt import Accumulate, Check, For, Let, LoopKernel, Store, walk
from graphc.backends.loops.vectorise import vectorise
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


def test_many_parts_have_loops_wherever_they_begin() -> None:
    n = e.var("n")
    inner = e.select(
        i < n + 3,
        e.load("a", i - 3, float32, ~(i < 3) & (i < n + 3)),
        e.load("a", n + n + 1 - i, float32, ~(i < 3) & ~(i < n + 3)),
    )
    value = e.select(i < 3, e.load("a", e.const(3, int64) - i, float32, i < 3), inner)
    check = Check((n > 3) | ~(i < 3), 1, n)
    body = (check, Let("v", value), Store("y", i, e.var("v", float32)))
    loops = at_joints(For("i", e.const(0, int64), n + 8, body, "vector", 16, 4))
    assert len(loops) == 3
    assert all(x.op == "load" and len(x.args) == 1 for s in loops for x in _values(s))
    assert [sum(isinstance(inner, Check) for inner in s.body) for s in loops] == [1, 0, 0]
    checks, rest = checks_apart(loops[0])
    assert len(checks) == 1
    assert not any(isinstance(inner, Check) for inner in rest.body)


def test_parts_that_begin_anywhere_do_not_fill_vectors() -> None:
    """As the loop did that they come from."""
    loads = [e.load(name, i, float32, i < 14) for name in "abc"]
    value = e.select(i < 14, loads[0] * loads[1], e.load("c", i - 14, float32, ~(i < 14)))
    n = e.var("n")
    body = (Let("v", value + loads[2]), Store("y", i, e.var("v", float32)))
    whole = For("i", e.const(0, int64), n, body, "vector", 16, 1, even=True)
    assert [s.even for s in at_joints(whole)] == [False, False]


def _rolled(place: Expr, end: Expr) -> For:
    loads = [e.load(name, i, float32, i < place) for name in "abc"]
    value = e.select(i < place, loads[0] * loads[1], e.load("c", i, float32, ~(i < place)))
    body = (Let("v", value + loads[2]), Store("y", i, e.var("v", float32)))
    return For("i", e.const(0, int64), end, body, "vector", 16, 4)


def test_a_part_of_less_than_a_vector_has_no_loop_over_whole_ones() -> None:
    n = e.var("n")
    few = e.minimum(e.const(3, int64), n)
    assert [s.short for s in at_joints(_rolled(few, n))] == [True, False]
    assert [s.short for s in at_joints(_rolled(n - few, n))] == [False, True]
    kernel = LoopKernel("k", (), ("n",), e.const(1, int64), (_rolled(few, n),))
    loops = [s for s in walk(vectorise(kernel).body) if isinstance(s, For)]
    assert len(loops) == 2  # several vectors at once, then one by one


@pytest.mark.parametrize("named", [True, False], ids=["named", "fixed"])
@pytest.mark.parametrize("width", [1, 2, 3, 17, 80, 300])
@pytest.mark.parametrize("shift", [1, -1, 5, -15])
def test_what_is_rolled_by_less_than_a_vector(shift: int, width: int, named: bool) -> None:
    shape = ("n", "m") if named else (9, width)
    x, y = (gc.placeholder(name, shape) for name in "xy")
    outputs = [x * gc.roll(x, shift, axis=1) - gc.roll(y, shift, axis=(0, 1)), gc.sum(x, axis=0)]
    a, b = (RNG.uniform(-1, 1, (9, width)).astype(np.float32) for _ in range(2))
    found, _ = gc.compile([x, y], outputs)(a, b)
    expected = a * np.roll(a, shift, axis=1) - np.roll(b, (shift, shift), axis=(0, 1))
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("named", [True, False], ids=["named", "fixed"])
@pytest.mark.parametrize("width", [16, 64, 100])
@pytest.mark.parametrize("rows", [1, 3, 40])
def test_a_product_takes_what_was_rolled(rows: int, width: int, named: bool) -> None:
    shape = ("n" if named else rows, width)
    x, a, b = (gc.placeholder(name, shape) for name in "xab")
    w = gc.placeholder("w", (width, width))
    output = x @ w + gc.roll(a * b, 2, axis=1)
    given = [RNG.uniform(-1, 1, (rows, width)).astype(np.float32) for _ in range(3)]
    given.append(RNG.uniform(-1, 1, (width, width)).astype(np.float32))
    found = gc.compile([x, a, b, w], output)(*given)
    expected = given[0] @ given[3] + np.roll(given[1] * given[2], 2, axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def _values(s: For) -> list[Expr]:
    return [inner.value for inner in s.body if isinstance(inner, Let)]


@pytest.mark.parametrize("named", [True, False], ids=["named", "fixed"])
@pytest.mark.parametrize("shape", [(4, 4), (5, 20), (9, 130), (40, 300), (3, 1000)])
@pytest.mark.parametrize("mode", ["edge", "reflect", "symmetric", "wrap"])
def test_padded_arrays_agree_with_numpy(mode: str, shape: tuple[int, int], named: bool) -> None:
    x = gc.placeholder("x", ("n", "m") if named else shape)
    widths = [(1, 2), (3, 2)]
    a = RNG.normal(size=shape).astype(np.float32)
    found = gc.compile([x], gc.pad(x * 2, widths, mode))(a)
    np.testing.assert_array_equal(found, np.pad(a * 2, widths, mode))


def test_a_line_too_short_for_its_padding_is_an_error() -> None:
    x = gc.placeholder("x", ("n", "m"))
    run = gc.compile([x], gc.pad(x, [(1, 1), (3, 3)], "reflect"))
    with pytest.raises(gc.IndexRangeError, match="out of range for axis 1"):
        run(np.zeros((5, 3), np.float32))
    with pytest.raises(gc.IndexRangeError, match="out of range for axis 0"):
        run(np.zeros((1, 9), np.float32))


@pytest.mark.parametrize("named", [True, False], ids=["named", "fixed"])
@pytest.mark.parametrize("count", [2, 3, 4, 5])
@pytest.mark.parametrize("shape", [(1,), (67,), (5, 40), (3, 1, 33), (0, 3)], ids=str)
def test_stacked_arrays_agree_with_numpy(shape: tuple[int, ...], count: int, named: bool) -> None:
    x = gc.placeholder("x", tuple("nmk"[: len(shape)]) if named else shape)
    parts = [x + k for k in range(count)]
    a = RNG.integers(-9, 9, shape).astype(np.float32)
    found = gc.compile([x], [gc.stack(parts, -1), gc.stack(parts, -1) * gc.stack(parts, -1)])(a)
    expected = np.stack([a + k for k in range(count)], -1)
    np.testing.assert_array_equal(found[0], expected)
    np.testing.assert_array_equal(found[1], expected * expected)
