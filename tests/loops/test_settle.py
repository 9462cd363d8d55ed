"""What is known of a kernel before it runs is worked out; what it computes stays."""

import random
from dataclasses import replace

import numpy as np
import pytest

import graphc as gc
from graphc.backends.loops import expr as e
from graphc.backends.loops.settle import settled
from graphc.backends.loops.stmt import Assign, Declare, For, If, Let, LoopKernel, Param, Stmt, Store
from graphc.backends.reference import evaluate
from graphc.ir.dtypes import bool_, float32, int64

ZERO, ONE = e.const(0, int64), e.const(1, int64)
CHUNK, INDEX, N, W = (e.var(name) for name in ("chunk", "i", "n", "w"))
VALUE = e.load("a", INDEX, float32)


def kept(*body: Stmt, chunks: e.Expr = ONE) -> tuple[Stmt, ...]:
    buffers = (Param("a", float32), Param("o", float32, True))
    return settled(LoopKernel("k", buffers, ("n",), chunks, body)).body


def stored(index: e.Expr) -> Store:
    return Store("o", index, VALUE)


def number(value: int) -> e.Expr:
    return e.const(value, int64)


def test_names_of_literals_go_and_index_arithmetic_is_done() -> None:
    body = (Let("w", e.minimum(e.var("chunk") * 8 + 8, 5)), Let("m", W * N), stored(W + INDEX))
    assert kept(*body) == (Let("m", number(5) * N), stored(number(5) + INDEX))


def test_a_name_means_what_was_said_last_and_nothing_after_its_scope() -> None:
    inner = For("i", ZERO, N, (Let("w", INDEX * 2), stored(W)))
    assert kept(Let("w", ONE), inner, stored(W)) == (inner, stored(ONE))
    shadow = For("w", ZERO, N, (stored(W),))
    assert kept(Let("w", ONE), shadow, stored(W)) == (shadow, stored(ONE))


def test_a_register_that_changes_is_no_literal() -> None:
    change = (Declare("w", ONE), Assign("w", W + 1), stored(W))
    assert kept(Let("w", ONE), *change) == change


def test_loops_that_never_run_and_branches_never_taken_go() -> None:
    yes, no = stored(number(3)), stored(number(4))
    assert kept(For("i", ONE, ONE, (yes,)), If(ONE < 1, (yes,))) == ()
    assert kept(If(ONE < 1, (yes,), (no,))) == (If(e.const(True, bool_), (no,)),)
    assert kept(If((ONE > 0) & (N > INDEX), (yes,), (no,))) == (If(N > INDEX, (yes,), (no,)),)
    assert kept(If(~((ONE > 0) | (N > INDEX)), (yes,), (no,))) == (If(e.const(True, bool_), (no,)),)


def test_the_variable_of_a_single_turn_is_known_but_not_that_of_vectors() -> None:
    turn = For("i", ONE, number(2), (stored(INDEX),))
    assert kept(turn) == (For("i", ONE, number(2), (Store("o", ONE, e.load("a", ONE, float32)),)),)
    vector = For("i", ONE, number(2), (stored(INDEX),), "vector", 8)
    assert kept(vector) == (vector,)


def test_blocks_of_several_chunks_have_the_size_that_all_of_them_have() -> None:
    begin = e.rem((CHUNK * 16) / 16, 16) * 64
    width = e.minimum((e.rem(CHUNK, 16) + 1) * 64, 1024) - e.var("begin")
    strip = Let("s", CHUNK / 16)
    body = (strip, Let("begin", begin), Let("w", width), stored(e.var("begin") + W + e.var("s")))
    want = (Let("begin", CHUNK * 64), stored(e.var("begin") + 64))
    assert kept(*body, chunks=number(16)) == want


def test_the_last_block_of_several_keeps_its_size() -> None:
    body = (Let("w", e.minimum(CHUNK * 64 + 64, 1000) - CHUNK * 64), stored(W))
    assert kept(*body, chunks=number(16)) == body


def test_a_loop_of_one_turn_in_every_chunk_is_said_to_be_one() -> None:
    loop = For("i", CHUNK * 8 / 8, (CHUNK + 1) * 8 / 8, (stored(INDEX),))
    assert kept(loop, chunks=number(2)) == (For("i", CHUNK, CHUNK + 1, (stored(INDEX),)),)


def test_nothing_is_known_of_chunks_whose_number_is_not() -> None:
    body = (Let("w", ONE), stored(W))
    assert kept(*body, chunks=N) == body


def test_a_register_may_be_anything() -> None:
    register, turn = Declare("w", ONE), For("i", ZERO, number(9), (Assign("w", W + 1),))
    body = (register, turn, Let("m", e.minimum(W, 5)), stored(e.var("m")), stored(W - 1))
    assert kept(*body, chunks=number(2)) == body


def test_sums_of_what_is_loaded_may_wrap_around() -> None:
    loaded = Let("w", e.load("a", INDEX, int64))
    body = (loaded, stored(e.minimum(W, W + 1)), If(W < W + 1, (stored(ZERO),)))
    assert kept(*body, chunks=number(2)) == body


def test_what_a_name_was_said_to_be_goes_with_the_name_it_was_said_of() -> None:
    again = For("i", ZERO, number(4), (Let("i", N), stored(e.minimum(W, 9)), stored(W - INDEX)))
    body = For("i", ZERO, number(8), (Let("w", INDEX + 1), again))
    assert kept(body, chunks=number(2)) == (
        replace(body, body=(Let("w", INDEX + 1), replace(again, body=(
            Let("i", N), stored(W), stored(W - INDEX),
        )))),
    )  # fmt: skip


OPS = {"add": 6, "sub": 4, "mul": 2, "div": 4, "rem": 4, "min": 3, "max": 3}


def random_index(rng: random.Random, names: list[e.Expr], depth: int) -> e.Expr:
    """Index arithmetic on names; divisors are literals."""
    if depth == 0 or rng.random() < 0.15:
        return rng.choice([*names, number(rng.choice([0, 1, 2, 3, 8, 64, -5]))])
    op = rng.choices([*OPS], [*OPS.values()])[0]
    a = random_index(rng, names, depth - 1)
    if op in ("div", "rem"):
        return e.binary(op, a, rng.choice([1, 2, 8, 16, 64]))
    b = random_index(rng, names, depth - 1)
    return e.binary(op, a, rng.choice([1, 2, 6, 8, 16]) if op == "mul" else b)


def number_of(x: e.Expr, values: dict[str, int]) -> int:
    """What an index or a comparison is; trees of the test alone."""
    if x.op == "var":
        return values[x.attr]
    if x.op == "const":
        return int(x.attr)
    a, b = (number_of(y, values) for y in x.args)
    exact = {"add": a + b, "sub": a - b, "mul": a * b, "min": min(a, b), "max": max(a, b)}
    exact |= {"eq": a == b, "ne": a != b, "lt": a < b, "le": a <= b, "gt": a > b, "ge": a >= b}
    if x.op in exact:
        return int(exact[x.op])
    quotient = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
    return quotient if x.op == "div" else a - quotient * b


def run(body: tuple[Stmt, ...], values: dict[str, int]) -> list[int]:
    """Where the statements of a scope store."""
    values, out = dict(values), []
    for s in body:
        if isinstance(s, Let):
            values[s.name] = number_of(s.value, values)
        elif isinstance(s, Store):
            out.append(number_of(s.index, values))
        elif isinstance(s, If):
            out += run(s.then if number_of(s.condition, values) else s.orelse, values)
        elif isinstance(s, For):
            for k in range(number_of(s.begin, values), number_of(s.end, values)):
                out += run(s.body, values | {s.var: k})
    return out


@pytest.mark.parametrize("seed", range(40))
def test_random_index_arithmetic_keeps_its_values(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(10):
        chunks = rng.choice([1, 2, 5, 16])
        lets = [Let("p", random_index(rng, [CHUNK], 3))]
        lets.append(Let("q", random_index(rng, [CHUNK, e.var("p")], 3)))
        names = [CHUNK, INDEX, e.var("p"), e.var("q"), e.var("r")]
        begin = random_index(rng, names[:1], 2)
        a, b, c, d = (random_index(rng, names, 3) for _ in range(4))
        order = rng.choice(["eq", "ne", "lt", "le", "gt", "ge"])
        inner = If(e.compare(order, a, b), (stored(c), Let("p", d)), (stored(d),))
        shadow = Let("q", random_index(rng, names, 2))
        end = begin + rng.choice([0, 1, 3])
        first = Let("r", random_index(rng, names[:4], 3))
        loop = For("i", begin, end, (first, inner, shadow, stored(a), stored(c)))
        body = (*lets, loop, stored(e.var("q")))
        plain = tuple(replace(s, value=ZERO) if isinstance(s, Store) else s for s in body)
        after = kept(*plain, chunks=number(chunks))
        for chunk in range(chunks):
            assert run(after, {"chunk": chunk}) == run(plain, {"chunk": chunk})


@pytest.mark.parametrize(
    ("sizes", "target"),
    [
        ((4, 3, 5), "cpu"),
        ((1, 1, 1), "cpu"),
        ((9, 17, 2), "cpu"),
        ((40, 4, 33), "cpu"),
        ((4, 3, 5), "numba"),
    ],
)
def test_small_products_keep_their_values(sizes: tuple[int, int, int], target: str) -> None:
    rows, inner, columns = sizes
    a, b = (gc.placeholder(n, s) for n, s in (("a", (2, rows, inner)), ("b", (2, inner, columns))))
    rng = np.random.default_rng(0)
    feeds = {x: rng.normal(size=x.shape).astype(np.float32) for x in (a, b)}
    outputs = [a @ b, gc.sum(a[0] @ b[0])]
    found = gc.compile([a, b], outputs, target=target)(*feeds.values())
    for got, want in zip(found, evaluate(outputs, feeds), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)
