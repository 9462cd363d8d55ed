"""The same graph has the same code, byte for byte, wherever it is compiled."""

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import numpy as np
import graphc as gc
x = y = gc.placeholder("x", ("n", 64))
for k in range(3):
    w = gc.constant(np.random.default_rng(k).normal(size=(64, 64)).astype(np.float32))
    y = gc.softmax(gc.tanh(y @ w), axis=1)
gc.compile([x], [y, *gc.grad(gc.sum(y * y), [x])])
"""


def files_of(folder: Path, seed: int) -> dict[str, bytes]:
    """What a process with this seed of hashes leaves in an empty cache."""
    env = os.environ | {"PYTHONHASHSEED": str(seed), "GRAPHC_CACHE_DIR": str(folder)}
    subprocess.run([sys.executable, "-c", PROGRAM], env=env, check=True)
    return {path.name: path.read_bytes() for path in folder.glob("*.code")}


def test_two_processes_write_the_same_files(tmp_path: Path) -> None:
    first, second = (files_of(tmp_path / str(seed), seed) for seed in (1, 2))
    assert len(first) > 3
    assert first == second
