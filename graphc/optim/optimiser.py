"""What an optimiser is: a rule that gives every parameter its next value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from graphc.ir.dtypes import DType, float32
from graphc.ir.errors import DTypeError, GraphError, no_such
from graphc.ir.node import Tensor
from graphc.ir.walk import topological
from graphc.nn.layer import demand_like, state_of
from graphc.ops.arithmetic import minimum
from graphc.ops.convert import cast
from graphc.ops.powers import sqrt
from graphc.ops.reduction import sum as total
from graphc.ops.source import variable
from graphc.passes.derivatives.differentiate import grad

Rate = float | Tensor | Callable[[Tensor], Tensor]


class Optimiser:
    """Base of optimisers. A subclass gives `step`: the new value of a parameter, and of its slots.

    `lr` is a number, a tensor (say a placeholder), or a schedule: a function of the number of steps
    taken (in the parameter's dtype, 0 on the first call). With `clip_norm` all gradients are scaled
    so that their joint norm is at most that. 16-bit parameters are updated in float32 and rounded.
    """

    def __init__(self, lr: Rate, clip_norm: float | None = None):
        _check_number("a learning rate", lr)
        _check_number("a clip_norm", clip_norm)
        self.lr, self.clip_norm = lr, clip_norm
        self.slots: dict[str, Tensor] = {}
        self.owners: dict[str, tuple[Tensor, ...]] = {}
        self.began: dict[str, np.ndarray] = {}
        self._params: dict[str, Tensor] = {}
        self._count: Tensor | None = None

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> None:
            if hasattr(type(self), name):
                object.__getattribute__(self, name)  # a property that failed says why
            text = no_such(f"an optimiser {type(self).__name__}", name, "optimiser")
            raise AttributeError(text, name=name, obj=self)

    def updates(
        self, loss: Tensor, parameters: Iterable[Tensor] | Mapping[str, Tensor]
    ) -> dict[Tensor, Tensor]:
        """New values of the parameters, of the optimiser's variables, and of the count of steps."""
        params = those_of(loss, parameters)
        grads = grad(loss, list(params.values()))
        return self.apply(dict(zip(params, grads, strict=True)), params)

    def apply(
        self, grads: Mapping[str, Tensor], parameters: Mapping[str, Tensor]
    ) -> dict[Tensor, Tensor]:
        """The same from gradients, both by name."""
        self.remember(parameters)
        wide = {name: cast(g, _wide(g.dtype)) for name, g in grads.items()}
        if self.clip_norm is not None:
            wide = clip_by_global_norm(wide, self.clip_norm)
        result: dict[Tensor, Tensor] = {}
        for name, p in parameters.items():
            new, slots = self.step(name, cast(p, _wide(p.dtype)), wide[name])
            result[p] = cast(new, p.dtype)
            result.update(slots)
        if self._count is not None:
            result[self._count] = self._count + 1
        return result

    def step(self, name: str, p: Tensor, g: Tensor) -> tuple[Tensor, dict[Tensor, Tensor]]:
        """The new value of parameter `name`, now p with gradient g, and of the slots it uses."""
        raise NotImplementedError(type(self).__name__)

    def slot(self, name: str, kind: str, like: Tensor, start: Any = 0.0) -> Tensor:
        """The variable `kind` that goes with a parameter, typed as `like`; `start` at first.

        A name that belongs to none of the parameters goes with all of them. Raises GraphError where
        the variable goes with others already, as it would then mix up the gradients of both.
        """
        key = f"{name}.{kind}"
        params = self._params
        owners = (params[name],) if name in params else tuple(params.values())
        if owners:
            _demand_same(key, self.owners.setdefault(key, owners), owners)
        if key not in self.slots:
            shape = tuple(d for d in like.shape if isinstance(d, int))
            first = np.zeros(shape, like.dtype.numpy) + np.asarray(start, like.dtype.numpy)
            self.slots[key] = variable(first, key, trainable=False)
        return self.slots[key]

    def remember(self, parameters: Mapping[str, Tensor]) -> None:
        """Notes the parameters, for their slots, and the values that they have now, for slots that
        begin there.
        """
        self._params = dict(parameters)
        self.began = {name: _array(p) for name, p in parameters.items()}

    def count(self) -> Tensor:
        """The number of steps taken before this one, an int64 variable."""
        if self._count is None:
            self._count = variable(np.int64(0), "step", trainable=False)
            self.slots["step"] = self._count
        return self._count

    def rate(self, dtype: DType) -> Tensor | float:
        """The learning rate of this step."""
        if isinstance(self.lr, Tensor):
            return cast(self.lr, dtype)
        if callable(self.lr):
            return cast(self.lr(cast(self.count(), _wide(dtype))), dtype)
        return self.lr

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of the optimiser's own variables, by name."""
        return {name: _array(x).copy() for name, x in self.slots.items()}

    def load_state_dict(self, arrays: Mapping[str, Any]) -> None:
        """Gives every variable of the optimiser its array; call it after `updates`, which makes
        them. Raises GraphError unless names, shapes and dtypes all agree; then nothing changes.
        """
        if arrays.keys() != self.slots.keys():
            hint = "" if self.slots else "\n  hint: `updates` makes the optimiser's variables"
            raise GraphError(f"{sorted(self.slots)} needed, not {sorted(arrays)}{hint}")
        for name, x in self.slots.items():
            demand_like(name, x, np.asarray(arrays[name]))
        for name, x in self.slots.items():
            _array(x)[...] = arrays[name]


def clip_by_global_norm(grads: Mapping[str, Tensor], most: float) -> dict[str, Tensor]:
    """Gradients scaled down together, where the norm of all their elements is above `most`."""
    squares = [total(g * g) for g in grads.values()]
    norm = sqrt(sum(squares[1:], squares[0])) if squares else None
    assert norm is not None, "no gradients"
    scale = minimum(most / norm, 1.0)
    return {name: g * cast(scale, g.dtype) for name, g in grads.items()}


def _check_number(what: str, value: object) -> None:
    """Refuses numbers below 0, and what is no number; schedules and tensors may be anything."""
    several = isinstance(value, (list, tuple, dict, Iterator)) or hasattr(value, "named_parameters")
    if several or isinstance(value, str):
        hint = "\n  hint: optimiser.updates(loss, parameters) is given the parameters"
        raise GraphError(
            f"{what} is a number, a tensor or a schedule, not {value!r:.40}"
            f"{hint if several else ''}"
        )
    if isinstance(value, (int, float, np.number)) and not value >= 0:
        raise GraphError(f"{what} is at least 0, not {value}")


def those_of(
    loss: Tensor, parameters: Iterable[Tensor] | Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Parameters by name; a loss that none of them has a part in is refused."""
    params = named(parameters)
    if not isinstance(loss, Tensor):
        raise GraphError(f"a loss must be a scalar tensor, not {loss!r:.80}")
    behind = set(topological([loss]))
    if not any(p.node in behind for p in params.values()):
        raise GraphError(
            f"the loss depends on none of the {len(params)} parameters, {', '.join(params):.80}\n"
            f"  loss: {loss.describe()}\n"
            "  hint: are they those of the layers that made the loss?"
        )
    return params


def _demand_same(key: str, old: Sequence[Tensor], new: Sequence[Tensor]) -> None:
    """Refuses a slot to parameters that are not those it goes with."""
    pairs = [(a, b) for a, b in zip(old, new, strict=False) if a is not b]
    if not pairs and len(old) == len(new):
        return
    a, b = pairs[0] if pairs else (old[-1], new[-1])
    raise GraphError(
        f"the optimiser's variable {key!r} goes with another parameter already\n"
        f"  a: {a.describe()}\n  b: {b.describe()}\n"
        "  hint: every model needs an optimiser of its own, or one call of `updates` for both"
    )


def _wide(dtype: DType) -> DType:
    return float32 if dtype.is_float and dtype.bits == 16 else dtype


def _array(x: Tensor) -> np.ndarray:
    state = state_of(x)
    assert state is not None
    return state.array


def named(parameters: Iterable[Tensor] | Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Parameters by name; those of a list are numbered."""
    if isinstance(parameters, Tensor) or not isinstance(parameters, Iterable):
        came = "one tensor" if isinstance(parameters, Tensor) else type(parameters).__name__
        raise GraphError(
            f"an optimiser needs a list or a dict of variables, not {came}\n"
            "  hint: a layer has them as layer.named_parameters()"
        )
    if isinstance(parameters, Mapping):
        found = dict(parameters)
    else:
        every: Sequence[Tensor] = list(parameters)
        found = {f"{k}.{p.name or 'parameter'}": p for k, p in enumerate(every)}
    for p in found.values():
        if not isinstance(p, Tensor):
            raise GraphError(f"only a variable can be updated, not {p!r:.80}")
        if state_of(p) is None:
            raise GraphError(f"only a variable can be updated\n  {p.describe()}")
        if not p.dtype.is_float:
            raise DTypeError(f"a parameter must be floating\n  {p.describe()}")
    if not found:
        raise GraphError("there are no parameters to update")
    if len(set(found.values())) != len(found):
        raise GraphError("a parameter is given twice")
    return found
