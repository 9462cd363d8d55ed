"""Runs a program in Numba's CUDA simulator.

The simulator is chosen when Numba is first imported, so a process of its own runs `main`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graphc.backends.cuda.source import SIMULATED, source_of
from graphc.backends.numba.entry import constants_of, numpy_name
from graphc.backends.program import Program
from graphc.ir.dim_values import evaluate
from graphc.ir.node import Tensor

Array = np.ndarray[Any, np.dtype[Any]]


def simulate(
    program: Program, arrays: Sequence[Array], sizes: Mapping[str, int], threads: int = 8
) -> tuple[list[Array], tuple[int, int]]:
    """The outputs of a program, and a failed check's code and value; variables stay as they are."""
    groups = {
        "inputs": list(zip(program.inputs, arrays, strict=True)),
        "outputs": [(x, _room(x, sizes)) for x in program.outputs],
        "variables": [(x, x.node.attrs["state"].array) for x in program.variables],
        "constants": [(x, x.node.attrs["value"].array) for x in constants_of(program)],
    }
    data = {
        f"{group}{k}": array.reshape(-1).view(numpy_name(x.dtype))
        for group, members in groups.items()
        for k, (x, array) in enumerate(members)
    }
    found = _in_simulator(source_of(program, threads, SIMULATED), data, sizes)
    status = found["status"]
    results = [
        found[f"outputs{k}"].view(x.dtype.numpy).reshape(array.shape)
        for k, (x, array) in enumerate(groups["outputs"])
    ]
    return results, (int(status[0]), int(status[1]))


def _room(x: Tensor, sizes: Mapping[str, int]) -> Array:
    return np.zeros([evaluate(d, sizes) for d in x.shape], x.dtype.numpy)


def _in_simulator(
    source: str, data: Mapping[str, Array], sizes: Mapping[str, int]
) -> Mapping[str, Array]:
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, name) for name in ("source.py", "data.npz", "results.npz")]
        paths[0].write_text(source)
        np.savez(paths[1], allow_pickle=False, **data)
        command = [sys.executable, "-m", __name__, *map(str, paths), json.dumps(dict(sizes))]
        subprocess.run(command, check=True, env=os.environ | {"NUMBA_ENABLE_CUDASIM": "1"})
        with np.load(paths[2]) as results:
            return dict(results)


def main(source: str, data: str, results: str, sizes: str) -> None:
    """Runs the source on the arrays in `data` and writes outputs and status to `results`."""
    warnings.simplefilter("ignore")  # arithmetic here wraps and overflows as kernels do
    names: dict[str, Any] = {}
    exec(compile(Path(source).read_text(), source, "exec"), names)
    with np.load(data) as arrays:
        given = dict(arrays)
    groups: dict[str, list[Array]] = {}
    for group in ("inputs", "outputs", "variables", "constants"):
        count = sum(name.startswith(group) for name in given)
        groups[group] = [given[f"{group}{k}"] for k in range(count)]
    status = np.zeros(2, np.int64)
    names["run"](status, *groups.values(), json.loads(sizes))
    outputs = {f"outputs{k}": array for k, array in enumerate(groups["outputs"])}
    np.savez(results, allow_pickle=False, status=status, **outputs)


if __name__ == "__main__":
    main(*sys.argv[1:])
