"""Names that users of other libraries try: errors say what to write here."""

import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim
from graphc.ir import elsewhere

HINTS = sorted({hint for names in elsewhere._NAMES.values() for hint in names.values()})


@pytest.mark.parametrize("hint", HINTS)
def test_what_a_hint_names_is_there(hint: str) -> None:
    for path in re.findall(r"\b(?:gc|nn|optim)(?:\.\w+)+", hint):
        found: Any = {"gc": gc, "nn": nn, "optim": optim}[path.partition(".")[0]]
        for name in path.split(".")[1:]:
            found = getattr(found, name)
    for path, kind in (("layer", nn.Layer), ("x", gc.Tensor), ("f", gc.Executable)):
        for name in re.findall(rf"\b{path}\.(\w+)", hint):
            assert hasattr(kind, name) or name in kind.__slots__, f"{path}.{name}"


def test_no_hint_is_for_a_name_that_is_there() -> None:
    kinds = {"gc": gc, "nn": nn, "optim": optim, "random": gc.random, "linalg": gc.linalg}
    kinds |= {"tensor": gc.Tensor, "layer": nn.Layer, "optimiser": optim.Optimiser}
    kinds |= {"function": gc.Executable}
    for of, owner in kinds.items():
        assert [name for name in elsewhere._NAMES[of] if name in dir(owner)] == []


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("array", "gc.constant(array)"),
        ("linalg.solve_triangular", "gc.linalg.triangular_solve"),
        ("jit", "graphs are functions of placeholders already"),
        ("nn.Linear", "nn.Dense(inputs, outputs)"),
        ("nn.Softmin", None),
        ("optim.Adagrad", "optim.AdaGrad"),
        ("conv2d", "nn.conv2d"),
        ("solve", "gc.linalg.solve"),
        ("optim.adam", "optim.Adam"),
        ("random.seed", "gc.random.key(0)"),
        ("nonsense", None),
        ("__wrapped__", None),
    ],
)
def test_a_name_of_another_library_leads_to_ours(path: str, hint: str | None) -> None:
    owner: Any = gc
    *modules, name = path.split(".")
    for module in modules:
        owner = getattr(owner, module)
    with pytest.raises(AttributeError) as caught:
        getattr(owner, name)
    assert f"has no {name!r}" in str(caught.value)
    assert (f"\n  hint: {hint}" in str(caught.value)) if hint else "hint" not in str(caught.value)


def test_tensors_layers_optimisers_and_functions_tell_too() -> None:
    x = gc.placeholder("x", (3, 4))
    for owner, name, hint in [
        (x, "view", "x.reshape(shape)"),
        (gc.sum(x), "backward", "gc.grad(loss, parameters)"),
        (nn.Dense(4, 2), "forward", "layer(x) calls it"),
        (optim.Adam(), "zero_grad", "gc.compile([x], loss, updates="),
        (gc.compile([x], x), "run", "f(array) runs it"),
    ]:
        assert not hasattr(owner, name)
        with pytest.raises(AttributeError, match=re.escape(f"\n  hint: {hint}")):
            getattr(owner, name)


def test_a_property_that_fails_says_why() -> None:
    class Broken(nn.Layer):
        @property
        def weight(self) -> gc.Tensor:
            return self.wieght  # type: ignore[attr-defined,no-any-return]

    with pytest.raises(AttributeError, match="'wieght'"):
        Broken().weight  # noqa: B018 - it fails


@pytest.mark.parametrize("function", [gc.grad, gc.jacobian, gc.hessian])
def test_a_derivative_of_a_python_function_is_explained(function: Any) -> None:
    name = function.__name__
    with pytest.raises(gc.GradientError, match=rf"hint: call it .* gc\.{name}\(f\(x\), x\)"):
        function(lambda x: gc.sum(x))
    with pytest.raises(gc.GradientError, match="needs the tensors to differentiate by"):
        function(gc.sum(gc.placeholder("x", (3,))))


def test_a_python_function_cannot_be_compiled() -> None:
    with pytest.raises(gc.GraphError, match=r"hint: .*: gc\.compile\(\[x\], f\(x\)\)"):
        gc.compile(lambda x: x)  # type: ignore[arg-type]


def test_a_tensor_is_made_by_functions() -> None:
    with pytest.raises(gc.GraphError, match=r"gc\.placeholder\(name, shape\) stands for"):
        gc.Tensor(np.zeros(3))


def test_the_table_is_not_loaded_before_it_is_needed() -> None:
    code = "import sys, graphc.nn, graphc.optim; sys.exit('graphc.ir.elsewhere' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("module", [gc.init, gc.linalg, gc.nn, gc.optim, gc.random])
def test_a_module_shows_what_is_meant_to_be_used(module: Any) -> None:
    assert dir(module) == sorted(module.__all__)


def test_a_layer_says_what_it_has() -> None:
    with pytest.raises(AttributeError, match=r"has no 'weight'\n  hint: it has table$"):
        nn.Embedding(3, 2).weight  # noqa: B018
    pair = nn.Residual(nn.Dense(3, 3))
    pair.both = [nn.Dense(3, 2), nn.Dense(2, 1)]  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match=r"has no 'norm'\n  hint: it has \w+, both$"):
        pair.norm  # noqa: B018
