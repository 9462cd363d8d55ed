"""Code beside a tile of sums does not take its registers."""

import re
from dataclasses import replace

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from graphc.backends.loops import expr as e
from graphc.backends.loops.apart import TILE, apart
from graphc.backends.loops.stmt import (
    Alloc,
    Apart,
    Assign,
    Declare,
    For,
    If,
    Let,
    LoopKernel,
    Param,
    Stmt,
    Store,
)
from graphc.dump.code import assembly_text
from graphc.ir.dtypes import float32, int64
from tests.lower.scheduled import program_of
from tests.support.kernels import Compiled

T, K, M = (e.var(name) for name in "tkm")
ZERO = e.const(0.0, float32)


def loop(name: str, count: int, *body: Stmt) -> For:
    return For(name, e.const(0, int64), e.const(count, int64), body)


def vector(buffer: str, place: e.Expr) -> e.Expr:
    return e.load(buffer, e.ramp(place, 4), float32)


def tile(count: int = TILE) -> For:
    """Sums of rows of x: `count` vectors for each of two places t."""
    names = [f"s{k}" for k in range(count)]
    sums = [e.var(name, float32, 4) for name in names]
    added = (Assign(n, s + vector("x", K * 4)) for n, s in zip(names, sums, strict=True))
    stores = (Store("sums", e.ramp(e.const(4 * k, int64), 4), s) for k, s in enumerate(sums))
    declared = (Declare(n, e.broadcast(ZERO, 4)) for n in names)
    return loop("j", 1, *declared, loop("k", 3, *added), *stores)


def curve(x: e.Expr) -> e.Expr:
    for k in range(3):
        x = x * (0.5 + k) + (1.5 + k)
    return x


def ending(value: e.Expr | None = None) -> For:
    """y[t] from the sums."""
    value = curve(vector("sums", M * 4)) if value is None else value
    return loop("m", TILE, Store("y", e.ramp(T * (4 * TILE) + M * 4, 4), value))


def kernel(*body: Stmt) -> LoopKernel:
    alloc = Alloc("sums", float32, 4 * TILE)
    params = (Param("x", float32), Param("y", float32, writes=True))
    return LoopKernel("k", params, (), e.const(1, int64), (alloc, loop("t", 2, *body)))


def found(*body: Stmt) -> tuple[Stmt, ...]:
    (_, around) = apart(kernel(*body)).body
    assert isinstance(around, For)
    return around.body


def test_what_has_many_constants_is_apart() -> None:
    assert found(tile(), ending()) == (tile(), Apart((ending(),)))
    asked = If(T < 1, (ending(),))
    assert found(asked, tile()) == (Apart((asked,)), tile())
    function = ending(e.math("tanh", vector("sums", M * 4)))
    assert found(tile(), function)[1] == Apart((function,))


def test_what_takes_few_registers_stays() -> None:
    few = ending(vector("sums", M * 4) * 0.5 + 1.5)
    for body in ((tile(), few), (tile(TILE - 1), ending()), (ending(),)):
        assert found(*body) == body


def test_code_that_runs_once_stays() -> None:
    once = kernel(loop("u", 2, tile()))
    once = replace(once, body=(*once.body, ending()))
    assert apart(once) == once


def test_what_uses_registers_of_others_stays() -> None:
    outside = Declare("r", ZERO)
    using = ending(curve(vector("sums", M * 4) + e.broadcast(e.var("r", float32), 4)))
    writing = loop("m", 2, Assign("r", e.const(2.0, float32)), ending())
    for body in ((outside, tile(), using), (outside, tile(), writing)):
        assert found(*body) == body


def test_a_part_gets_what_it_uses() -> None:
    scale = Let("scale", e.cast(T + 1, float32))
    spread = e.broadcast(e.var("scale", float32), 4)
    wide = Let("wide", vector("x", T * 4))
    end = ending(curve(vector("sums", M * 4) * spread + e.var("wide", float32, 4)))
    assert isinstance(found(scale, wide, tile(), end)[3], Apart)
    x = np.random.default_rng(0).random(12, np.float32)
    y, plain = (np.zeros((2, TILE, 4), np.float32) for _ in range(2))
    body = kernel(scale, wide, tile(), end)
    Compiled(body)(x, plain)
    Compiled(apart(body))(x, y)
    assert y.any()
    np.testing.assert_array_equal(y, plain)


def test_what_a_part_gets_may_be_called_anything() -> None:
    """As the part's own values are, too."""
    names = [f"{letter}{k}" for letter in "vin" for k in range(1, 20)]
    lets = [Let(name, e.cast(T + k, float32)) for k, name in enumerate(names)]
    scale = sum((e.var(name, float32) for name in names), start=ZERO)
    body = kernel(*lets, tile(), ending(curve(vector("sums", M * 4) * e.broadcast(scale, 4))))
    x = np.random.default_rng(0).random(12, np.float32)
    y, plain = (np.zeros((2, TILE, 4), np.float32) for _ in range(2))
    Compiled(body)(x, plain)
    Compiled(apart(body))(x, y)
    assert y.any()
    np.testing.assert_array_equal(y, plain)


@pytest.mark.parametrize("rows", [128, "n"])
@pytest.mark.parametrize("end", [nn.gelu, gc.tanh, lambda x: gc.exp(x) + gc.erf(x)])
def test_sums_of_products_stay_in_registers(rows, end) -> None:  # type: ignore[no-untyped-def]
    """Whatever function a product ends with, its inner loop has no vector on the stack."""
    x, w = gc.placeholder("x", (rows, 256)), gc.placeholder("w", (256, 512))
    program = program_of([x, w], [end(x @ w)])
    text = assembly_text(program, "x86-64-v4")
    bodies = [body for body in inner_loops(text) if body.count("vfmadd231ps") >= TILE]
    assert bodies
    for body in bodies:
        assert not re.search(r"zmm\d+, -?\d*\(%r[sb]p\)", body)


def inner_loops(text: str) -> list[str]:
    """What lies between a label and the next jump back to it, without labels between."""
    found = []
    for block in re.split(r"^(?=\.\w+:)", text, flags=re.MULTILINE):
        label = block.partition(":")[0]
        jump = re.search(rf"\tj\w+\t{re.escape(label)}$", block, re.MULTILINE)
        if jump:
            found.append(block[: jump.start()])
    return found
