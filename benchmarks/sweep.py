"""Looks for cliffs: sizes at which a compiled function takes longer than its neighbours let expect.

Each workload is compiled once, with named sizes, and timed at many sizes of one axis (one, odd,
prime, powers of two and beside them, large) while the other axis keeps the number of elements about
the same.  The trend at a size is a power law through the times per element of the sizes up to four
times as large or as small: what a row costs by itself is no cliff.  What takes over 1.3 times as
long is printed, or everything with --all.  The last column compares with the median of the whole
sweep, so that a plateau shows that has no edge.

Usage: sweep.py [--all] [--fixed] [--elements N] [--seconds S] [WORKLOAD ...]
  --fixed    compiles anew for each size, which is then no name but a number
  --seconds  time for one size, in each of three rounds
"""

import argparse
import math
import statistics
import time
from typing import NamedTuple

import numpy as np

import graphc as gc

LIMIT = 1.3
LEAST_MS = 0.005  # what takes less is mostly the call
ROUNDS = 3
SIZES = sorted(
    {1, 2, 3, 4, 5, 6, 7, 9, 10, 12, 13, 15, 100, 250, 500, 1000, 1009, 3001, 5003, 9973, 10000}
    | {2**k + d for k in range(3, 14) for d in (-1, 0, 1)}
)


class Workload(NamedTuple):
    """`compute` of tensors that have the shapes which `shapes` gives for a size and a number of
    elements.
    """

    compute: object
    shapes: object


def rows(n, elements):
    """The size is that of a row."""
    return [(max(1, elements // n), n)]


def columns(n, elements):
    """The size is that of a column."""
    return [(n, max(1, elements // n))]


def line(n, elements):
    """The size, some hundreds of times, is that of the only axis."""
    return [(n * max(1, elements // SIZES[-1]) + n % 2,)]


def layernorm(x):
    m = gc.mean(x, axis=1, keepdims=True)
    return (x - m) / gc.sqrt(gc.mean((x - m) ** 2, axis=1, keepdims=True) + 1e-5)


WORKLOADS = {
    "map": Workload(lambda x: x * 2 + 1, line),
    "map_tanh": Workload(gc.tanh, line),
    "map_rows": Workload(lambda x: gc.sqrt(gc.abs(x)), rows),
    "transpose": Workload(lambda x: gc.transpose(x) * 2, rows),
    "sum_all": Workload(gc.sum, line),
    "sum_rows": Workload(lambda x: gc.sum(x, axis=1), rows),
    "sum_columns": Workload(lambda x: gc.sum(x, axis=0), rows),
    "sum_short_columns": Workload(lambda x: gc.sum(x, axis=0), columns),
    "moments": Workload(lambda x: [gc.mean(x, axis=0), gc.mean(x * x, axis=0)], rows),
    "var_rows": Workload(lambda x: gc.var(x, axis=1), rows),
    "var_columns": Workload(lambda x: gc.var(x, axis=0), rows),
    "max_rows": Workload(lambda x: gc.max(x, axis=1), rows),
    "argmax_rows": Workload(lambda x: gc.argmax(x, axis=1), rows),
    "argmax_columns": Workload(lambda x: gc.argmax(x, axis=0), rows),
    "softmax": Workload(lambda x: gc.softmax(x, axis=1), rows),
    "softmax_columns": Workload(lambda x: gc.softmax(x, axis=0), rows),
    "logsumexp_columns": Workload(lambda x: gc.logsumexp(x, axis=0), rows),
    "layernorm": Workload(layernorm, rows),
    "layernorm_grad": Workload(lambda x: gc.grad(gc.sum(layernorm(x) ** 3), x), rows),
    "cumsum_rows": Workload(lambda x: gc.cumsum(x, axis=1), rows),
    "cumsum_columns": Workload(lambda x: gc.cumsum(x, axis=0), rows),
    "sort_rows": Workload(lambda x: gc.sort(x, axis=1), rows),
}


def build(workload, shapes):
    """The compiled function of tensors of these shapes."""
    inputs = [gc.placeholder(f"x{k}", shape) for k, shape in enumerate(shapes)]
    return gc.compile(inputs, workload.compute(*inputs))


def best(call, seconds):
    """The least time of a call, in so many seconds of them."""
    end, least = time.perf_counter() + seconds, float("inf")
    while True:
        start = time.perf_counter()
        call()
        now = time.perf_counter()
        least = min(least, now - start)
        if now > end:
            return least


def sweep(workload, elements, seconds, fixed):
    """{size: (elements, least seconds of a call)}."""
    named = build(workload, [("n", "m")[: len(s)] for s in workload.shapes(1, elements)])
    data = np.random.default_rng(0).standard_normal(2 * elements + SIZES[-1], np.float32)
    calls = {}
    for n in SIZES:
        shapes = workload.shapes(n, elements)
        function = build(workload, shapes) if fixed else named
        arrays = [data[: np.prod(shape)].reshape(shape) for shape in shapes]
        calls[n] = (sum(a.size for a in arrays), lambda f=function, a=arrays: f(*a))
    for _, call in calls.values():
        call()
    times = [{n: best(call, seconds) for n, (_, call) in calls.items()} for _ in range(ROUNDS)]
    return {n: (count, min(t[n] for t in times)) for n, (count, _) in calls.items()}


def trend(rates, n):
    """The time per element at n of a power law through the sizes near it, n itself left out."""
    near = [m for m in rates if n / 4 <= m <= 4 * n and m != n]
    x = [math.log(m / n) for m in near]
    y = [math.log(rates[m]) for m in near]
    slopes = [
        (y[j] - y[i]) / (x[j] - x[i]) for j in range(len(x)) for i in range(j) if x[j] > x[i] + 0.2
    ]
    if not slopes:
        return rates[n]
    slope = statistics.median(slopes)
    return math.exp(statistics.median(b - slope * a for a, b in zip(x, y, strict=True)))


def deviations(found, overhead=1e-6):
    """(size, elements, seconds, time per element over the trend's, over the whole median); what a
    call costs is no part of it.
    """
    rates = {n: max(1e-8, t - overhead) / count for n, (count, t) in found.items()}
    middle = statistics.median(rates.values())
    for n, (count, t) in found.items():
        yield n, count, t, rates[n] / trend(rates, n), rates[n] / middle


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("workloads", nargs="*", default=list(WORKLOADS), metavar="WORKLOAD")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--fixed", action="store_true")
    parser.add_argument("--elements", type=int, default=1 << 20)
    parser.add_argument("--seconds", type=float, default=0.01)
    args = parser.parse_args()
    for name in args.workloads:
        found = sweep(WORKLOADS[name], args.elements, args.seconds, args.fixed)
        for n, count, t, over, slow in deviations(found):
            over *= 1e3 * t > LEAST_MS
            if args.all or over > LIMIT:
                print(
                    f"{name:18} {n:6} {1e3 * t:9.4f} ms {4 * count / t / 1e9:7.2f} GB/s"
                    f"  {over:5.2f} of the trend {slow:6.2f} of the median{'  *' * (over > LIMIT)}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
