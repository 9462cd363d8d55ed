"""How much stack the header says that a function needs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import graphc as gc

# A thread with the stack that the header names, and what Python needs around the call.
CALL = """
import sys, threading
import numpy as np
import graphc as gc

functions = gc.load(sys.argv[1])
gc.set_num_threads(1)
threading.stack_size((int(sys.argv[2]) + 32) * 1024)
x = np.ones((300, 4096), np.float32)
thread = threading.Thread(target=lambda: done.append(functions.call(x)))
done = []
thread.start(); thread.join()
assert len(done) == 1
"""


def transformed(x: gc.Tensor) -> gc.Tensor:
    return gc.fft.rfft(x)[0]


def multiplied(x: gc.Tensor) -> gc.Tensor:
    return gc.matmul(x, gc.transpose(x))


@pytest.mark.parametrize(("function", "least"), [(transformed, 48), (multiplied, 256)])
def test_a_thread_with_the_stack_that_the_header_names_suffices(
    function: object, least: int, tmp_path: Path
) -> None:
    assert callable(function)
    x = gc.placeholder("x", ("n", 4096))
    made = gc.export([x], function(x), tmp_path / "model")
    found = re.search(r"stack: up to (\d+) kB", made.header.read_text())
    assert found
    assert int(found[1]) > least
    command = [sys.executable, "-c", CALL, str(made.library), found[1]]
    subprocess.run(command, check=True, timeout=120)
