"""Bodies that compute the same of other operands share their kernels, and only those."""

import numpy as np
import pytest

import graphc as gc
from graphc.backends.lower.kernel import Call, Temporary
from graphc.backends.lower.repeats import Repeats
from graphc.backends.program import Program
from graphc.ir.node import Tensor
from tests.fuzz.graphs import draw_case
from tests.lower.scheduled import program_of


def calls_of(program: Program) -> list[Call]:
    return [call for call in program.calls if isinstance(call, Call)]


def layers(n: int, width: int) -> tuple[Tensor, Tensor]:
    """An input, and what layers that are alike, each with its own matrices, make of it."""
    x = y = gc.placeholder("x", ("n", width))
    rng = np.random.default_rng(n)
    for _ in range(n):
        w, v = rng.normal(size=(2, width, width)).astype(np.float32)
        y = gc.softmax(gc.tanh(y @ gc.constant(w)), axis=1) @ gc.constant(v)
    return x, y


def test_layers_that_are_alike_have_the_same_kernels() -> None:
    x, y = layers(6, 40)
    compiled = gc.compile([x], y)
    assert compiled.program is not None
    calls = calls_of(compiled.program)
    assert len(calls) >= 12
    assert len({id(call.kernel) for call in calls}) <= 8
    array = np.random.default_rng(0).normal(size=(13, 40)).astype(np.float32)
    expected = gc.compile([x], y, target="reference")(array)
    np.testing.assert_allclose(compiled(array), expected, rtol=2e-5, atol=1e-6)


def test_temporary_memory_is_each_bodys_own() -> None:
    x, y = (gc.placeholder(name, ("n",)) for name in "xy")
    calls = calls_of(program_of([x, y], [gc.sum(x), gc.sum(y)]))
    parts = [b for call in calls for b in call.arguments if isinstance(b, Temporary)]
    assert len({id(call.kernel) for call in calls}) < len(calls)
    assert len(set(parts)) > 1


def test_what_reads_one_value_twice_is_not_like_what_reads_two() -> None:
    x, y, z = (gc.placeholder(name, (64, 64)) for name in "xyz")
    outputs = [x @ y, z @ z, gc.exp(x) * y, gc.exp(z) * z]
    arrays = [np.random.default_rng(k).normal(size=(64, 64)).astype(np.float32) for k in range(3)]
    results = gc.compile([x, y, z], outputs)(*arrays)
    expected = gc.compile([x, y, z], outputs, target="reference")(*arrays)
    for result, wanted in zip(results, expected, strict=True):
        np.testing.assert_allclose(result, wanted, rtol=1e-4, atol=1e-4)


def test_checks_are_each_bodys_own() -> None:
    x = gc.placeholder("x", (10,))
    i, j = (gc.placeholder(name, (), gc.int64) for name in "ij")
    f = gc.compile([x, i, j], [gc.take(x, i), gc.take(x, j)])
    for wrong in ((11, 0), (0, 12)):
        with pytest.raises(IndexError, match=f"index {max(wrong)} "):
            f(np.zeros(10, np.float32), *wrong)


@pytest.mark.parametrize("seed", range(12))
def test_kernels_are_those_of_bodies_lowered_one_by_one(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = draw_case(seed, steps=24)
    inputs, outputs = list(case.feeds), [*case.outputs, *case.gradients()]
    shared = program_of(inputs, outputs)
    monkeypatch.setattr(Repeats, "find", lambda *_: None)
    alone = program_of(inputs, outputs)
    for a, b in zip(calls_of(shared), calls_of(alone), strict=True):
        assert (str(a.kernel), str(a.chunks)) == (str(b.kernel), str(b.chunks))
        for x, y in zip(a.arguments, b.arguments, strict=True):
            assert x is y or (isinstance(x, Temporary) and isinstance(y, Temporary))
