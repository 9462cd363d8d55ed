"""Stages of targets that a function was not compiled for."""

import pytest

import graphc as gc


@pytest.mark.parametrize(
    ("stage", "part"),
    [("numba", "@kernel\ndef nest_"), ("ptx", ".target sm_80"), ("numba-cuda", "@cuda.jit\ndef ")],
)
@pytest.mark.parametrize("target", ["cpu", "reference"])
def test_a_function_reads_in_the_language_of_another_target(
    stage: str, part: str, target: str
) -> None:
    x = gc.placeholder("x", ("n", 4))
    assert part in gc.compile([x], gc.softmax(x), target=target).dump(stage)
