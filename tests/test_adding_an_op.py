"""The ops shown in docs/adding_an_op.md are written to files, and keep the laws of ops."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.ir.op import Op
from tests.ops import test_op_laws as laws
from tests.support.documents import code_blocks
from tests.support.run import TARGETS

NAMES = ("logit", "outer_sum")


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Each example as a module of its own; its op is forgotten afterwards."""
    found = {}
    for name, (_, code) in zip(NAMES, code_blocks("docs/adding_an_op.md"), strict=True):
        file: Path = tmp_path_factory.mktemp("ops") / f"{name}.py"
        file.write_text(code)
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None and spec.loader is not None
        found[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(found[name])
    yield found
    for name in NAMES:
        del Op.registry[name]


@pytest.mark.parametrize("name", NAMES)
def test_an_op_from_the_document_keeps_the_laws(modules: dict[str, Any], name: str) -> None:
    op = Op.registry[name]
    for target in (*laws.NATIVE, "numba"):
        laws.test_a_backend_computes_the_reference(op, target)
    laws.test_the_gradient_is_the_limit_of_differences(op)
    laws.test_the_batching_rule_is_a_loop(op)


@pytest.mark.parametrize("target", TARGETS)
def test_it_works_with_everything_else(modules: dict[str, Any], target: str) -> None:
    logit, outer_sum = modules["logit"].logit, modules["outer_sum"].outer_sum
    x = gc.placeholder("x", ("n", 3))
    rows = gc.vmap(lambda row: outer_sum(row, logit(row)).sum(axis=1))(x)
    f = gc.compile([x], [rows, gc.grad(gc.sum(rows * rows), x)], target=target)
    a = np.random.default_rng(0).uniform(0.1, 0.9, (4, 3)).astype(np.float32)
    odds = np.log(a / (1 - a))
    want = 3 * a + odds.sum(axis=1, keepdims=True)
    slope = 6 * want + 2 * want.sum(axis=1, keepdims=True) / (a * (1 - a))
    values, gradient = f(a)
    np.testing.assert_allclose(values, want, rtol=1e-5)
    np.testing.assert_allclose(gradient, slope, rtol=1e-4)


def test_its_mistakes_name_the_op(modules: dict[str, Any]) -> None:
    a, b = gc.placeholder("a", (2, 3)), gc.placeholder("b", (3,))
    with pytest.raises(gc.ShapeError, match=r"outer_sum: .*not f32\[2, 3\] and f32\[3\]\n  a: a: "):
        modules["outer_sum"].outer_sum(a, b)
