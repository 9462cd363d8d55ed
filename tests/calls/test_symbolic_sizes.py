"""One compilation serves every size, and a function never takes one call's sizes for another's."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from graphc.backends.llvm import engine
from graphc.backends.reference import evaluate
from graphc.ir.errors import ArgumentError
from graphc.ir.node import Tensor

ROWS = (1, 7, 128, 10_000, 0, 3)
WIDTH = 12
WEIGHTS = np.random.default_rng(1).normal(0, 0.4, (WIDTH, WIDTH)).astype(np.float32)


def layer_norm(x: Tensor) -> Tensor:
    centred = x - gc.mean(x, axis=1, keepdims=True)
    return centred / gc.sqrt(gc.mean(centred * centred, axis=1, keepdims=True) + 1e-5)


def slopes(x: Tensor) -> Tensor:
    y = gc.tanh(layer_norm(x) @ gc.constant(WEIGHTS))
    return gc.grad(gc.sum(gc.logsumexp(y, axis=1)), [x])[0]


GRAPHS: dict[str, Callable[[Tensor], Tensor | Sequence[Tensor]]] = {
    "softmax": lambda x: gc.exp(x - gc.logsumexp(x, axis=1, keepdims=True)),
    "layer norm": layer_norm,
    "logsumexp of columns": lambda x: gc.logsumexp(gc.concat([x, gc.ones((1, WIDTH))]), axis=0),
    "product": lambda x: gc.tanh(x @ gc.constant(WEIGHTS) + 1),
    "product over rows": lambda x: x.T @ x,
    "product of rows": lambda x: gc.sum((x[:50] @ x.T) * 0.01, axis=0),
    "gather": lambda x: gc.take(gc.constant(WEIGHTS), gc.argmax(x, axis=1), axis=0) * x,
    "concat": lambda x: gc.concat([x, x * 2, x[:1]], axis=0),
    "slices": lambda x: (x[1:] - x[:-1], x[::2], gc.flip(x, axis=0)),
    "padded": lambda x: gc.cumsum(gc.pad(x, ((2, 1), (0, 0))), axis=0) * 1e-2,
    "reshaped": lambda x: gc.sum(x.reshape(-1).reshape(-1, 3, 4), axis=1),
    "sorted": lambda x: gc.sort(x, axis=0),
    "sizes": lambda x: (gc.mean(gc.concat([x, x]), axis=0), gc.arange(x.shape[0] * 2)),
    "gradient": slopes,
    "scan": lambda x: gc.scan(lambda c, v: (gc.tanh(c + v), c), gc.zeros((WIDTH,)), x),
}
UNDEFINED = {("sizes", 0), ("concat", 0), ("slices", 0)}  # an index or a mean of nothing


@pytest.mark.parametrize("name", GRAPHS)
def test_one_compilation_serves_every_number_of_rows(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = gc.placeholder("x", ("n", WIDTH))
    result = GRAPHS[name](x)
    outputs = list(result) if isinstance(result, tuple) else [result]
    run = gc.compile([x], outputs)

    def compiles(*_: Any, **__: Any) -> bytes:
        raise AssertionError("a call compiled")

    monkeypatch.setattr(engine, "compile_object", compiles)
    for rows in ROWS:
        if (name, rows) in UNDEFINED:
            continue
        value = np.random.default_rng(rows).normal(size=(rows, WIDTH)).astype(np.float32)
        with np.errstate(all="ignore"):
            wanted = evaluate(outputs, {x: value})
        for ours, theirs in zip(run(value), wanted, strict=True):
            scale = np.abs(theirs).max(initial=1)
            np.testing.assert_allclose(ours, theirs, 1e-4, 1e-5 * scale, strict=True)


def test_two_sizes_are_told_apart() -> None:
    x, y = gc.placeholder("x", ("n", "k")), gc.placeholder("y", ("k", "m"))
    run = gc.compile([x, y], (x @ y, gc.sum(x, axis=0) + gc.sum(y, axis=1)))
    rng = np.random.default_rng(0)
    for n, k, m in ((2, 3, 4), (4, 3, 2), (70, 33, 17), (1, 0, 5), (0, 4, 1), (17, 70, 33)):
        a, b = (rng.normal(size=s).astype(np.float32) for s in ((n, k), (k, m)))
        product, sums = run(a, b)
        np.testing.assert_allclose(product, a @ b, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(sums, a.sum(0) + b.sum(1), rtol=1e-4, atol=1e-4)


def test_sizes_that_should_agree_are_checked_at_the_call() -> None:
    x, y = gc.placeholder("x", ("n", 3)), gc.placeholder("y", ("n",))
    run = gc.compile([x, y], x * y[:, None])
    run(np.ones((2, 3), np.float32), np.ones(2, np.float32))
    with pytest.raises(ArgumentError, match=r"size n is 2 .* but 4"):
        run(np.ones((2, 3), np.float32), np.ones(4, np.float32))
    with pytest.raises(ArgumentError, match="axis 1 has length 4, not 3"):
        run(np.ones((2, 4), np.float32), np.ones(2, np.float32))


def test_a_size_may_be_called_like_anything_inside() -> None:
    for name in ("chunk", "i0", "a0", "status"):
        x = gc.placeholder("x", (name, 5))
        run = gc.compile([x], (gc.sum(x, axis=0), gc.cumsum(gc.sort(x, axis=0), axis=0)))
        value = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)
        sums, ordered = run(value)
        np.testing.assert_allclose(sums, value.sum(0), rtol=1e-5)
        np.testing.assert_allclose(ordered, np.sort(value, 0).cumsum(0), rtol=1e-5)


@pytest.mark.parametrize("target", ["cpu", "numba", "reference"])
def test_sizes_that_make_a_length_negative_are_refused(target: str) -> None:
    x, y = gc.placeholder("x", ("m", 1, "n")), gc.placeholder("y", ("k",))
    kernel = gc.constant(np.ones((1, 1, 5), np.float32))
    seen = gc.cumsum(nn.conv(x, kernel), axis=2)
    run = gc.compile([x, y], [gc.sum(seen), gc.cumsum(gc.cumsum(y))], target=target)
    ones = np.ones(6, np.float32)
    wanted = r"the length -4 \+ n would be -1, as n = 3\n  convolution: f32\[m, 1, -4 \+ n\]"
    for rows in (1, 0, 1000):
        with pytest.raises(ArgumentError, match=wanted):
            run(np.ones((rows, 1, 3), np.float32), ones)
    assert run(np.ones((2, 1, 4), np.float32), ones)[0] == 0
    assert run(np.ones((2, 1, 6), np.float32), ones)[0] == 2 * (5 + 10)


def test_lengths_inside_loops_are_looked_at_and_those_of_branches_are_not() -> None:
    x = gc.placeholder("x", ("n",))

    def pairs(x: Tensor) -> Tensor:
        return gc.sum(gc.zeros((x.shape[0] - 1,)) + 1)

    loop = gc.compile([x], gc.scan(lambda c, v: (c + pairs(x) * v, v), gc.zeros(()), x)[0])
    assert loop(np.ones(3, np.float32)) == 6
    with pytest.raises(ArgumentError, match="the length -1 \\+ n would be -1, as n = 0"):
        loop(np.ones(0, np.float32))
    enough = gc.sum(gc.ones_like(x)) > 0
    branch = gc.compile([x], gc.cond(enough, lambda: pairs(x), lambda: gc.constant(7.0)))
    assert branch(np.ones(3, np.float32)) == 2
    assert branch(np.ones(0, np.float32)) == 7
