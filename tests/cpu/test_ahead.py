"""What every process makes once: by one thread, whoever asks, and never across a fork."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from graphc.backends.cpu.ahead import once

COLD = """
import sys, threading
import numpy as np
import graphc as gc
x = gc.placeholder("x", ("n",))
print(float(gc.compile([x], gc.sum(x * 2))(np.ones(5, np.float32))))
[t.join() for t in threading.enumerate() if t is not threading.current_thread()]
print("llvmlite.binding" in sys.modules)
"""


def test_what_several_ask_for_is_made_once() -> None:
    made: list[int] = []

    def make() -> int:
        time.sleep(0.02)
        made.append(1)
        return 7

    ask, got = once(make), list[int]()
    threads = [threading.Thread(target=lambda: got.append(ask())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(made), got) == (1, [7] * 8)


def test_a_fork_waits_for_what_is_being_made() -> None:
    begun, ask = threading.Event(), once(lambda: (begun.set(), time.sleep(0.05), 7)[2])
    thread = threading.Thread(target=ask)
    thread.start()
    begun.wait()
    child = os.fork()
    if not child:
        os._exit(ask())
    assert os.waitpid(child, 0)[1] >> 8 == 7
    thread.join()


LOADING = """
import ctypes, os, signal, threading, time
from graphc.backends.llvm import library

begun, load = threading.Event(), ctypes.CDLL
def slowly(path):
    begun.set()
    time.sleep(0.2)
    return load(path)
ctypes.CDLL = slowly
thread = threading.Thread(target=library.load)
thread.start()
begun.wait()
child = os.fork()
if not child:
    signal.alarm(20)
    os._exit(len(library.text("GetProcessTriple")) > 0)
print(os.waitpid(child, 0)[1])
thread.join()
"""


def test_forks_are_told_once_however_often_the_package_is_imported() -> None:
    script = """
import importlib, os, signal
import graphc
importlib.reload(graphc)
signal.alarm(10)
child = os.fork()
assert child == 0 or os.waitpid(child, 0)[1] == 0
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=True, timeout=60)


def test_a_fork_waits_for_llvm_to_be_loaded() -> None:
    done = subprocess.check_output([sys.executable, "-c", LOADING], text=True)
    assert done.split() == ["256"]


FORKED = """
import os, signal, time
import numpy as np
import graphc as gc
from graphc.backends.cpu import ahead
ahead.begin()
time.sleep(DELAY)
child = os.fork()
if not child:
    signal.alarm(20)
    x = gc.placeholder("x", ("n",))
    os._exit(int(gc.compile([x], gc.sum(x * 2))(np.ones(5, np.float32))))
print(os.waitpid(child, 0)[1] >> 8)
"""


@pytest.mark.parametrize("delay", ["0", "0.003", "0.02"])
def test_a_child_compiles_whenever_its_parent_forked(delay: str, tmp_path: Path) -> None:
    place = {"GRAPHC_CACHE_DIR": str(tmp_path), "GRAPHC_NUM_THREADS": "2"}
    command = [sys.executable, "-c", FORKED.replace("DELAY", delay)]
    done = subprocess.check_output(command, text=True, env={**os.environ, **place})
    assert done.split() == ["10"]


def test_a_first_compilation_works_with_any_number_of_threads(tmp_path: Path) -> None:
    for count in ("1", "2"):
        place = {"GRAPHC_CACHE_DIR": str(tmp_path / count), "GRAPHC_NUM_THREADS": count}
        command = [sys.executable, "-c", COLD]
        done = subprocess.check_output(command, text=True, env={**os.environ, **place})
        assert done.split() == ["10.0", "False"]


ENDING = """
import threading
import numpy as np
import graphc as gc

def work() -> None:
    threading.main_thread().join()
    a, b = (gc.constant(np.full((600, 600), k, np.float32)) for k in (1, 2))
    x = gc.placeholder("x", ("n",))
    print(float(gc.compile([x], gc.sum(x * 2) + gc.max(a @ b))(np.ones(5, np.float32))))

threading.Thread(target=work).start()
"""
NO_THREADS = """
import threading

def refuse(thread):
    raise RuntimeError("can't start new thread")

threading.Thread.start = refuse
"""


def run(script: str, tmp_path: Path) -> str:
    place = {"GRAPHC_CACHE_DIR": str(tmp_path), "GRAPHC_NUM_THREADS": "4"}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env={**os.environ, **place}
    )
    return done.stdout + done.stderr


def test_a_thread_compiles_after_the_main_one_has_ended(tmp_path: Path) -> None:
    assert run(ENDING, tmp_path) == "1210.0\n"


def test_a_process_that_gets_no_threads_compiles_alone(tmp_path: Path) -> None:
    script = ENDING.replace("threading.main_thread().join()", "").replace(
        "threading.Thread(target=work).start()", "work()"
    )
    assert run(NO_THREADS + script, tmp_path) == "1210.0\n"
