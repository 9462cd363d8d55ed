"""A compiled function that nobody refers to any more leaves nothing behind."""

import gc as garbage
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim

SEEN = Path("/proc/self/maps").exists()


def _model() -> gc.Executable:
    x, t = gc.placeholder("x", ("n", 16)), gc.placeholder("t", ("n",), gc.int64)
    table = gc.constant(np.arange(16 * 64, dtype=np.float32).reshape(16, 64) / 1024)
    model = nn.Dense(64, 10, seed=0)
    loss = nn.cross_entropy(model(x @ table), t)
    updates = optim.SGD(1e-3).updates(loss, model.parameters())
    return gc.compile([x, t], {"loss": loss}, updates=updates)


def _call(f: gc.Executable) -> float:
    return float(f(np.ones((8, 16), np.float32), np.zeros(8, np.int64))["loss"])


def _memory() -> tuple[int, int]:
    """How many mappings this process has, and how many pages are resident."""
    garbage.collect()
    maps = Path("/proc/self/maps").read_text().count("\n")
    return maps, int(Path("/proc/self/statm").read_text().split()[1])


@pytest.mark.skipif(not SEEN, reason="a process cannot see its own memory here")
def test_fifty_models_take_no_more_memory_than_one() -> None:
    for _ in range(3):
        _call(_model())
    maps, pages = _memory()
    for _ in range(50):
        _call(_model())
    more_maps, more_pages = (
        after - before for after, before in zip(_memory(), (maps, pages), strict=True)
    )
    assert more_maps < 10
    assert more_pages * 4096 < 4_000_000


def test_code_goes_with_the_function() -> None:
    f = _model()
    code = weakref.ref(f.native.library)  # type: ignore[union-attr]
    _call(f)
    del f
    garbage.collect()
    assert code() is None


def test_a_function_taken_from_its_executable_keeps_its_code_and_constants() -> None:
    x = gc.placeholder("x", (3,))
    values = np.array([1, 2, 3], np.float32)
    f = gc.compile([x], x * gc.constant(values))
    call = f.__call__
    del f
    garbage.collect()
    np.testing.assert_array_equal(call(np.ones(3, np.float32)), values)


def test_a_function_that_is_dropped_while_it_runs_runs_to_its_end() -> None:
    held, found = [_model()], []
    wanted = _call(_model())
    x, t = np.ones((8, 16), np.float32), np.zeros(8, np.int64)

    def run() -> None:
        for _ in range(20):
            found.append(_call(_model()))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    held[0](x, t)
    held.clear()
    garbage.collect()
    for thread in threads:
        thread.join()
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
