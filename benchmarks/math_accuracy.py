"""Measures the math library's errors and writes docs/math_accuracy.md.

    python -m benchmarks.math_accuracy [--stride N] [--samples N] [FUNCTION ...]

Run it from the repository's root; with functions named, it only prints their rows. A stride of 1
tries every float32, which takes a minute or two a function.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import mpmath
import numpy as np

from graphc.ir.dtypes import float32, float64
from tests.math.bounds import FLOAT32
from tests.math.harness import BINARY, compiled, expansion, operations, ulps32, ulps64
from tests.math.references import EXACT, IN_FLOAT64, arguments
from tests.math.test_accuracy import pairs

CHUNK = 1 << 16
#: the bits of 2^-7 and 2^4, between which errors are greatest
NEAR = (0x3C000000, 0x41800000)
REPORT = Path(__file__).parent.parent / "docs" / "math_accuracy.md"
HEAD = """# How accurate the math library is

Errors are in units in the last place of the exact value; half a unit is the best there is. No
float32 function is off by more than 2. float32 errors are the greatest over
{which}, of either sign, denormals included;
float64 errors are the greatest over some {samples} arguments a function, against mpmath. Functions
of two arguments are sampled. "Operations" is how many vector instructions an ordinary argument
costs, before a target folds any.

Of float64, `lgamma` and `digamma` alone are above 2: a product, two polynomials and a quotient each
add their rounding.

`lgamma` and `digamma` of float64 are measured above zero. Below zero they are differences of terms
that each carry an ulp or so, and cross zero between the poles: the error stays within 6 ulps of
the greatest of 1, the result and the value at |x|. Of float32 they are computed in float64, so that
the table holds below zero and beside the crossings too, and each operation is one of float64.

`sin`, `cos` and `tan` hold for every argument: from 2^16 (float32) and 2^30 (float64) on, the angle
is reduced with as many bits of 2/pi as the exponent asks for, behind a branch that vectors of
ordinary arguments do not take. What the reduced angle lacks of its last place is kept, which keeps
`sin` and `cos` below 1.

All code is straight-line and has the same bits on every target; products that are added are
explicit fused multiply-adds, so contraction cannot change one. NaN, infinities, signed zeros and
denormals are as in C99's annex F and NumPy.

`exp`, `sigmoid` and `tanh` of float32 look numbers up in tables of sixteen, which vector registers
hold. Only there Numba and GPUs, which would find them in memory, give other bits: they compute
polynomials as for float64, with errors of at most 2 too.

Regenerate with `python -m benchmarks.math_accuracy`.

| function | float32 error | float64 error | float32 operations | float64 operations |
| --- | ---: | ---: | ---: | ---: |
"""


def float32_arguments(name: str, stride: int) -> Iterator[tuple[np.ndarray, ...]]:
    """Chunks of the float32 near 1 and of every stride-th elsewhere, or samples of pairs."""
    if name in BINARY:
        yield tuple(a.astype(np.float32) for a in pairs(name, 1_000_000))
        return
    for sign in (0, 1 << 31):
        for low, high, step in ((0, NEAR[0], stride), (*NEAR, 1), (NEAR[1], 1 << 31, stride)):
            for start in range(low, high, CHUNK * step):
                bits = np.arange(start, min(start + CHUNK * step, high), step, dtype=np.int64)
                yield ((bits + sign).astype(np.uint32).view(np.float32),)


def float32_error(name: str, stride: int) -> float:
    worst = 0.0
    with np.errstate(all="ignore"):
        for chunk in float32_arguments(name, stride):
            exact = IN_FLOAT64[name](*(a.astype(np.float64) for a in chunk))
            worst = max(worst, ulps32(compiled(name, float32)(*chunk), exact).max(initial=0))
    return worst


def float64_error(name: str, samples: int) -> float:
    chunk = pairs(name, samples) if name in BINARY else (arguments(name, samples // 4, seed=9),)
    results = compiled(name, float64)(*chunk)
    with mpmath.workprec(2400 if name in ("sin", "cos", "tan") else 220):
        exact = (EXACT[name](*map(mpmath.mpf, xs)) for xs in zip(*chunk, strict=True))
        return max(ulps64(y, e) for y, e in zip(results, exact, strict=True))


def row(name: str, stride: int, samples: int) -> str:
    errors = float32_error(name, stride), float64_error(name, samples)
    counts = (operations(expansion(name, dtype)) for dtype in (float32, float64))
    cells = [f"`{name}`", *(f"{e:.2f}" for e in errors), *map(str, counts)]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stride", type=int, default=1)
    parser.add_argument("--samples", type=int, default=4000)
    parser.add_argument("functions", nargs="*", metavar="FUNCTION")
    options = parser.parse_args()
    rows = []
    for name in options.functions or FLOAT32:
        rows.append(row(name, options.stride, options.samples))
        print(rows[-1], flush=True)
    if options.functions:
        return
    few = f"those from 2^-7 to 16 in size and one in {options.stride} of the others"
    which = "all float32" if options.stride == 1 else few
    head = HEAD.format(which=which, samples=options.samples)
    REPORT.write_text(head + "\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
