"""vmap of loops and branches within each other: what a Python loop over the samples gives."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from graphc.ir.node import Tensor
from tests.control.unrolling import draw, on_targets
from tests.support.run import evaluate

SAMPLES, TIME, WIDTH = 5, 4, 3

X = draw(SAMPLES, TIME, WIDTH)
CHOICE = np.array([1, 0, 2, 5, -3])


def branches(c: Tensor) -> list[Callable[[Tensor], Tensor]]:
    """Three functions of which two read what is around them."""
    return [gc.sin, lambda y: y * c, lambda y: y / (1 + gc.sum(c * c))]


def scan_in_scan(x: Tensor, k: Tensor) -> Any:
    def outer(c: Tensor, v: Tensor) -> Any:
        last, rows = gc.scan(lambda d, s: (gc.tanh(d + s * v), d * s), c, v, reverse=True)
        return last, gc.sum(rows, 0)

    return gc.scan(outer, x[0], x)


def switch_in_scan(x: Tensor, k: Tensor) -> Any:
    def step(state: Any, v: Tensor) -> Any:
        t, c = state
        new = gc.switch(t % 3, branches(c), v)
        return (t + 1, new + c), new

    (_, last), rows = gc.scan(step, (k + 3, x[0]), x)
    return last, rows


def cond_in_cond_in_scan(x: Tensor, k: Tensor) -> Any:
    def inner(c: Tensor, v: Tensor) -> Tensor:
        return gc.cond(c[0] > 0, lambda c: gc.sin(c) * v, lambda c: c + v, c)

    def step(c: Tensor, v: Tensor) -> Any:
        new = gc.cond(v[0] > 0, lambda c: inner(c, v) * 2, lambda c: c - v * v, c)
        return new, gc.sum(new)

    return gc.scan(step, x[0] * 0.5, x)


def scan_in_switch(x: Tensor, k: Tensor) -> Any:
    def along(reverse: bool) -> Callable[[Tensor], Any]:
        return lambda y: gc.scan(lambda c, v: (gc.sin(c) + v, c * v), y[1], x, None, reverse)

    return gc.switch(k, [along(False), along(True), lambda y: (y[0], y * y)], x)


def bounded_loop_in_scan(x: Tensor, k: Tensor) -> Any:
    def step(c: Tensor, v: Tensor) -> Any:
        grown = gc.while_loop(lambda y: gc.sum(y * y) < 4, lambda y: y * 1.5 + v, c, max_steps=6)
        return gc.tanh(grown), grown

    return gc.scan(step, x[0], x)


def loop_in_scan(x: Tensor, k: Tensor) -> Any:
    def step(c: Tensor, v: Tensor) -> Any:
        n, grown = gc.while_loop(
            lambda s: (gc.sum(s[1] * s[1]) < 9) & (s[0] < k + 5),
            lambda s: (s[0] + 1, s[1] * 2 + v),
            (gc.constant(0), c),
        )
        return gc.tanh(grown), n.astype(gc.float64)

    return gc.scan(step, x[0], x)


def scan_in_loop(x: Tensor, k: Tensor) -> Any:
    def body(state: Any) -> Any:
        n, c = state
        return n + 1, gc.scan(lambda d, v: (gc.tanh(d + v) + d, None), c, x)[0]

    return gc.while_loop(lambda s: (s[0] < 7) & (gc.sum(s[1]) < 6), body, (k, x[0]))[1:]


def segments(x: Tensor, k: Tensor) -> Any:
    return gc.scan(lambda c, v: (gc.sin(c) * v + x[1], c * v), x[0], x, segment=3)


SMOOTH = {
    f.__name__: f
    for f in (
        scan_in_scan, switch_in_scan, cond_in_cond_in_scan, scan_in_switch, bounded_loop_in_scan,
        segments,
    )
}  # fmt: skip
OTHER = {f.__name__: f for f in (loop_in_scan, scan_in_loop)}


def value_and_slope(f: Callable[..., Any]) -> Callable[..., list[Tensor]]:
    """f with the gradient of something made of all its results."""

    def g(x: Tensor, k: Tensor) -> list[Tensor]:
        results = list(f(x, k))
        loss = sum((gc.sum(gc.sin(y)) for y in results[1:]), start=gc.sum(gc.cos(results[0])))
        return [*results, gc.grad(loss, x)]

    return g


def check_is_a_loop(f: Callable[..., Any], target: str) -> None:
    xs, ks = gc.placeholder("xs", X.shape, gc.float64), gc.placeholder("ks", (SAMPLES,), gc.int64)
    found = evaluate(list(gc.vmap(f)(xs, ks)), {xs: X, ks: CHOICE}, target)
    x, k = gc.placeholder("x", X.shape[1:], gc.float64), gc.placeholder("k", (), gc.int64)
    one = list(f(x, k))
    each = [evaluate(one, {x: a, k: b}) for a, b in zip(X, CHOICE, strict=True)]
    for ours, theirs in zip(found, map(np.stack, zip(*each, strict=True)), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12, strict=True)


@on_targets
@pytest.mark.parametrize("name", SMOOTH)
def test_batches_of_nested_loops_and_of_their_gradients(name: str, target: str) -> None:
    check_is_a_loop(value_and_slope(SMOOTH[name]), target)


@on_targets
@pytest.mark.parametrize("name", OTHER)
def test_batches_of_loops_that_end_by_themselves(name: str, target: str) -> None:
    check_is_a_loop(lambda x, k: list(OTHER[name](x, k)), target)


@on_targets
def test_a_batch_of_batches_of_a_scan(target: str) -> None:
    x, w = gc.placeholder("x", X.shape, gc.float64), gc.placeholder("w", (2, WIDTH), gc.float64)
    feeds = {x: X, w: draw(2, WIDTH)}

    def one(x: Tensor, w: Tensor) -> Tensor:
        last, rows = gc.scan(lambda c, v: (gc.tanh(c * w) + v, c), x[0] * 0, x)
        return last + gc.sum(rows, 0)

    table = gc.vmap(lambda a: gc.vmap(lambda b: one(a, b))(w))(x)
    wanted = gc.stack([gc.stack([one(x[i], w[j]) for j in range(2)]) for i in range(SAMPLES)])
    (found,), (expected,) = evaluate([table], feeds, target), evaluate([wanted], feeds)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def conv_net() -> tuple[nn.Layer, Callable[[Tensor], Tensor], tuple[int, ...]]:
    options: Any = {"dtype": "float64", "seed": 1}
    net = nn.Sequential(
        nn.conv2d(1, 3, 3, padding=1, activation=nn.relu, **options),
        nn.MaxPool(2),
        nn.conv2d(3, 4, 2, activation=nn.tanh, **options),
        nn.global_average_pool,
        nn.Dense(4, 3, **options),
    )
    return net, net, (1, 6, 6)


def lstm() -> tuple[nn.Layer, Callable[[Tensor], Tensor], tuple[int, ...]]:
    options: Any = {"dtype": "float64", "seed": 1}
    net, head = nn.LSTM(2, 4, bidirectional=True, **options), nn.Dense(8, 3, **options)

    def logits(x: Tensor) -> Tensor:
        return head(gc.mean(net(gc.transpose(x, (1, 0, 2)))[0], 0))

    return nn.Sequential(net, head), logits, (6, 2)  # type: ignore[arg-type]


@on_targets
@pytest.mark.parametrize("make", [conv_net, lstm])
def test_gradients_of_each_sample_are_those_of_samples_one_by_one(make: Any, target: str) -> None:
    model, net, shape = make()
    params = model.parameters()
    x, t = gc.placeholder("x", ("n", *shape), gc.float64), gc.placeholder("t", ("n",), gc.int64)

    def slopes(x: Tensor, t: Tensor) -> list[Tensor]:
        loss = nn.cross_entropy(net(gc.expand_dims(x, 0)), gc.expand_dims(t, 0))
        found: list[Tensor] = gc.grad(loss, params)
        return found

    images, labels = draw(4, *shape), np.array([0, 2, 1, 2])
    found = evaluate(gc.vmap(slopes)(x, t), {x: images, t: labels}, target)
    one, label = gc.placeholder("one", shape, gc.float64), gc.placeholder("label", (), gc.int64)
    single = slopes(one, label)
    each = [evaluate(single, {one: a, label: b}) for a, b in zip(images, labels, strict=True)]
    for ours, theirs in zip(found, map(np.stack, zip(*each, strict=True)), strict=True):
        assert np.abs(theirs).max() > 0
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12, strict=True)
