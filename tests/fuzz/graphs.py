"""Random whole graphs, with arguments on which their values and gradients are moderate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

import graphc as gc
from graphc.backends.reference import evaluate
from graphc.ir.dim_values import evaluate as evaluate_dim
from graphc.ir.node import Tensor

#: Values beyond this are squashed, so that rounding errors stay small too.
LARGEST = 8.0
SIZES = ("n", "m")

#: What a step of each name draws: a tensor, or None where there is nothing that suits.
Steps = Mapping[str, Callable[["Drawing"], Tensor | None]]


@dataclass(frozen=True, eq=False)
class Case:
    """A graph: its arguments with their arrays, some results, and a scalar that depends on them."""

    feeds: dict[Tensor, np.ndarray]
    outputs: list[Tensor]
    loss: Tensor
    wrt: list[Tensor]
    seed: int
    steps: list[str] = field(default_factory=list)

    def gradients(self) -> list[Tensor]:
        """The gradient of the loss by each floating argument."""
        return gc.grad(self.loss, self.wrt)


def draw_case(
    seed: int, steps: int = 12, dtype: str = "float64", kinds: Steps | None = None
) -> Case:
    """The random graph of this seed, of such steps (by default `STEPS`)."""
    return Drawing(seed, dtype, kinds).draw(steps)


class Drawing:
    """A graph being drawn: the tensors so far, each with its value."""

    def __init__(self, seed: int, dtype: str, kinds: Steps | None = None):
        self.seed, self.dtype = seed, dtype
        self.kinds = STEPS if kinds is None else kinds
        self.rng = np.random.default_rng(seed)
        self.sizes = {name: int(self.rng.integers(1, 6)) for name in SIZES}
        self.feeds: dict[Tensor, np.ndarray] = {}
        self.values: dict[Tensor, np.ndarray] = {}
        self.made: list[Tensor] = []
        self.used: set[Tensor] = set()
        self.steps: list[str] = []

    def draw(self, steps: int) -> Case:
        for _ in range(self.rng.integers(2, 5)):
            self.argument(self.shape())
        while len(self.steps) < steps:
            self.step()
        sinks = [x for x in self.made if x not in self.used and x not in self.feeds]
        outputs = [*sinks[:5], self.pick()]
        terms = [gc.mean(gc.sin(y)) for y in outputs]
        loss = sum(terms[1:], start=terms[0])
        wrt = [x for x in self.feeds if x.dtype.is_float]
        return Case(self.feeds, outputs, loss, wrt, self.seed, self.steps)

    def step(self) -> None:
        """One more operation, if it is possible and its value is sane."""
        name = str(self.rng.choice(list(self.kinds)))
        y = self.kinds[name](self)
        if y is None or y.ndim > 4:
            return
        value = self.value(y)
        if value.size > 5000 or not np.isfinite(value).all():
            return
        if value.size and np.abs(value).max() > LARGEST:
            y = gc.tanh(y) * 2
        self.steps.append(name)
        self.add(y)

    def add(self, x: Tensor) -> Tensor:
        self.values[x] = self.value(x)
        self.made.append(x)
        return x

    def value(self, x: Tensor) -> np.ndarray:
        with np.errstate(all="ignore"):
            return evaluate([x], {**self.feeds, **self.values})[0]

    def shape(self) -> list[int | str]:
        rank = int(self.rng.integers(0, 4))
        choices = [*SIZES, "n", "n", 1, 2, 3, 4, 5]
        return [choices[k] for k in self.rng.integers(0, len(choices), rank)]

    def argument(self, shape) -> Tensor:
        """A new argument."""
        x = gc.placeholder(f"x{len(self.feeds)}", tuple(shape), self.dtype)
        self.feeds[x] = self.rng.uniform(-2, 2, self.lengths(x)).astype(self.dtype)
        return self.add(x)

    def indices(self, count, limit: int) -> Tensor:
        """A new argument of `count` integers below a limit."""
        x = gc.placeholder(f"k{len(self.feeds)}", (count,), "int64")
        self.feeds[x] = self.rng.integers(-limit, limit, self.lengths(x))
        return x

    def lengths(self, x: Tensor) -> list[int]:
        return [evaluate_dim(d, self.sizes) for d in x.shape]

    def pick(self, suits: Callable[[Tensor], bool] = lambda x: True) -> Tensor | None:
        """One of the tensors that suit, a late one rather than an early one."""
        found = [x for x in self.made if suits(x)]
        if not found:
            return None
        weights = np.arange(1, len(found) + 1, dtype=float)
        x = found[self.rng.choice(len(found), p=weights / weights.sum())]
        self.used.add(x)
        return x

    def axis(self, x: Tensor) -> int:
        return int(self.rng.integers(x.ndim))

    def coin(self) -> bool:
        return bool(self.rng.random() < 0.5)


def has_axes(x: Tensor) -> bool:
    return x.ndim > 0


def _unary(f):
    return lambda drawing: f(drawing.pick())


def _fits(x: Tensor) -> Callable[[Tensor], bool]:
    def suits(y: Tensor) -> bool:
        short = min(x.ndim, y.ndim)
        pairs = zip(x.shape[x.ndim - short :], y.shape[y.ndim - short :], strict=True)
        return all(a == b or a == 1 or b == 1 for a, b in pairs)

    return suits


def _binary(f):
    def step(drawing: Drawing) -> Tensor:
        x = drawing.pick()
        y = drawing.pick(_fits(x))
        return f(x, y) if drawing.coin() else f(y, x)

    return step


def _with_number(f):
    return lambda drawing: f(drawing.pick(), float(drawing.rng.choice([-1, 0, 0.5, 1, 2, 3.25])))


def along(f):
    """A function of a tensor and one of its axes."""

    def step(drawing: Drawing) -> Tensor | None:
        x = drawing.pick(has_axes)
        return None if x is None else f(x, drawing.axis(x))

    return step


def _reduce(f):
    def step(drawing: Drawing) -> Tensor:
        x = drawing.pick()
        chosen = drawing.rng.random(x.ndim) < 0.5
        axes = tuple(int(k) for k in np.flatnonzero(chosen))
        return f(x, axis=axes, keepdims=drawing.coin())

    return step


def _masked(drawing: Drawing) -> Tensor:
    """A choice by a comparison of an argument, which no rounding can turn."""
    x = drawing.pick()
    y = drawing.pick(_fits(x))
    mask = drawing.pick(lambda a: a in drawing.feeds and _fits(x)(a) and _fits(y)(a))
    return gc.where(True if mask is None else mask > 0.25, x, y)


def _transpose(drawing: Drawing) -> Tensor:
    x = drawing.pick()
    return gc.transpose(x, [int(k) for k in drawing.rng.permutation(x.ndim)])


def _reshape(drawing: Drawing) -> Tensor | None:
    x = drawing.pick(has_axes)
    if x is None:
        return None
    k = drawing.axis(x)
    if drawing.coin() and k + 1 < x.ndim:
        return gc.reshape(x, (*x.shape[:k], x.shape[k] * x.shape[k + 1], *x.shape[k + 2 :]))
    if isinstance(x.shape[k], int) and x.shape[k] % 2 == 0:
        return gc.reshape(x, (*x.shape[:k], 2, x.shape[k] // 2, *x.shape[k + 1 :]))
    return gc.reshape(x, -1)


def _expand(drawing: Drawing) -> Tensor:
    x = drawing.pick()
    y = gc.expand_dims(x, int(drawing.rng.integers(x.ndim + 1)))
    return gc.broadcast_to(y, tuple(3 if d == 1 and drawing.coin() else d for d in y.shape))


def _slice(drawing: Drawing) -> Tensor | None:
    x = drawing.pick(lambda x: any(d == "n" or d != 1 for d in x.shape))
    if x is None:
        return None
    keys = [slice(1, None), slice(None, -1), slice(None, None, 2), slice(None, None, -1), slice(2)]
    key = [slice(None)] * x.ndim
    key[drawing.axis(x)] = keys[drawing.rng.integers(len(keys))]
    return _unless_empty(drawing, x[tuple(key)])


def _unless_empty(drawing: Drawing, x: Tensor) -> Tensor | None:
    return x if all(drawing.lengths(x)) else None


def _pad(drawing: Drawing) -> Tensor | None:
    x = drawing.pick(has_axes)
    if x is None:
        return None
    widths = [(0, 0)] * x.ndim
    widths[drawing.axis(x)] = (1, 2)
    mode = str(drawing.rng.choice(["constant", "edge"]))
    return gc.pad(x, widths, mode)


def _concat(drawing: Drawing) -> Tensor | None:
    x = drawing.pick(has_axes)
    if x is None:
        return None
    k = drawing.axis(x)
    rest = (*x.shape[:k], *x.shape[k + 1 :])
    y = drawing.pick(lambda y: y.ndim == x.ndim and (*y.shape[:k], *y.shape[k + 1 :]) == rest)
    return gc.concat([x, y], axis=k)


def _stack(drawing: Drawing) -> Tensor:
    x = drawing.pick()
    y = drawing.pick(lambda y: y.shape == x.shape)
    return gc.stack([x, y], axis=int(drawing.rng.integers(x.ndim + 1)))


def _product(drawing: Drawing) -> Tensor | None:
    """A product with a new matrix, or with another tensor that fits."""
    x = drawing.pick(has_axes)
    if x is None:
        return None
    if drawing.coin():
        y = drawing.pick(lambda y: y.ndim > 0 and y.shape[0] == x.shape[-1])
        if y is not None:
            return gc.tensordot(x, y, axes=1)
    d = x.shape[-1]
    w = drawing.argument((d, int(drawing.rng.integers(1, 5))))
    return gc.matmul(x, w)


def _gram(drawing: Drawing) -> Tensor | None:
    x = drawing.pick(lambda x: x.ndim > 1)
    return None if x is None else gc.matmul(x, gc.matrix_transpose(x))


def _take(drawing: Drawing) -> Tensor | None:
    x = drawing.pick(lambda x: any(isinstance(d, int) and d > 0 for d in x.shape))
    if x is None:
        return None
    axes = [k for k, d in enumerate(x.shape) if isinstance(d, int) and d > 0]
    k = axes[drawing.rng.integers(len(axes))]
    count = "n" if drawing.coin() else int(drawing.rng.integers(1, 4))
    return gc.take(x, drawing.indices(count, x.shape[k]), axis=k)


def _scatter(drawing: Drawing) -> Tensor | None:
    x = drawing.pick(lambda x: x.ndim > 0 and isinstance(x.shape[0], int) and x.shape[0] > 0)
    if x is None:
        return None
    rows = drawing.indices(3, x.shape[0])
    return x.at[rows].add(gc.broadcast_to(gc.constant(0.5, x.dtype), (3, *x.shape[1:])))


def _half(drawing: Drawing) -> Tensor:
    """A step through integers: the sign of an argument, as a factor."""
    x = drawing.pick()
    mask = drawing.pick(lambda a: a in drawing.feeds and _fits(x)(a))
    return x if mask is None else x * gc.astype(gc.astype(mask > 0, "int32") * 2 - 1, x.dtype)


STEPS: dict[str, Callable[[Drawing], Tensor | None]] = {
    **{
        f.__name__: _unary(f)
        for f in (
            gc.tanh,
            gc.sin,
            gc.cos,
            gc.exp,
            gc.sigmoid,
            gc.softplus,
            gc.square,
            gc.negative,
            gc.absolute,
            gc.erf,
            gc.arctan,
            gc.relu,
            gc.silu,
            gc.expm1,
        )
    },
    "sqrt": _unary(lambda x: gc.sqrt(x * x + 0.5)),
    "log": _unary(lambda x: gc.log(gc.absolute(x) + 0.5)),
    "log1p": _unary(lambda x: gc.log1p(x * x)),
    "reciprocal": _unary(lambda x: 1 / (x * x + 1)),
    **{f.__name__: _binary(f) for f in (gc.add, gc.subtract, gc.multiply, gc.maximum, gc.minimum)},
    "divide": _binary(lambda x, y: x / (gc.absolute(y) + 0.5)),
    "hypot": _binary(lambda x, y: gc.hypot(x, gc.absolute(y) + 0.5)),
    "add_number": _with_number(gc.add),
    "subtract_number": _with_number(lambda x, c: c - x),
    "multiply_number": _with_number(gc.multiply),
    "where": _masked,
    "through_integers": _half,
    "cast": lambda drawing: gc.astype(gc.astype(drawing.pick(), "float64"), drawing.dtype),
    **{f.__name__: _reduce(f) for f in (gc.sum, gc.mean, gc.max, gc.min, gc.logsumexp, gc.var)},
    "softmax": along(gc.softmax),
    "log_softmax": along(gc.log_softmax),
    "cumsum": along(gc.cumsum),
    "cummax": along(gc.cummax),
    "sort": along(gc.sort),
    "flip": along(gc.flip),
    "roll": along(lambda x, axis: gc.roll(x, 1, axis)),
    "transpose": _transpose,
    "reshape": _reshape,
    "expand": _expand,
    "slice": _slice,
    "pad": _pad,
    "concat": _concat,
    "stack": _stack,
    "product": _product,
    "gram": _gram,
    "take": _take,
    "scatter": _scatter,
}
