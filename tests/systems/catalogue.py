"""The rows of the catalogue, the fixtures that its checks use, and the mark that ties a test to its
row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphc as gc

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Row:
    """A system: its ID, what must work (T train, E evaluate, X express, H host), its name."""

    id: str
    must: str
    name: str


def _rows() -> dict[str, Row]:
    lines = (Path(__file__).parent / "rows.tsv").read_text().splitlines()
    return {parts[0]: Row(*parts) for parts in (line.split("\t") for line in lines)}


ROWS = _rows()


def row(id: str, where: str) -> Callable[[Any], Any]:
    """Marks a test as the check of a row; `where` is the file in which the system lives. The test's
    docstring says what it checks.
    """
    assert id in ROWS, f"the catalogue has no row {id}"
    return pytest.mark.row(id=id, where=where)


def S(a: float, *shape: int) -> Array:
    """The array whose element k, in row-major order, is sin(a + k)."""
    return np.sin(a + np.arange(int(np.prod(shape)))).reshape(shape)


def CS(y: Any) -> float:
    """The checksum sum over k of y[k] cos(k), in row-major order."""
    flat = np.ravel(np.asarray(y, dtype=np.float64))
    return float(flat @ np.cos(np.arange(flat.size)))


def run(outputs: Any, feeds: dict[gc.Tensor, Any] | None = None, target: str = "cpu") -> Any:
    """The outputs of a graph for these arguments."""
    feeds = feeds or {}
    return gc.compile(list(feeds), outputs, target=target)(*feeds.values())


def both(outputs: Any, feeds: dict[gc.Tensor, Any] | None = None) -> Any:
    """The outputs on the CPU, which must agree with the reference to 1e-11 of their scale
    (float64).
    """
    native, meant = run(outputs, feeds), run(outputs, feeds, "reference")
    for a, b in zip(_flat(native), _flat(meant), strict=True):
        scale = max(1.0, float(np.max(np.abs(b), initial=0)))
        tolerance = 1e-11 if np.asarray(b).dtype == np.float64 else 1e-5
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * scale)
    return native


def _flat(values: Any) -> list[Any]:
    if isinstance(values, dict):
        return [x for v in values.values() for x in _flat(v)]
    if isinstance(values, (tuple, list)):
        return [x for v in values for x in _flat(v)]
    return [values]


def symbols(**arrays: Any) -> dict[gc.Tensor, Array]:
    """A placeholder for each array, of its shape and dtype."""
    given = {name: np.asarray(value) for name, value in arrays.items()}
    return {gc.placeholder(name, a.shape, a.dtype): a for name, a in given.items()}


def check_gradients(
    loss: gc.Tensor, feeds: dict[gc.Tensor, Array], tolerance: float = 1e-6, count: int = 6
) -> list[Array]:
    """The gradients of a float64 loss for the floating feeds, held against central differences at
    some elements.
    """
    wrt = [x for x in feeds if x.dtype.is_float]
    valued = gc.compile(list(feeds), [loss, *gc.grad(loss, wrt)])
    _, *grads = valued(*feeds.values())
    rng = np.random.default_rng(0)
    for x, g in zip(wrt, grads, strict=True):
        for k in rng.choice(g.size, min(count, g.size), replace=False):
            step = 1e-6 * max(1.0, abs(feeds[x].flat[k]))
            sides = []
            for sign in (1, -1):
                moved = {y: a.copy() for y, a in feeds.items()}
                moved[x].flat[k] += sign * step
                sides.append(float(valued(*moved.values())[0]))
            slope = (sides[0] - sides[1]) / (2 * step)
            scale = max(1.0, abs(slope), float(np.abs(g).max()))
            assert abs(slope - g.flat[k]) <= tolerance * scale, (
                f"{x}: element {k}: {g.flat[k]} but differences give {slope}"
            )
    return grads
