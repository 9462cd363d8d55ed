"""What the cases of ops_cases.py are made of: sizes, inputs, and spellings that several share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

SHAPES = ((1_000_003,), (1000, 1000), (100_000, 10), (10, 100_000), (63, 65))
SQUARES = ((1023, 1023), (1024, 1024), (1025, 1025), (300, 300), (4096, 64), (64, 4096), (33, 31))
IMAGES = ((8, 64, 56, 56), (2, 3, 224, 224), (32, 128, 14, 14))
PIXELS = ((8, 56, 56, 64), (2, 224, 224, 3), (32, 14, 14, 128))
MATRICES = ((1000, 4, 4), (1000, 16, 16), (64, 64, 64), (4, 256, 256))
LENGTHS = ((1000, 64), (1000, 1000), (1000, 1024), (1000, 1009), (1, 65536))


@dataclass(frozen=True)
class Case:
    """One op at several sizes; each function takes its library and the inputs."""

    graphc: Callable[..., Any]
    numpy: Callable[..., Any] | None = None
    torch: Callable[..., Any] | None = None
    jax: Callable[..., Any] | None = None
    shapes: Sequence[Any] = SHAPES
    make: Callable[..., Any] = lambda rng, shape: [rng.standard_normal(shape, np.float32)]
    #: Axes of inputs that keep their number where sizes are named, as (input, axis).
    fixed: Sequence[tuple[int, int]] = ()
    same: Mapping[tuple[int, int], tuple[int, int]] = field(default_factory=dict)

    def free(self, which: int, axis: int) -> bool:
        return (which, axis) not in self.fixed

    def inputs(self):
        """The arrays of each size."""
        for shape in self.shapes:
            yield self.make(np.random.default_rng(0), shape)


def grad_of(function):
    """The gradient by the first input of the sum of the square of a function, in PyTorch."""

    def gradient(torch, x, *rest):
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            y = function(torch, x, *rest)
            return torch.autograd.grad((y * y).sum(), x)[0]

    return gradient


def jax_grad_of(function):
    def gradient(jax, x, *rest):
        def loss(x):
            y = function(jax, x, *rest)
            return (y * y).sum()

        return jax.grad(loss)(x)

    return gradient


def our_grad_of(function):
    def gradient(gc, x, *rest):
        y = function(gc, x, *rest)
        return gc.grad(gc.sum(y * y), x)

    return gradient


def integers(rng, shape):
    return [rng.integers(0, 1000, shape, np.int32)]


def longs(rng, shape):
    return [rng.integers(0, 2**60, shape, np.int64)]


def doubles(rng, shape):
    return [rng.standard_normal(shape)]


def table(rng, sizes):
    """Rows of a table, and which to take."""
    rows, width, count = sizes
    return [rng.standard_normal((rows, width), np.float32), rng.integers(0, rows, count)]


def skewed(rng, sizes):
    """As `table`, with few rows taken often."""
    rows, width, count = sizes
    picks = np.minimum(rng.zipf(1.3, count), rows) - 1
    return [rng.standard_normal((rows, width), np.float32), picks]


def lines(rng, shape):
    """An array, and positions along its last axis."""
    return [rng.standard_normal(shape, np.float32), rng.integers(0, shape[-1], shape)]


def additions(rng, sizes):
    rows, width, count = sizes
    values = rng.standard_normal((count, width), np.float32)
    return [np.zeros((rows, width), np.float32), values, rng.integers(0, rows, count)]


def positive(rng, shape):
    a = rng.standard_normal(shape, np.float32)
    return [a @ a.swapaxes(-1, -2) + shape[-1] * np.eye(shape[-1], dtype=np.float32)]


def triangle(rng, shape):
    low = np.linalg.cholesky(positive(rng, shape)[0])
    return [low, rng.standard_normal((*shape[:-1], 8), np.float32)]


def image(rng, shape):
    return [rng.standard_normal(shape, np.float32)]


TABLES = (
    (50_000, 128, 8192),
    (1000, 512, 4096),
    (1000, 1, 1_000_000),
    (100, 7, 100_000),
    (30, 4, 50),
)
WIDE = {(2, 0): (1, 0), (1, 1): (0, 1)}


def our_max_pool(gc, x):
    from graphc.ops.convolutions.pooling import max_pool

    return max_pool(x, 3, 2, 1)


def our_average_pool(gc, x):
    from graphc.ops.convolutions.pooling import average_pool

    return average_pool(x, 2, 2)


def our_resize(gc, x):
    from graphc.ops.resampling import resize

    return resize(x, (2 * x.shape[2], 2 * x.shape[3]))


def jax_max_pool(jax, x):
    return jax.lax.reduce_window(
        x, -np.inf, jax.lax.max, (1, 1, 3, 3), (1, 1, 2, 2), ((0, 0), (0, 0), (1, 1), (1, 1))
    )


def jax_average_pool(jax, x):
    return jax.lax.reduce_window(x, 0.0, jax.lax.add, (1, 1, 2, 2), (1, 1, 2, 2), "VALID") / 4


def torch_max_pool(t, x):
    return t.nn.functional.max_pool2d(x, 3, 2, 1)


def torch_average_pool(t, x):
    return t.nn.functional.avg_pool2d(x, 2, 2)


def key(rng, shape):
    return [np.zeros(shape, np.float32)]


def sorted_case(make=image, shapes=SHAPES, axis=-1):
    return Case(
        lambda g, x: g.sort(x, axis=axis),
        lambda n, x: n.sort(x, axis=axis),
        lambda t, x: t.sort(x, dim=axis)[0],
        lambda j, x: j.numpy.sort(x, axis=axis),
        shapes,
        make,
    )


def random_case(ours, numpy, torch, jax):
    rng = np.random.default_rng(0)

    def numbers(n, x):
        return numpy(rng, x)

    return Case(
        lambda g, x: ours(g, g.random.key(7), x),
        numbers if numpy else None,
        torch,
        lambda j, x: jax(j, j.random.key(7), x),
        ((1_000_003,), (1000, 1000), (10_000,)),
        key,
    )


def running_case(name, axis):
    theirs = name.replace("cumlog", "logcum")
    return Case(
        lambda g, x: getattr(g, name)(x, axis=axis),
        (lambda n, x: getattr(n, name)(x, axis=axis)) if hasattr(np, name) else None,
        lambda t, x: getattr(t, theirs)(x, dim=axis),
        lambda j, x: getattr(j.lax, name)(x, axis=axis % x.ndim),
        SHAPES if axis else SHAPES[1:],
    )


def pad_case(mode):
    theirs = {"edge": "replicate", "wrap": "circular"}.get(mode, mode)
    widths = (3, 5) * 2

    def torch(t, x):
        if mode == "constant":
            return t.nn.functional.pad(x, widths)
        return t.nn.functional.pad(x[None, None], widths, theirs)

    return Case(
        lambda g, x: g.pad(x, [(3, 5)] * x.ndim, mode),
        lambda n, x: n.pad(x, [(3, 5)] * x.ndim, mode),
        torch,
        lambda j, x: j.numpy.pad(x, [(3, 5)] * x.ndim, mode),
        SHAPES[1:],
    )
