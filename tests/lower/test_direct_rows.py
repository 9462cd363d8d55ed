"""Products of strips of rows, of which it is not known how many there are, against NumPy."""

import numpy as np
import pytest

import graphc as gc
from graphc.passes.loops import strips
from tests.support.threads import assert_same_bits


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small loops go by strips too."""
    monkeypatch.setattr(strips, "WORK", 0)


def recurrent(units: int, columns: int, isa: str = "host") -> gc.Executable:
    """All states of h = tanh(max(h w, -1) v + x), of any number of rows."""
    x = gc.placeholder("x", (3, "rows", units))
    w, v = gc.placeholder("w", (units, columns)), gc.placeholder("v", (columns, units))
    start = gc.zeros((x.shape[1], units))

    def step(h: gc.Tensor, z: gc.Tensor) -> tuple[gc.Tensor, gc.Tensor]:
        new = gc.tanh(gc.maximum(h @ w, -1) @ v + z)
        return new, new

    run = gc.compile([x, w, v], gc.scan(step, start, x)[1], isa=isa)
    assert "strips(" in run.dump("optimised")
    return run


def draw(rows: int, units: int, columns: int) -> list[np.ndarray]:
    rng = np.random.default_rng([rows, units, columns])
    shapes = [(3, rows, units), (units, columns), (columns, units)]
    return [rng.uniform(-0.3, 0.3, s).astype(np.float32) for s in shapes]


def states(x: np.ndarray, w: np.ndarray, v: np.ndarray) -> np.ndarray:
    h, found = np.zeros(x.shape[1:]), []
    for z in x.astype(np.float64):
        h = np.tanh(np.maximum(h @ w, -1) @ v + z)
        found.append(h)
    return np.array(found)


@pytest.mark.parametrize("isa", ["x86-64-v2", "x86-64-v3", "host"])
@pytest.mark.parametrize(("units", "columns"), [(16, 16), (19, 57), (32, 300), (20, 2049)])
def test_every_height_of_a_strip(units: int, columns: int, isa: str) -> None:
    run = recurrent(units, columns, isa)
    for rows in (0, 1, 2, 3, 4, 5, 12, 13, 16, 29, 33):
        given = draw(rows, units, columns)
        np.testing.assert_allclose(run(*given), states(*given), rtol=2e-5, atol=2e-5)


def test_the_number_of_threads_changes_no_bit() -> None:
    assert_same_bits(recurrent(32, 96), *draw(45, 32, 96), threads=(1, 2, 3))
