"""The law that ties a backend to the reference, tried on the samples that an op itself names."""

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.dtypes import as_dtype
from graphc.ir.node import Tensor, apply
from graphc.ir.op import Op, Sample
from graphc.ops.elementwise import Elementwise
from graphc.ops.source import placeholder
from tests.support.run import evaluate

# NumPy takes either zero of two.
SIGN_OF_ZERO_IS_FREE = ("maximum", "minimum", "fmax", "fmin")

FEW = 3


def seeded(sample: Sample, seed: int = 0) -> list[np.ndarray]:
    """The sample's arrays."""
    return [np.asarray(x) for x in sample.make(np.random.default_rng([seed, 17]))]


def few(op: Op) -> list[Sample]:
    """Samples that are new by their dtypes, attributes and shapes: by most of these, then the
    largest, then from one on that is another for every op, so that together they have every dtype.
    """
    samples = op.samples()
    first = zlib.crc32(op.name.encode()) % len(samples)
    left = [samples[(first + k) % len(samples)] for k in range(len(samples))]
    traits, sizes = zip(*map(told, left), strict=True)
    seen: set[Any] = set()
    found: list[Sample] = []
    while len(found) < FEW:
        new = [(len(t - seen), size) for t, size in zip(traits, sizes, strict=True)]
        best = new.index(max(new))
        if not new[best][0]:
            break
        found.append(left[best])
        seen |= traits[best]
    return found


def told(sample: Sample) -> tuple[set[Any], int]:
    """What tells a sample from others, and the number of its elements."""
    arrays = seeded(sample)
    dtypes, shapes = zip(*((a.dtype, a.shape) for a in arrays), strict=True) if arrays else ((), ())
    attrs = repr(sorted(sample.attrs.items()))
    traits = {("attrs", attrs), ("shapes", shapes), ("dtypes", dtypes)}
    return traits, sum(a.size for a in arrays)


def symbols(arrays: Sequence[np.ndarray], letter: str = "x") -> list[Tensor]:
    """A placeholder for each array."""
    return [placeholder(f"{letter}{k}", a.shape, a.dtype) for k, a in enumerate(arrays)]


def where_written(op: Op, sample: Sample) -> str:
    """What failed, for the message of an assertion."""
    return f"{op.name} {dict(sample.attrs)} {sample.note}"


def check_lowering(op: Op, samples: Sequence[Sample], target: str) -> None:
    """Asserts that one graph of all these samples has the reference's values on the target."""
    cases = [(s, seeded(s)) for s in samples]
    named = [symbols(arrays, f"x{k}_") for k, (_, arrays) in enumerate(cases)]
    nodes = [apply(op, *xs, **s.attrs) for (s, _), xs in zip(cases, named, strict=True)]
    feeds = {
        x: a
        for xs, (_, arrays) in zip(named, cases, strict=True)
        for x, a in zip(xs, arrays, strict=True)
    }
    outputs = [y for node in nodes for y in node.outputs]
    expected = evaluate(outputs, feeds)
    found = evaluate(outputs, feeds, target)
    notes = [
        where_written(op, s) for (s, _), n in zip(cases, nodes, strict=True) for _ in n.outputs
    ]
    sums = [a.dtype for _, arrays in cases for a in arrays if op.lowering == "reduce"]
    for got, want, note in zip(found, expected, notes, strict=True):
        agree(got, want, note, isinstance(op, Elementwise), sums)
        if op.lowering == "read" and op.name not in SIGN_OF_ZERO_IS_FREE:
            zeros_agree(got, want, note)


def unit(dtype: np.dtype[Any]) -> float:
    """What a number at 1 is rounded to; 0 for others than floats."""
    sizes = {2: 2**-10, 4: 2**-23, 8: 2**-52}
    return 2**-7 if dtype.kind == "V" else sizes[dtype.itemsize] if dtype.kind == "f" else 0


def agree(
    got: np.ndarray,
    want: np.ndarray,
    note: str,
    elementwise: bool,
    sums: Sequence[np.dtype[Any]] = (),
) -> None:
    """Equal for integers; a few units in the last place for floats, of the largest in a sum, which
    is rounded as its elements are if those are narrower.
    """
    assert got.dtype == want.dtype, note
    assert got.shape == want.shape, note
    if not as_dtype(want.dtype).is_float:
        np.testing.assert_array_equal(got, want, note)
        return
    last = max(map(unit, (want.dtype, *(d for d in sums if want.dtype.itemsize == 8))))
    exact = want.astype(np.float64)
    finite = np.abs(exact[np.isfinite(exact)])
    scale = 1.0 if elementwise else max(1.0, finite.max(initial=0.0))
    count = 1 if want.dtype.itemsize == 2 else 16
    np.testing.assert_allclose(
        got.astype(np.float64),
        exact,
        rtol=count * last,
        atol=count * last * scale / 4,
        err_msg=note,
    )


def zeros_agree(got: np.ndarray, want: np.ndarray, note: str) -> None:
    """Zeros have the same sign."""
    if as_dtype(want.dtype).is_float:
        zero = (want == 0) & (got == 0)
        np.testing.assert_array_equal(np.signbit(got[zero]), np.signbit(want[zero]), note)
