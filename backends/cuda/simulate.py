"""Runs programs in Numba's CUDA simulator.

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

SOURCE, SIZES, DATA, RESULTS = "source.py", "sizes.json", "data.npz", "results.npz"

Array = np.ndarray[Any, np.dtype[Any]]
Run = tuple[Program, Sequence[Array], Mapping[str, int]]
Result = tuple[list[Array], tuple[int, int]]


def simulate(runs: Sequence[Run], threads: int = 8) -> list[Result]:
    """The outputs of each program, and a failed check's code and value; variables stay as they are.
    All run in one process, whose start takes longer than most of them.
    """
    with tempfile.TemporaryDirectory() as folder:
        places = [Path(folder, str(k)) for k in range(len(runs))]
        for place, run in zip(places, runs, strict=True):
            _write(place, run, threads)
        command = [sys.executable, "-m", __name__, *map(str, places)]
        subprocess.run(command, check=True, env=os.environ | {"NUMBA_ENABLE_CUDASIM": "1"})
        return [_read(place, run) for place, run in zip(places, runs, strict=True)]


def _write(place: Path, run: Run, threads: int) -> None:
    program, arrays, sizes = run
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
    place.mkdir()
    (place / SOURCE).write_text(source_of(program, threads, SIMULATED))
    (place / SIZES).write_text(json.dumps(dict(sizes)))
    np.savez(place / DATA, allow_pickle=False, **data)


def _read(place: Path, run: Run) -> Result:
    program, _, sizes = run
    with np.load(place / RESULTS) as found:
        status = found["status"]
        outputs = [
            found[f"outputs{k}"].view(x.dtype.numpy).reshape([evaluate(d, sizes) for d in x.shape])
            for k, x in enumerate(program.outputs)
        ]
    return outputs, (int(status[0]), int(status[1]))


def _room(x: Tensor, sizes: Mapping[str, int]) -> Array:
    return np.zeros([evaluate(d, sizes) for d in x.shape], x.dtype.numpy)


def main(*places: str) -> None:
    """Runs the program in each folder on its arrays, and writes its outputs and status there."""
    warnings.simplefilter("ignore")  # arithmetic here wraps and overflows as kernels do
    for place in map(Path, places):
        _run(place)


def _run(place: Path) -> None:
    names: dict[str, Any] = {}
    exec(compile((place / SOURCE).read_text(), str(place / SOURCE), "exec"), names)
    with np.load(place / DATA) as arrays:
        given = dict(arrays)
    groups: dict[str, list[Array]] = {}
    for group in ("inputs", "outputs", "variables", "constants"):
        count = sum(name.startswith(group) for name in given)
        groups[group] = [given[f"{group}{k}"] for k in range(count)]
    status = np.zeros(2, np.int64)
    names["run"](status, *groups.values(), json.loads((place / SIZES).read_text()))
    outputs = {f"outputs{k}": array for k, array in enumerate(groups["outputs"])}
    np.savez(place / RESULTS, allow_pickle=False, status=status, **outputs)


if __name__ == "__main__":
    main(*sys.argv[1:])
