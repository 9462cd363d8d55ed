"""The ops that are timed beside peers give what NumPy gives, with named sizes and fixed ones."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import sweep_ops
from ops_cases import CASES

SHAPES = {"take": ((9, 4, 5),)}


@pytest.mark.parametrize("named", [True, False], ids=["named", "fixed"])
@pytest.mark.parametrize(
    "name", ["sort", "cumsum-1", "argmax0", "transpose", "take", "pad_reflect", "stack_last"]
)
def test_a_case_gives_what_numpy_gives(name: str, named: bool) -> None:
    case = replace(CASES[name], shapes=SHAPES.get(name, ((7, 6),)))
    for arrays in case.inputs():
        found = sweep_ops.compiled(case, arrays, named)()
        np.testing.assert_allclose(found, case.numpy(np, *arrays), rtol=1e-6)


def test_what_is_slower_than_a_peer_is_marked(capsys: pytest.CaptureFixture[str]) -> None:
    case = replace(CASES["sort"], shapes=((300, 400),), numpy=lambda np, x: None)
    for arrays in case.inputs():
        sweep_ops.compare("sort", case, arrays, ["numpy"], 0.0)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("sort") and line.endswith("*") for line in lines)
