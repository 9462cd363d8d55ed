"""The ops that sweep_ops.py times: each with its spelling in graphc and in the peers."""

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
    from graphc.ops.pooling import max_pool

    return max_pool(x, 3, 2, 1)


def our_average_pool(gc, x):
    from graphc.ops.pooling import average_pool

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


CASES = {
    "sort": sorted_case(),
    "sort0": sorted_case(axis=0, shapes=((1000, 1000), (10, 100_000))),
    "sort_i32": sorted_case(integers),
    "sort_i64": sorted_case(longs),
    "sort_f64": sorted_case(doubles),
    "argsort": Case(
        lambda g, x: g.argsort(x),
        lambda n, x: n.argsort(x, kind="stable"),
        lambda t, x: t.argsort(x, stable=True),
        lambda j, x: j.numpy.argsort(x),
    ),
    "topk8": Case(
        lambda g, x: list(g.topk(x, 8)),
        None,
        lambda t, x: t.topk(x, 8),
        lambda j, x: j.lax.top_k(x, 8),
    ),
    "topk200": Case(
        lambda g, x: list(g.topk(x, 200)),
        None,
        lambda t, x: t.topk(x, 200),
        lambda j, x: j.lax.top_k(x, 200),
        ((1_000_003,), (1000, 1000), (10, 100_000)),
    ),
    "median": Case(
        lambda g, x: g.median(x, axis=-1),
        lambda n, x: n.median(x, axis=-1),
        lambda t, x: t.median(x, dim=-1)[0],
        lambda j, x: j.numpy.median(x, axis=-1),
    ),
    "searchsorted": Case(
        lambda g, x: g.searchsorted(g.linspace(-3, 3, 1000, dtype="float32"), x),
        lambda n, x: n.searchsorted(n.linspace(-3, 3, 1000, dtype="float32"), x),
        lambda t, x: t.searchsorted(t.linspace(-3, 3, 1000), x),
        lambda j, x: j.numpy.searchsorted(j.numpy.linspace(-3, 3, 1000), x),
    ),
    "bincount": Case(
        lambda g, x: g.bincount(x, length=1000),
        lambda n, x: n.bincount(x, minlength=1000),
        lambda t, x: t.bincount(x, minlength=1000),
        lambda j, x: j.numpy.bincount(x, length=1000),
        ((1_000_003,), (10_000,)),
        integers,
    ),
    **{
        f"{name}{axis}": running_case(name, axis)
        for name in ("cumsum", "cumprod", "cummax", "cumlogsumexp")
        for axis in (0, -1)
    },
    **{
        f"argmax{axis}": Case(
            lambda g, x, axis=axis: g.argmax(x, axis=axis),
            lambda n, x, axis=axis: n.argmax(x, axis=axis),
            lambda t, x, axis=axis: t.argmax(x, dim=axis),
            lambda j, x, axis=axis: j.numpy.argmax(x, axis=axis),
            SHAPES if axis else SHAPES[1:],
        )
        for axis in (0, -1)
    },
    "transpose": Case(
        lambda g, x: g.transpose(x),
        lambda n, x: n.ascontiguousarray(x.T),
        lambda t, x: x.T.contiguous(),
        lambda j, x: x.T,
        SQUARES,
    ),
    "transpose_f64": Case(
        lambda g, x: g.transpose(x),
        lambda n, x: n.ascontiguousarray(x.T),
        lambda t, x: x.T.contiguous(),
        lambda j, x: x.T,
        SQUARES,
        doubles,
    ),
    "to_channels_first": Case(
        lambda g, x: g.transpose(x, (0, 3, 1, 2)),
        lambda n, x: n.ascontiguousarray(x.transpose(0, 3, 1, 2)),
        lambda t, x: x.permute(0, 3, 1, 2).contiguous(),
        lambda j, x: x.transpose(0, 3, 1, 2),
        PIXELS,
    ),
    "swap_heads": Case(
        lambda g, x: g.transpose(x, (0, 2, 1, 3)),
        lambda n, x: n.ascontiguousarray(x.transpose(0, 2, 1, 3)),
        lambda t, x: x.permute(0, 2, 1, 3).contiguous(),
        lambda j, x: x.transpose(0, 2, 1, 3),
        ((8, 128, 8, 64), (4, 512, 12, 16), (2, 100, 100, 3)),
    ),
    "reverse4": Case(
        lambda g, x: g.transpose(x, (3, 2, 1, 0)),
        lambda n, x: n.ascontiguousarray(x.transpose(3, 2, 1, 0)),
        lambda t, x: x.permute(3, 2, 1, 0).contiguous(),
        lambda j, x: x.transpose(3, 2, 1, 0),
        ((8, 128, 8, 64), (31, 33, 30, 32)),
    ),
    "take": Case(
        lambda g, x, i: g.take(x, i, axis=0),
        lambda n, x, i: n.take(x, i, axis=0),
        lambda t, x, i: t.nn.functional.embedding(i, x),
        lambda j, x, i: j.numpy.take(x, i, axis=0),
        TABLES,
        table,
    ),
    "take_along": Case(
        lambda g, x, i: g.take_along_axis(x, i, axis=-1),
        lambda n, x, i: n.take_along_axis(x, i, axis=-1),
        lambda t, x, i: t.gather(x, -1, i),
        lambda j, x, i: j.numpy.take_along_axis(x, i, axis=-1),
        SHAPES[:4],
        lines,
        same={(1, 0): (0, 0), (1, 1): (0, 1)},
    ),
    "embedding_grad": Case(
        our_grad_of(lambda g, x, i: g.take(x, i, axis=0)),
        None,
        grad_of(lambda t, x, i: t.nn.functional.embedding(i, x)),
        jax_grad_of(lambda j, x, i: j.numpy.take(x, i, axis=0)),
        TABLES,
        table,
    ),
    "embedding_grad_zipf": Case(
        our_grad_of(lambda g, x, i: g.take(x, i, axis=0)),
        None,
        grad_of(lambda t, x, i: t.nn.functional.embedding(i, x)),
        jax_grad_of(lambda j, x, i: j.numpy.take(x, i, axis=0)),
        TABLES,
        skewed,
    ),
    "index_add": Case(
        lambda g, x, v, i: g.ops.scatter.scatter(x, v, [i], [0], 0, "error", "add"),
        None,
        lambda t, x, v, i: t.index_add(x, 0, i, v),
        lambda j, x, v, i: x.at[i].add(v),
        TABLES,
        additions,
        same=WIDE,
    ),
    "put_along": Case(
        lambda g, x, i: g.put_along_axis(x, i, 1.0, -1),
        None,
        lambda t, x, i: t.scatter(x, -1, i, 1.0),
        lambda j, x, i: j.numpy.put_along_axis(x, i, 1.0, -1, inplace=False),
        SHAPES[1:4],
        lines,
        same={(1, 0): (0, 0), (1, 1): (0, 1)},
    ),
    "one_hot": Case(
        lambda g, x: g.one_hot(x, 1000),
        lambda n, x: (x[:, None] == n.arange(1000)).astype(n.float32),
        lambda t, x: t.nn.functional.one_hot(x.long(), 1000).float(),
        lambda j, x: j.nn.one_hot(x, 1000),
        ((1000,), (10_000,), (37,)),
        integers,
    ),
    "concat0": Case(
        lambda g, x: g.concat([x, x + 1, x], 0),
        lambda n, x: n.concatenate([x, x + 1, x], 0),
        lambda t, x: t.cat([x, x + 1, x], 0),
        lambda j, x: j.numpy.concatenate([x, x + 1, x], 0),
    ),
    "concat1": Case(
        lambda g, x: g.concat([x, x + 1, x], 1),
        lambda n, x: n.concatenate([x, x + 1, x], 1),
        lambda t, x: t.cat([x, x + 1, x], 1),
        lambda j, x: j.numpy.concatenate([x, x + 1, x], 1),
        SHAPES[1:],
    ),
    "stack_last": Case(
        lambda g, x: g.stack([x, x + 1, x], -1),
        lambda n, x: n.stack([x, x + 1, x], -1),
        lambda t, x: t.stack([x, x + 1, x], -1),
        lambda j, x: j.numpy.stack([x, x + 1, x], -1),
    ),
    **{f"pad_{mode}": pad_case(mode) for mode in ("constant", "edge", "reflect", "wrap")},
    "slice_step": Case(
        lambda g, x: g.add(x[..., ::2], 0),
        lambda n, x: n.add(x[..., ::2], 0),
        lambda t, x: x[..., ::2] + 0,
        lambda j, x: x[..., ::2] + 0,
    ),
    "slice_inner": Case(
        lambda g, x: x[1:-1, 1:-1] * 2,
        lambda n, x: x[1:-1, 1:-1] * 2,
        lambda t, x: x[1:-1, 1:-1] * 2,
        lambda j, x: x[1:-1, 1:-1] * 2,
        SHAPES[1:],
    ),
    **{
        f"flip{axis}": Case(
            lambda g, x, axis=axis: g.flip(x, axis),
            lambda n, x, axis=axis: n.ascontiguousarray(n.flip(x, axis)),
            lambda t, x, axis=axis: t.flip(x, (axis,)),
            lambda j, x, axis=axis: j.numpy.flip(x, axis),
        )
        for axis in (0, -1)
    },
    **{
        f"roll{axis}": Case(
            lambda g, x, axis=axis: g.roll(x, 7, axis),
            lambda n, x, axis=axis: n.roll(x, 7, axis),
            lambda t, x, axis=axis: t.roll(x, 7, axis),
            lambda j, x, axis=axis: j.numpy.roll(x, 7, axis),
        )
        for axis in (0, -1)
    },
    "repeat_last": Case(
        lambda g, x: g.repeat(x, 3, -1),
        lambda n, x: n.repeat(x, 3, -1),
        lambda t, x: t.repeat_interleave(x, 3, -1),
        lambda j, x: j.numpy.repeat(x, 3, -1),
    ),
    "tile": Case(
        lambda g, x: g.tile(x, (2, 3)),
        lambda n, x: n.tile(x, (2, 3)),
        lambda t, x: x.repeat(2, 3),
        lambda j, x: j.numpy.tile(x, (2, 3)),
        SHAPES[1:],
    ),
    "tril": Case(
        lambda g, x: g.tril(x),
        lambda n, x: n.tril(x),
        lambda t, x: t.tril(x),
        lambda j, x: j.numpy.tril(x),
        SQUARES,
    ),
    "uniform": random_case(
        lambda g, k, x: g.random.uniform(k, x.shape),
        lambda r, x: r.random(x.shape, np.float32),
        lambda t, x: t.rand(x.shape),
        lambda j, k, x: j.random.uniform(k, x.shape),
    ),
    "normal": random_case(
        lambda g, k, x: g.random.normal(k, x.shape),
        lambda r, x: r.standard_normal(x.shape, np.float32),
        lambda t, x: t.randn(x.shape),
        lambda j, k, x: j.random.normal(k, x.shape),
    ),
    "bits": random_case(
        lambda g, k, x: g.random.bits(k, x.shape),
        lambda r, x: r.integers(0, 2**32, x.shape, np.uint32),
        lambda t, x: t.randint(-(2**31), 2**31 - 1, x.shape, dtype=t.int32),
        lambda j, k, x: j.random.bits(k, x.shape),
    ),
    "dropout": random_case(
        lambda g, k, x: g.nn.dropout(x, 0.3, k),
        None,
        lambda t, x: t.nn.functional.dropout(x, 0.3),
        lambda j, k, x: j.numpy.where(j.random.bernoulli(k, 0.7, x.shape), x / 0.7, 0),
    ),
    "permutation": random_case(
        lambda g, k, x: g.random.permutation(k, x.shape[0]),
        lambda r, x: r.permutation(x.shape[0]),
        lambda t, x: t.randperm(x.shape[0]),
        lambda j, k, x: j.random.permutation(k, x.shape[0]),
    ),
    "categorical": random_case(
        lambda g, k, x: g.random.categorical(k, x),
        None,
        lambda t, x: t.distributions.Categorical(logits=x, validate_args=False).sample(),
        lambda j, k, x: j.random.categorical(k, x),
    ),
    "cholesky": Case(
        lambda g, a: g.linalg.cholesky(a),
        lambda n, a: n.linalg.cholesky(a),
        lambda t, a: t.linalg.cholesky(a),
        lambda j, a: j.numpy.linalg.cholesky(a),
        MATRICES,
        positive,
        same={(0, 2): (0, 1)},
    ),
    "triangular_solve": Case(
        lambda g, a, b: g.linalg.triangular_solve(a, b),
        None,
        lambda t, a, b: t.linalg.solve_triangular(a, b, upper=False),
        lambda j, a, b: j.scipy.linalg.solve_triangular(a, b, lower=True),
        MATRICES,
        triangle,
        same={(0, 2): (0, 1), (1, 0): (0, 0), (1, 1): (0, 1)},
    ),
    "solve": Case(
        lambda g, a, b: g.linalg.solve(a, b),
        lambda n, a, b: n.linalg.solve(a, b),
        lambda t, a, b: t.linalg.solve(a, b),
        lambda j, a, b: j.numpy.linalg.solve(a, b),
        MATRICES,
        triangle,
        same={(0, 2): (0, 1), (1, 0): (0, 0), (1, 1): (0, 1)},
    ),
    **{
        name: Case(
            lambda g, a, name=name: list(getattr(g.linalg, name)(a)),
            lambda n, a, name=name: getattr(n.linalg, name)(
                a, **({"full_matrices": False} if name == "svd" else {})
            ),
            lambda t, a, name=name: getattr(t.linalg, name)(
                a, **({"full_matrices": False} if name == "svd" else {})
            ),
            lambda j, a, name=name: getattr(j.numpy.linalg, name)(
                a, **({"full_matrices": False} if name == "svd" else {})
            ),
            MATRICES,
            positive,
            same={(0, 2): (0, 1)},
        )
        for name in ("qr", "eigh", "svd")
    },
    "inverse": Case(
        lambda g, a: g.linalg.inv(a),
        lambda n, a: n.linalg.inv(a),
        lambda t, a: t.linalg.inv(a),
        lambda j, a: j.numpy.linalg.inv(a),
        MATRICES,
        positive,
        same={(0, 2): (0, 1)},
    ),
    "fft": Case(
        lambda g, x: list(g.fft.fft(x)),
        lambda n, x: n.fft.fft(x),
        lambda t, x: t.fft.fft(x),
        lambda j, x: j.numpy.fft.fft(x),
        LENGTHS,
        fixed=[(0, 1)],
    ),
    "rfft": Case(
        lambda g, x: list(g.fft.rfft(x)),
        lambda n, x: n.fft.rfft(x),
        lambda t, x: t.fft.rfft(x),
        lambda j, x: j.numpy.fft.rfft(x),
        LENGTHS,
        fixed=[(0, 1)],
    ),
    "max_pool": Case(our_max_pool, None, torch_max_pool, jax_max_pool, IMAGES),
    "max_pool_grad": Case(
        our_grad_of(our_max_pool), None, grad_of(torch_max_pool), jax_grad_of(jax_max_pool), IMAGES
    ),
    "avg_pool": Case(our_average_pool, None, torch_average_pool, jax_average_pool, IMAGES),
    "avg_pool_grad": Case(
        our_grad_of(our_average_pool),
        None,
        grad_of(torch_average_pool),
        jax_grad_of(jax_average_pool),
        IMAGES,
    ),
    "resize": Case(
        our_resize,
        None,
        lambda t, x: t.nn.functional.interpolate(x, scale_factor=2, mode="bilinear"),
        lambda j, x: j.image.resize(x, (*x.shape[:2], *(2 * d for d in x.shape[2:])), "linear"),
        IMAGES,
        fixed=[(0, 2), (0, 3)],
    ),
}
