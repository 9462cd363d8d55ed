"""Steps of random graphs that have structure: loops, branches, batches, order, linear algebra."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import graphc as gc
from graphc import nn
from graphc.ir.node import Tensor
from tests.fuzz.graphs import STEPS, Drawing, along, has_axes

FUNCTIONS = (gc.tanh, gc.sin, gc.sigmoid, gc.arctan, nn.silu, lambda x: x * 0.5)


def _function(drawing: Drawing) -> Callable[[Tensor], Tensor]:
    return FUNCTIONS[drawing.rng.integers(len(FUNCTIONS))]


def _choice(drawing: Drawing) -> Tensor:
    """Whether an argument has a positive sum."""
    x = drawing.pick(lambda a: a in drawing.feeds and a.dtype.is_float)
    assert x is not None
    return gc.sum(x) > 0.25


def _branches(drawing: Drawing) -> Callable[[Tensor], Tensor]:
    f, g, p = _function(drawing), _function(drawing), _choice(drawing)
    return lambda x: gc.cond(p, f, lambda y: g(y) + 0.25, x)


def _loop(drawing: Drawing) -> Callable[[Tensor], Tensor]:
    """A scan over the first axis."""
    f, g = _function(drawing), _function(drawing)
    way = int(drawing.rng.integers(6))
    how: dict[str, Any] = {"reverse": drawing.coin()}
    if drawing.rng.random() < 0.25:
        how["segment"] = int(drawing.rng.integers(1, 4))
    inner = _choice(drawing) if way == 3 else None

    def run(x: Tensor) -> Tensor:
        def body(c: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
            new = f(c * 0.5 + a)
            if way == 1:
                return new, gc.sum(new * a)
            if way == 2 and a.ndim:
                return new, gc.scan(lambda d, b: (g(d + b), d * b), gc.zeros_like(a[0]), a)[1]
            if inner is not None:
                return gc.cond(inner, lambda v: g(v), lambda v: v * 0.75, new), new
            if way == 4 and a.ndim:
                return gc.softmax(new, -1), gc.max(a, -1)
            return new, g(c) + a

        last, ys = gc.scan(body, gc.zeros(x.shape[1:], x.dtype), x, **how)
        return last if drawing.seed % 3 == 0 and way != 1 else ys

    return run


def _inside(drawing: Drawing) -> Callable[[Tensor], Tensor]:
    """What may be done with each row of a batch."""
    ways: list[Callable[[Tensor], Tensor]] = [
        _branches(drawing),
        lambda x: gc.sort(x, -1) if x.ndim else x,
        lambda x: gc.cumsum(x, 0) if x.ndim else x,
        lambda x: gc.softmax(x, -1) if x.ndim else x,
        lambda x: (
            gc.scan(lambda c, a: (gc.tanh(c + a), c), gc.zeros_like(x[0]), x)[1] if x.ndim else x
        ),
        lambda x: x * gc.sum(x),
        lambda x: gc.grad(gc.sum(gc.sin(x) * x), x),
    ]
    return ways[drawing.rng.integers(len(ways))]


def _with_axis(make: Callable[[Drawing], Callable[[Tensor], Tensor]]) -> Any:
    def step(drawing: Drawing) -> Tensor | None:
        x = drawing.pick(has_axes)
        return None if x is None else make(drawing)(x)

    return step


def _vmap(drawing: Drawing) -> Callable[[Tensor], Tensor]:
    f, last = _inside(drawing), drawing.coin()

    def run(x: Tensor) -> Tensor:
        axis = x.ndim - 1 if last else 0
        return gc.vmap(f, in_axes=axis, out_axes=0)(x)

    return run


def _bounded(drawing: Drawing) -> Callable[[Tensor], Tensor]:
    """A while loop of a few steps."""
    f = _function(drawing)
    count = int(drawing.rng.integers(0, 4))

    def run(x: Tensor) -> Tensor:
        _, y = gc.while_loop(
            lambda s: s[0] < count, lambda s: (s[0] + 1, f(s[1]) + 0.125), (gc.constant(0), x), 5
        )
        return y

    return run


def _definite(x: Tensor) -> Tensor:
    """A positive definite matrix made of the last two axes."""
    n = x.shape[-2]
    return gc.matmul(x, gc.matrix_transpose(x)) / (x.shape[-1] + 1) + 2 * gc.eye(n, dtype=x.dtype)


def _linear(f: Callable[[Tensor, Tensor], Tensor]) -> Any:
    def step(drawing: Drawing) -> Tensor | None:
        x = drawing.pick(lambda x: x.ndim > 1)
        return None if x is None else f(_definite(x), x)

    return step


def _topk(drawing: Drawing) -> Tensor | None:
    x = drawing.pick(lambda x: x.ndim > 0 and any(isinstance(d, int) and d > 0 for d in x.shape))
    if x is None:
        return None
    axes = [k for k, d in enumerate(x.shape) if isinstance(d, int) and d > 0]
    k = axes[drawing.rng.integers(len(axes))]
    count = int(drawing.rng.integers(1, x.shape[k] + 1))
    return gc.topk(x, count, k, drawing.coin())[0]


def _in_order(x: Tensor, axis: int) -> Tensor:
    return gc.take_along_axis(x, gc.argsort(x, axis), axis)


def _scatter_some(drawing: Drawing) -> Tensor | None:
    """Some rows written, several to the same place."""
    x = drawing.pick(lambda x: x.ndim > 0 and isinstance(x.shape[0], int) and x.shape[0] > 0)
    if x is None:
        return None
    rows = drawing.indices("n", x.shape[0])
    new = drawing.pick(lambda y: y.ndim == x.ndim and y.shape[1:] == x.shape[1:])
    assert new is not None
    values = gc.broadcast_to(gc.mean(new, axis=0, keepdims=True), ("n", *x.shape[1:]))
    way = str(drawing.rng.choice(["add", "multiply", "max", "min"]))
    return getattr(x.at[rows], way)(values * 0.5)


def _convolve(drawing: Drawing) -> Tensor | None:
    x = drawing.pick(lambda x: x.ndim > 1 and isinstance(x.shape[-2], int))
    if x is None:
        return None
    channels, rows = x.shape[-2], gc.reshape(x, (-1, *x.shape[-2:]))
    w = drawing.argument((int(drawing.rng.choice([1, 3, 4])), channels, 3))
    y = nn.conv(rows, w, stride=1 + drawing.coin(), padding=1)
    return nn.average_pool(y, 2, 1, padding=1) if drawing.coin() else y


def _pool(drawing: Drawing) -> Tensor | None:
    x = drawing.pick(lambda x: x.ndim > 1)
    if x is None:
        return None
    f = nn.max_pool if drawing.coin() else nn.average_pool
    return f(gc.reshape(x, (-1, 1, *x.shape[-1:])), 3, 1 + drawing.coin(), padding=1)


def _attend(drawing: Drawing) -> Tensor | None:
    x = drawing.pick(lambda x: x.ndim > 1 and isinstance(x.shape[-1], int))
    if x is None:
        return None
    y = drawing.pick(lambda y: y.ndim == x.ndim and y.shape[:-2] == x.shape[:-2])
    if y is None or y.shape[-1] != x.shape[-1]:
        y = x
    mask = nn.causal_mask(x.shape[-2]) if y is x and drawing.coin() else None
    return nn.attention(x, y, gc.sin(y), mask)


def _normalised(x: Tensor, axis: int) -> Tensor:
    centred = x - gc.mean(x, axis, keepdims=True)
    return centred / gc.sqrt(gc.mean(centred * centred, axis, keepdims=True) + 0.25)


def _spectrum(x: Tensor, axis: int) -> Tensor:
    re, im = gc.fft.fft(x, axis=axis)
    return gc.hypot(re, im + 0.25) / (x.shape[axis] + 1)


def _placed(drawing: Drawing) -> Tensor | None:
    """A block of a tensor at a place that an argument says, and another in its stead."""
    x = drawing.pick(lambda x: any(isinstance(d, int) and d > 1 for d in x.shape))
    if x is None:
        return None
    k = next(k for k, d in enumerate(x.shape) if isinstance(d, int) and d > 1)
    start = drawing.indices(1, 1)[0] % (x.shape[k] - 1)
    part = gc.dynamic_slice(x, [start], [2], axes=[k])
    if drawing.coin():
        return part
    return gc.dynamic_update_slice(x, gc.flip(part, k) * 0.5, [start], axes=[k])


def _second(drawing: Drawing) -> Tensor:
    """The gradient of a function of a tensor, of which the gradient is taken again."""
    x = drawing.pick()
    f = _function(drawing)
    y = gc.exp(gc.mean(gc.square(f(x)) + x * 0.25))
    return gc.grad(gc.sum(y), x)


def _checkpointed(drawing: Drawing) -> Callable[[Tensor], Tensor]:
    f, g = _function(drawing), _function(drawing)
    return gc.checkpoint(lambda x: g(f(x) * x + gc.max(x, -1, keepdims=True)))


def _random(drawing: Drawing) -> Tensor:
    x = drawing.pick()
    key = gc.random.key(int(drawing.rng.integers(100)))
    return x * (gc.random.uniform(key, x.shape, dtype=x.dtype) + 0.5)


def _tied(drawing: Drawing) -> Tensor:
    """An argument in whole numbers, of which many are equal."""
    x = drawing.pick(lambda a: a in drawing.feeds and a.dtype.is_float)
    return gc.floor(x * 1.5) + x * 0


STRUCTURES: dict[str, Callable[[Drawing], Tensor | None]] = {
    "scan": _with_axis(_loop),
    "cond": _with_axis(_branches),
    "vmap": _with_axis(_vmap),
    "while": _with_axis(_bounded),
    "checkpoint": _with_axis(_checkpointed),
    "solve": _linear(gc.linalg.solve),
    "cholesky": _linear(lambda a, x: gc.linalg.cholesky(a)),
    "inverse": _linear(lambda a, x: gc.linalg.inv(a)),
    "determinant": _linear(lambda a, x: gc.linalg.slogdet(a)[1]),
    "topk": _topk,
    "in_order": along(_in_order),
    "scatter_some": _scatter_some,
    "convolve": _convolve,
    "pool": _pool,
    "attend": _attend,
    "normalised": along(_normalised),
    "spectrum": along(_spectrum),
    "placed": _placed,
    "second": _second,
    "random": _random,
    "tied": _tied,
    "cummin": along(gc.cummin),
    "cumprod": along(lambda x, axis: gc.cumprod(gc.tanh(x) + 0.5, axis)),
    "cumlogsumexp": along(gc.cumlogsumexp),
    "median": along(lambda x, axis: gc.median(x, axis)),
    "repeat": along(lambda x, axis: gc.repeat(x, 2, axis)),
    "std": along(lambda x, axis: gc.sqrt(gc.var(x, axis) + 0.5)),
    "prod": along(lambda x, axis: gc.prod(gc.tanh(x) + 0.5, axis)),
    "below_the_greatest": along(lambda x, axis: x - gc.max(x, axis, keepdims=True)),
}
#: Half of the steps of such a graph, about, are structures.
ALL = {**STEPS, **STRUCTURES}
