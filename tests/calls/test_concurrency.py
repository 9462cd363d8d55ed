"""Compiled functions under many threads, after a fork, and when a call fails."""

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim
from tests.support.run import TARGETS

THREADS, CALLS = 8, 40


def at_once(work: Callable[[int], object]) -> list[object]:
    """What each of the threads returns, all at work at the same time."""
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(work, range(THREADS)))


def values(variable: gc.Tensor) -> np.ndarray:
    f = gc.compile([], variable)
    return np.asarray(f())


@pytest.mark.parametrize("target", TARGETS)
def test_calls_of_many_threads_do_not_mix(target: str) -> None:
    x, w = gc.placeholder("x", ("n", "m")), gc.placeholder("w", ("m", 5))
    f = gc.compile([x, w], {"p": gc.softmax(x @ w), "s": gc.sum(x, axis=0)}, target=target)

    def work(seed: int) -> bool:
        rng = np.random.default_rng(seed)
        for _ in range(CALLS if target == "cpu" else 4):
            a = rng.standard_normal((rng.integers(1, 200), rng.integers(1, 40)), np.float32)
            b = rng.standard_normal((a.shape[1], 5), np.float32)
            e = np.exp((z := a @ b) - z.max(axis=1, keepdims=True))
            found = f(a, b)
            np.testing.assert_allclose(found["p"], e / e.sum(axis=1, keepdims=True), 2e-4, 1e-6)
            np.testing.assert_allclose(found["s"], a.sum(axis=0), 1e-4, 1e-4)
        return True

    assert all(at_once(work))


def test_updates_of_many_threads_happen_one_after_the_other() -> None:
    count = gc.variable(np.zeros(20_000), "count", dtype=gc.float64)
    f = gc.compile([], count + 0, updates={count: count + 1})
    seen = at_once(lambda _: [np.unique(f()) for _ in range(CALLS)])
    each = [part for parts in seen for part in parts]
    assert all(part.size == 1 for part in each), "a call saw half of another one's update"
    assert sorted(part[0] for part in each) == list(range(THREADS * CALLS))
    assert np.unique(values(count)).tolist() == [THREADS * CALLS]


def test_generators_give_each_thread_numbers_of_its_own() -> None:
    f = gc.compile([], gc.random.bits(gc.random.Generator(seed=1), (4,)))
    drawn = at_once(lambda _: [tuple(f().tolist()) for _ in range(CALLS)])
    assert len({x for each in drawn for x in each}) == THREADS * CALLS


def test_functions_compiled_at_once_are_right() -> None:
    def work(k: int) -> bool:
        x = gc.placeholder("x", ("n",))
        f = gc.compile([x], gc.tanh(x * (k + 1)) + k)
        a = np.linspace(-1, 1, 7, dtype=np.float32)
        np.testing.assert_allclose(f(a), np.tanh(a * (k + 1)) + k, 1e-5)
        return True

    assert all(at_once(work))


FORK = """
import os, sys
import numpy as np
import graphc as gc

gc.set_num_threads(2)
x = gc.placeholder("x", ("n",))
total = gc.variable(0.0, "total", trainable=False)
f = gc.compile([x], gc.sum(gc.exp(x)), updates={total: total + 1})
big = np.zeros(1_000_000, np.float32)
assert f(big) == 1_000_000
for _ in range(3):
    child = os.fork()
    if not child:
        ok = all(f(big) == 1_000_000 for _ in range(20))
        g = gc.compile([x], gc.max(gc.exp(x)) * 3)
        os._exit(0 if ok and g(big) == 3 else 1)
    assert f(big) == 1_000_000
    assert os.waitpid(child, 0)[1] == 0
print("done")
"""


FORK_WHILE_COMPILING = """
import os, signal, threading
import numpy as np
import graphc as gc
from graphc.passes import pipeline

def compile(k):
    x = gc.placeholder("x", ("n",))
    assert gc.compile([x], gc.exp(x) * k)(np.zeros(3, np.float32))[0] == k

inside, go_on, run = threading.Event(), threading.Event(), pipeline._run
def waiting(*arguments):
    if threading.current_thread() is other:
        inside.set()
        go_on.wait()
    return run(*arguments)

pipeline._run = waiting
other = threading.Thread(target=compile, args=(2,))
other.start()
inside.wait()
child = os.fork()
if not child:
    signal.alarm(30)
    compile(3)
    os._exit(0)
go_on.set()
other.join()
assert os.waitpid(child, 0)[1] == 0
print("done")
"""


IMPORTING = """
import os, signal, sys, threading, time
import graphc as gc

class Slowly:
    def find_spec(self, name, path=None, target=None):
        if name == "graphc.fft" and threading.current_thread() is other:
            inside.set()
            time.sleep(0.3)
"""
FORK_WHILE_IMPORTING = f"""{IMPORTING}
sys.meta_path.insert(0, Slowly())
inside, other = threading.Event(), threading.Thread(target=lambda: gc.fft)
other.start()
inside.wait()
child = os.fork()
if not child:
    signal.alarm(10)
    gc.fft.rfft
    os._exit(0)
other.join()
assert os.waitpid(child, 0)[1] == 0
print("done")
"""
FORK_WHILE_IMPORTING_LOCKS = f"""{IMPORTING}
def make():
    gc.fft
    from graphc.ir.forks import loading, making
    with making, loading:
        inside.set()
        time.sleep(0.3)

sys.meta_path.insert(0, Slowly())
inside, other = threading.Event(), threading.Thread(target=make)
other.start()
inside.wait()
child = os.fork()
if not child:
    signal.alarm(10)
    x = gc.placeholder("x", ())
    assert gc.compile([x], x + 1)(1) == 2
    os._exit(0)
other.join()
assert os.waitpid(child, 0)[1] == 0
print("done")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize(
    "script",
    [FORK, FORK_WHILE_COMPILING, FORK_WHILE_IMPORTING, FORK_WHILE_IMPORTING_LOCKS],
    ids=["after use", "while compiling", "while importing", "while importing locks"],
)
def test_a_fork_leaves_both_sides_at_work(script: str, tmp_path: Path) -> None:
    """With nothing to say: a lock let go of by who has not taken it is only written of."""
    command = [sys.executable, "-W", "ignore", "-c", script]
    own = {**os.environ, "GRAPHC_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, env=own
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


# Calls that fail


def trainer() -> tuple[Callable[..., object], list[gc.Tensor]]:
    k, t = gc.placeholder("k", ("n",), gc.int64), gc.placeholder("t", ("n",), gc.int64)
    model = nn.Sequential(nn.Embedding(7, 8), nn.Dense(8, 3))
    loss = nn.cross_entropy(model(k), t)
    adam = optim.Adam(1e-2)
    updates = adam.updates(loss, model.named_parameters())
    return gc.compile([k, t], loss, updates), [*model.parameters(), *adam.slots.values()]


@pytest.mark.parametrize(
    "arguments",
    [
        ([0, 9], [0, 1]),
        ([0, 1], [0, 3]),
        ([0, 1], [0]),
        ([[0, 1]], [0, 1]),
        ([0.5, 1], [0, 1]),
    ],
    ids=["index", "class", "sizes", "rank", "dtype"],
)
def test_a_call_that_fails_changes_no_variable(arguments: tuple[object, object]) -> None:
    step, variables = trainer()
    step([1, 2, 3], [0, 1, 2])
    before = [values(v) for v in variables]
    with pytest.raises((gc.ArgumentError, gc.IndexRangeError)):
        step(*arguments)
    for old, v in zip(before, variables, strict=True):
        np.testing.assert_array_equal(values(v), old)
    step([1, 2, 3], [0, 1, 2])
    assert any((values(v) != old).any() for old, v in zip(before, variables, strict=True))
