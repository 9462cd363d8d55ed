"""The machine's limits with a few threads: memory bandwidth in and out of cache, float32 rates.

Prints one JSON object of GB/s and GFLOP/s, each the best of many repetitions.  The loops are C,
compiled by gcc for this processor; where there is no gcc, only the products are measured.

Usage: limits.py THREADS
"""

import ctypes
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np

C = r"""
#include <stddef.h>
#if defined(__AVX512F__)
#include <immintrin.h>
#define LANES 16
#elif defined(__AVX__)
#define LANES 8
#else
#define LANES 4
#endif
#define CHAINS 12
typedef float vec __attribute__((vector_size(4 * LANES)));

void triad(float *restrict a, const float *restrict b, const float *restrict c, size_t n) {
  #pragma omp parallel for schedule(static)
  for (size_t i = 0; i < n; i++) a[i] = b[i] + 3.0f * c[i];
}
/* Stores that bypass the cache: no read of the line to be overwritten. */
void triad_stream(float *restrict a, const float *restrict b, const float *restrict c, size_t n) {
#ifdef __AVX512F__
  const __m512 k = _mm512_set1_ps(3.0f);
  #pragma omp parallel for schedule(static)
  for (size_t i = 0; i < n; i += 16)
    _mm512_stream_ps(a + i, _mm512_fmadd_ps(k, _mm512_load_ps(c + i), _mm512_load_ps(b + i)));
#else
  triad(a, b, c, n);
#endif
}
/* As much read as written, past the cache; and as an optimiser does it, three of four in place. */
void copy_stream(float *restrict a, const float *restrict b, const float *restrict c, size_t n) {
#ifdef __AVX512F__
  #pragma omp parallel for schedule(static)
  for (size_t i = 0; i < n; i += 16) _mm512_stream_ps(a + i, _mm512_load_ps(b + i));
#else
  #pragma omp parallel for schedule(static)
  for (size_t i = 0; i < n; i++) a[i] = b[i];
#endif
}
void update(float *restrict a, float *restrict b, float *restrict c, const float *d, size_t n) {
  #pragma omp parallel for schedule(static)
  for (size_t i = 0; i < n; i++) {
    a[i] = 0.9f * a[i] + d[i];
    b[i] = 0.9f * b[i] + d[i];
    c[i] = 0.9f * c[i] + d[i];
  }
}
/* Multiply-adds between registers only: the arithmetic's own limit. */
float multiply_add(size_t n) {
  float s = 0;
  #pragma omp parallel reduction(+:s)
  {
    vec a[CHAINS], x = (vec){0} + 0.5f, y = (vec){0} + 0.3f;
    for (int j = 0; j < CHAINS; j++) a[j] = (vec){0} + (float)j;
    for (size_t i = 0; i < n; i++)
      for (int j = 0; j < CHAINS; j++) a[j] = a[j] * x + y;
    for (int j = 0; j < CHAINS; j++) for (int l = 0; l < LANES; l++) s += a[j][l];
  }
  return s;
}
size_t operations(size_t n) { return 2 * CHAINS * LANES * n; }
float read_sum(const float *a, size_t n) {
  float s = 0;
  #pragma omp parallel for schedule(static) reduction(+:s)
  for (size_t i = 0; i < n; i++) s += a[i];
  return s;
}
"""
# Sums in any order, but not -ffast-math: a library of that has the process flush subnormal numbers.
ANY_ORDER = "-fassociative-math -fno-signed-zeros -fno-trapping-math -fno-math-errno"
FLAGS = f"-O3 -march=native -mprefer-vector-width=512 {ANY_ORDER} -funroll-loops -fopenmp"


def best(f, seconds=1.5):
    """The least time of a call of `f`, over `seconds` of calls."""
    f()
    end, least = time.perf_counter() + seconds, float("inf")
    while time.perf_counter() < end:
        t = time.perf_counter()
        f()
        least = min(least, time.perf_counter() - t)
    return least


def build(folder):
    """The C loops as a ctypes library."""
    source, library = folder + "/limits.c", folder + "/limits.so"
    with open(source, "w") as f:
        f.write(C)
    command = ["gcc", *FLAGS.split(), "-shared", "-fPIC", source, "-o", library]
    subprocess.run(command, check=True)
    lib = ctypes.CDLL(library)
    lib.multiply_add.restype = lib.read_sum.restype = ctypes.c_float
    lib.operations.restype = ctypes.c_size_t
    return lib


def aligned(n):
    """n ones that start at a cache line."""
    whole = np.ones(n + 16, np.float32)
    start = -whole.ctypes.data % 64 // 4
    return whole[start : start + n]


def bandwidth(lib, n, read):
    """GB/s of loops over arrays of n numbers, by what they read and write, and of a sum over `read`
    numbers.
    """
    size = ctypes.c_size_t(n)
    arrays = [aligned(n) for _ in range(4)]
    *pointers, fourth = [ctypes.c_void_p(a.ctypes.data) for a in arrays]
    big = np.ones(read, np.float32)
    start, length = ctypes.c_void_p(big.ctypes.data), ctypes.c_size_t(read)
    return {
        "triad_gbs": 12 * n / best(lambda: lib.triad(*pointers, size)) / 1e9,
        "triad_stream_gbs": 12 * n / best(lambda: lib.triad_stream(*pointers, size)) / 1e9,
        "copy_stream_gbs": 8 * n / best(lambda: lib.copy_stream(*pointers, size)) / 1e9,
        "update_gbs": 28 * n / best(lambda: lib.update(*pointers, fourth, size)) / 1e9,
        "read_gbs": 4 * read / best(lambda: lib.read_sum(start, length)) / 1e9,
    }


def loops(threads):
    """The limits that the C loops find."""
    with tempfile.TemporaryDirectory() as folder:
        lib = build(folder)
        n = 4_000_000
        work = threads * lib.operations(ctypes.c_size_t(n))
        seconds = best(lambda: lib.multiply_add(ctypes.c_size_t(n)))
        result = {"fma_peak_gflops": work / seconds / 1e9}
        # Arrays of 128 MB; of 2 MB, three of which fit in a last-level cache of 8 MB.
        for place, size, read in (("dram", 1 << 25, 1 << 25), ("cache", 1 << 19, 3 << 19)):
            measured = bandwidth(lib, size, read)
            result |= {f"{place}_{k}": v for k, v in measured.items()}
    return result


def products(threads):
    """GFLOP/s of a 2048^3 product by NumPy, and by torch where it is installed."""
    a, b, c = (np.ones((2048, 2048), np.float32) for _ in range(3))
    result = {"numpy_gemm_gflops": 2 * 2048**3 / best(lambda: np.matmul(a, b, out=c), 3) / 1e9}
    try:
        import torch
    except ImportError:
        return result
    torch.set_num_threads(threads)
    x, y, z = map(torch.from_numpy, (a, b, c))
    return result | {
        "torch_gemm_gflops": 2 * 2048**3 / best(lambda: torch.mm(x, y, out=z), 3) / 1e9
    }


def main(threads):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    result = loops(threads) if shutil.which("gcc") else {}
    print(json.dumps(result | products(threads)))


if __name__ == "__main__":
    main(int(sys.argv[1]))
