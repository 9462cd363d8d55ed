"""In which steps a Fourier transform of a known length is done, and the factors of its steps.

A length n = p q is a table of p rows and q columns: transforms of the columns, a factor for each
element, the table turned over, and transforms of the columns again (Bailey, 1990), so that
neighbours are always worked on side by side. Transforms of columns go divisor by divisor between
two buffers, and leave their results in order (Stockham, 1966). A length with a large prime divisor
is a convolution of a length that has none (Bluestein, 1970).
"""

from __future__ import annotations

from functools import cache
from math import ceil, isqrt

import numpy as np

from graphc.ir.record import dataclass

#: The largest divisor whose transform is written out.
LARGEST = 31
#: Elements side by side for which a plan is made, whatever the machine's vectors are.
LANES = 16


@dataclass(frozen=True)
class Plan:
    """The divisors by which columns of p elements are transformed, and then those of q."""

    down: tuple[int, ...]
    across: tuple[int, ...]

    @property
    def rows(self) -> int:
        return int(np.prod(self.down, dtype=int))

    @property
    def columns(self) -> int:
        return int(np.prod(self.across, dtype=int))

    @property
    def length(self) -> int:
        return self.rows * self.columns


def good_length(least: int) -> int:
    """The smallest length from `least` on whose only prime factors are 2, 3 and 5."""
    n = max(least, 1)
    while _without(n, (2, 3, 5)) != 1:
        n += 1
    return n


def is_smooth(n: int) -> bool:
    """Whether no prime divisor of a length is too large to be written out."""
    return _without(n, range(2, LARGEST + 1)) == 1


def convolved_length(n: int) -> int:
    """The length of the convolution that does for a length with a large prime divisor."""
    power = 1 << (2 * n - 2).bit_length()
    good = good_length(2 * n - 1)
    return good if 5 * good < 4 * power else power


def _without(n: int, divisors: range | tuple[int, ...]) -> int:
    for p in divisors:
        while n % p == 0 and n:
            n //= p
    return n


def radices(n: int) -> tuple[int, ...]:
    """Divisors of a smooth length, the largest first; of powers of two as few as possible."""
    out = []
    twos = (n & -n).bit_length() - 1
    n >>= twos
    if twos % 3 == 1 and twos > 1:
        out, twos = [4, 4], twos - 4
    out += [8] * (twos // 3) + [2 ** (twos % 3)] * (twos % 3 > 0)
    for p in range(3, LARGEST + 1, 2):
        while n % p == 0:
            out.append(p)
            n //= p
    assert n == 1, "a prime divisor is too large"
    return tuple(sorted(out, reverse=True))


@cache
def plan_of(n: int) -> Plan:
    """The plan of a smooth length that takes the fewest instructions."""
    divisors = {d for k in range(1, isqrt(n) + 1) if n % k == 0 for d in (k, n // k)}
    plans = [Plan(radices(p), radices(n // p)) for p in sorted(divisors)]
    return min(plans, key=_instructions)


def _instructions(plan: Plan) -> float:
    """About how many instructions a plan takes, of vectors."""
    n, p, q = plan.length, plan.rows, plan.columns
    turning = 4 * ceil(p / LANES) * ceil(q / LANES) * LANES * 2 if p > 1 and q > 1 else 0
    total = float(turning)
    for steps, wide in ((plan.down, q), (plan.across, p)):
        done = 1
        for r in steps:
            total += n // (wide * done * r) * (ceil(done * wide / LANES) * _work(r) + 2 * r)
            done *= r
    return total


def _work(r: int) -> int:
    """Instructions of a butterfly, with its factors, loads and stores."""
    return {2: 14, 4: 34, 8: 100}.get(r, r * r + 8 * r)


def waves(turns: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and sines of 2 pi turns / n, each within one rounding of eight equal parts."""
    eighths, rest = np.divmod(turns % n * 8, n)
    odd = eighths % 2 == 1
    angle = 2 * np.pi * np.where(odd, n - rest, rest) / (8 * n)
    near, far = np.cos(angle), np.sin(angle)
    swapped = np.isin(eighths, (1, 2, 5, 6))
    c, s = np.where(swapped, far, near), np.where(swapped, near, far)
    return np.where(np.isin(eighths, (2, 3, 4, 5)), -c, c), np.where(eighths >= 4, -s, s)


def table_waves(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """What the elements of a table are turned by between its columns and its rows."""
    return waves(np.outer(np.arange(rows), np.arange(columns)), rows * columns)


def factors_of_columns(steps: tuple[int, ...]) -> list[np.ndarray]:
    """Cosines and sines for each divisor but the last: for each of its transforms, of all results
    but the first.
    """
    out, left = [], int(np.prod(steps, dtype=int))
    for r in steps[:-1]:
        turns = np.outer(np.arange(left // r), np.arange(1, r))
        out.append(np.stack(waves(turns, left), -1).ravel())
        left //= r
    return out


def table_of(plan: Plan) -> np.ndarray:
    """All factors of a plan, in the order in which they are asked for."""
    p, q = plan.rows, plan.columns
    turned = [x.ravel() for x in table_waves(p, q)]
    parts = [*factors_of_columns(plan.down), *turned, *factors_of_columns(plan.across)]
    return np.concatenate(parts)


def chirp_table(n: int) -> np.ndarray:
    """What a convolution multiplies by, cosines and sines each: the chirp exp(-pi i k² / n); then,
    before it transforms back, the spectrum of the other one, divided by its length; in the end the
    first again, of numbers whose parts are exchanged.
    """
    c, s = waves(np.arange(n) ** 2, 2 * n)
    length = convolved_length(n)
    wave = np.zeros(length, complex)
    wave[:n] = c + 1j * s
    wave[length - n + 1 :] = wave[1:n][::-1]
    spectrum = np.fft.fft(wave) / length
    room = np.zeros(length - n)
    return np.concatenate([c, s, spectrum.real, -spectrum.imag, c, room, -s, room])
