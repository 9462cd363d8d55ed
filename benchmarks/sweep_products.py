"""Products of many sizes from one compilation, beside NumPy's: where is a cliff?

Every operand has symbolic sizes only. Prints the geometric mean of the times over NumPy's for each
way in which the operands may be stored, and the sizes that are worst. Set GRAPHC_NUM_THREADS and
OPENBLAS_NUM_THREADS to the same number.

Usage: sweep_products.py [WAYS] [SIZES]     WAYS such as NN,TN (T: stored transposed)
"""

import itertools
import sys
import time

import numpy as np

import graphc as gc

SIZES = (1, 2, 3, 5, 7, 8, 13, 16, 17, 31, 64, 127, 128, 509)
SECONDS = 4e-3
WORST = 12


def best(call):
    """The least time of a call."""
    call()
    least, end = float("inf"), time.perf_counter() + SECONDS
    while (begin := time.perf_counter()) < end:
        for _ in range(5):
            call()
        least = min(least, (time.perf_counter() - begin) / 5)
    return least


def product(ways):
    """The compiled product of two matrices of which some are stored transposed."""
    x = gc.placeholder("x", ("k", "m") if ways[0] == "T" else ("m", "k"))
    y = gc.placeholder("y", ("n", "k") if ways[1] == "T" else ("k", "n"))
    left, right = (z.T if way == "T" else z for z, way in zip((x, y), ways, strict=True))
    return gc.compile([x, y], gc.matmul(left, right))


def compare(run, ways, m, n, k, numbers):
    """Seconds that graphc and NumPy take."""
    a, b = numbers[: m * k].reshape(m, k), numbers[7 : 7 + k * n].reshape(k, n)
    if ways[0] == "T":
        a = numbers[: m * k].reshape(k, m).T
    if ways[1] == "T":
        b = numbers[7 : 7 + k * n].reshape(n, k).T
    stored = [z.T if way == "T" else z for z, way in zip((a, b), ways, strict=True)]
    out = np.empty((m, n), np.float32)
    return best(lambda: run(*stored)), best(lambda: np.matmul(a, b, out=out))


def sweep(ways, sizes):
    run = product(ways)
    numbers = np.random.default_rng(0).standard_normal(max(sizes) ** 2 + 7, dtype=np.float32)
    found = []
    for m, n, k in itertools.product(sizes, repeat=3):
        ours, theirs = compare(run, ways, m, n, k, numbers)
        found.append((ours / theirs, ours, m, n, k))
    found.sort(reverse=True)
    mean = np.exp(np.mean(np.log([ratio for ratio, *_ in found])))
    print(f"{ways}: {mean:.2f} of NumPy's time; the worst:")
    for ratio, ours, m, n, k in found[:WORST]:
        print(f"  {ratio:5.2f}  m {m:4d}  n {n:4d}  k {k:4d}  {ours * 1e6:9.2f} us")


if __name__ == "__main__":
    ways = sys.argv[1].split(",") if len(sys.argv) > 1 else ["NN", "NT", "TN", "TT"]
    sizes = tuple(map(int, sys.argv[2].split(","))) if len(sys.argv) > 2 else SIZES
    for way in ways:
        sweep(way, sizes)
