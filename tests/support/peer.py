"""Values and gradients beside PyTorch's. A test module that imports this is skipped where there is
no PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

import graphc as gc

torch = pytest.importorskip("torch")

TOLERANCE = {"float32": 1e-5, "float64": 1e-10}
both_precisions = pytest.mark.parametrize("dtype", list(TOLERANCE))


def agree(
    ours: Callable[..., Any],
    theirs: Callable[..., Any],
    dtype: str,
    shapes: Mapping[str, tuple[int | str, ...]] | None = None,
    /,
    **arrays: Any,
) -> None:
    """Asserts that two functions of the same named arrays, the floating ones of this dtype, have
    equal outputs, and equal gradients for these of a sum of the outputs with unequal weights.

    `shapes` are symbolic where those of the arrays should be. Differences are measured by the
    largest element of an array.
    """
    given = {name: _typed(array, dtype) for name, array in arrays.items()}
    symbols = {
        name: gc.placeholder(name.replace(".", "_"), (shapes or {}).get(name, a.shape), a.dtype)
        for name, a in given.items()
    }
    wrt = [name for name, a in given.items() if a.dtype.kind == "f"]
    ys = _listed(ours(**symbols))
    slopes = gc.grad(sum(map(_weighed, ys)), [symbols[name] for name in wrt]) if wrt else []
    found = gc.compile(list(symbols.values()), [*ys, *slopes])(*given.values())

    tensors = {
        name: torch.tensor(a, requires_grad=a.dtype.kind == "f") for name, a in given.items()
    }
    outputs = _listed(theirs(**tensors))
    loss = sum(
        (y.reshape(-1) * (torch.arange(y.numel()).to(y.dtype).cos() + 2)).sum() for y in outputs
    )
    expected = [*outputs, *(torch.autograd.grad(loss, [tensors[k] for k in wrt]) if wrt else [])]
    names = [f"output {k}" for k in range(len(ys))] + [f"gradient for {name}" for name in wrt]
    for name, a, b in zip(names, found, expected, strict=True):
        equal(a, b.detach().numpy(), dtype, name)


def equal(found: Any, expected: np.ndarray, dtype: str, name: str = "") -> None:
    """Asserts that two arrays are equal to what the dtype allows, in units of the largest."""
    assert found.shape == expected.shape, f"{name}: {found.shape}, not {expected.shape}"
    assert found.dtype == expected.dtype, f"{name}: {found.dtype}, not {expected.dtype}"
    scale = max(float(np.abs(expected).max(initial=0)), 0.01)
    np.testing.assert_allclose(found, expected, 0, TOLERANCE[dtype] * scale, err_msg=name)


def _typed(array: Any, dtype: str) -> np.ndarray:
    array = np.asarray(array)
    return array.astype(dtype) if array.dtype.kind == "f" else array


def _listed(result: Any) -> list[Any]:
    return list(result) if isinstance(result, (tuple, list)) else [result]


def _weighed(y: gc.Tensor) -> gc.Tensor:
    flat = gc.reshape(y, (-1,))
    return gc.sum(flat * (gc.cos(gc.iota((flat.shape[0],)).astype(y.dtype)) + 2))
