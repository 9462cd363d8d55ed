"""Layers made of array functions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from graphc import init
from graphc.init import Seed
from graphc.ir.errors import GraphError, ShapeError
from graphc.ir.node import Tensor
from graphc.nn.layer import Layer, first_value
from graphc.ops.linear.contraction import matmul
from graphc.ops.source import variable

Activation = Callable[[Tensor], Tensor]
Init = Callable[..., Any]


def checked_function(what: str, f: Activation) -> Activation:
    """f; raises GraphError if it is no layer and no function."""
    if isinstance(f, type) or not callable(f):
        many = isinstance(f, (list, tuple))
        came = f"the class {f.__name__}" if isinstance(f, type) else f"{f!r:.40}"
        came = f"a {type(f).__name__}" if many else came
        hint = "\n  hint: put a * before a list of layers" if many else ""
        raise GraphError(f"{what} is a layer or a function such as gc.relu, not {came}{hint}")
    return f


def checked_activation(f: Activation | None) -> Activation | None:
    """f; raises GraphError unless it is None, a layer or a function."""
    return None if f is None else checked_function("an activation", f)


class Dense(Layer):
    """x @ weight + bias over the last axis, then the activation.

    The weight is (inputs, outputs), Glorot uniform unless `weights` says otherwise; the bias starts
    at 0.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        activation: Activation | None = None,
        bias: bool = True,
        weights: Init = init.glorot_uniform,
        seed: Seed = None,
        dtype: Any = "float32",
    ):
        self.weight = variable(first_value(weights, (inputs, outputs), seed, dtype), "weight")
        self.bias = variable(init.zeros((outputs,), dtype), "bias") if bias else None
        self.activation = checked_activation(activation)

    def __call__(self, x: Tensor) -> Tensor:
        if not x.shape or x.shape[-1] != self.weight.shape[0]:
            wanted = f"Dense needs a last axis of length {self.weight.shape[0]}"
            came = x.shape[-1] if x.shape else "a scalar"
            raise ShapeError(f"{wanted}, not {came}\n  {x.describe()}")
        y = matmul(x, self.weight)
        y = y if self.bias is None else y + self.bias
        return y if self.activation is None else self.activation(y)


class Sequential(Layer):
    """Each layer or function on the result of the one before."""

    def __init__(self, *steps: Activation):
        self.steps = [
            checked_function(f"step {k} of a Sequential", step) for k, step in enumerate(steps)
        ]

    def __repr__(self) -> str:
        names = [s if isinstance(s, Layer) else getattr(s, "__name__", s) for s in self.steps]
        lines = [line for k, s in enumerate(names) for line in f"{k}: {s}".splitlines()]
        return "\n  ".join([type(self).__name__, *lines])

    def variables(self) -> dict[str, Tensor]:
        return {k.removeprefix("steps."): x for k, x in super().variables().items()}

    def __call__(self, x: Tensor) -> Tensor:
        for k, step in enumerate(self.steps):
            try:
                x = step(x)
            except (AttributeError, TypeError) as error:
                if isinstance(x, Tensor):
                    raise
                raise GraphError(
                    f"step {k - 1} of a Sequential gives a {type(x).__name__} to step {k}, "
                    "which takes a tensor\n"
                    "  hint: put a function between them that chooses one, such as lambda r: r[0]"
                ) from error
        return x

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, k: int) -> Activation:
        return self.steps[k]


class Embedding(Layer):
    """Row x[i] of a table (count, size) for each integer of x; one out of range fails the call."""

    def __init__(self, count: int, size: int, seed: Seed = None, dtype: Any = "float32"):
        normal = partial(init.normal, std=1.0)
        self.table = variable(first_value(normal, (count, size), seed, dtype), "table")

    def __call__(self, x: Tensor) -> Tensor:
        from graphc.ops.indexing.gather import take

        return take(self.table, x, axis=0)
