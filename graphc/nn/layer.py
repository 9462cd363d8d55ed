"""What a layer is: an object that is called on tensors and owns variables."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import numpy as np

from graphc.ir.array_archive import is_archive, read_archive, stored_dtype, write_archive
from graphc.ir.dtypes import as_dtype
from graphc.ir.errors import GraphError, ShapeError, no_such
from graphc.ir.node import Tensor
from graphc.ir.tensor_file import read_tensors, write_tensors
from graphc.ops.source import State


def demand_like(name: str, x: Tensor, new: np.ndarray) -> None:
    """Raises ShapeError unless an array is shaped and typed as the variable x."""
    _demand(name, x, new.shape, new.dtype, x.dtype.numpy)


def _demand(
    name: str, x: Tensor, shape: tuple[int, ...], dtype: np.dtype[Any], wanted: np.dtype[Any]
) -> None:
    if shape != x.shape or dtype != wanted:
        raise ShapeError(f"{name} is {x.type}, not {dtype}{list(shape)}")


def state_of(x: Any) -> State | None:
    """The array behind a variable; None for anything else."""
    if not isinstance(x, Tensor):
        return None
    state = x.node.attrs.get("state")
    return state if isinstance(state, State) else None


_outlines: ContextVar[bool] = ContextVar("outlines", default=False)


@contextmanager
def outline() -> Iterator[None]:
    """Layers made in this context start from zeros and take no memory until they are used, so that
    models of any size can be inspected and counted.
    """
    token = _outlines.set(True)
    try:
        yield
    finally:
        _outlines.reset(token)


def first_value(make: Callable[..., Any], shape: tuple[int, ...], seed: Any, dtype: Any) -> Any:
    """What an initialiser gives for a shape; in an outline, zeros without memory."""
    if not all(isinstance(n, (int, np.integer)) and n >= 0 for n in shape):
        sizes = ", ".join(map(repr, shape))
        raise ShapeError(f"a layer's sizes are whole numbers that are known now, not ({sizes})")
    if _outlines.get():
        return np.broadcast_to(np.zeros((), as_dtype(dtype).numpy), shape)
    return make(shape, seed, dtype=dtype)


class Layer:
    """Base of layers. Variables and layers held in attributes (also in lists, tuples and dicts)
    belong to it.

    A subclass gives `__call__`. `training` says how layers such as dropout behave where they are
    called next.
    """

    training: bool = True

    def __call__(self, x: Tensor) -> Tensor:
        """The layer applied to x."""
        hint = "its `forward` is called `__call__` here"
        if "forward" not in dir(self):
            hint = "it gives what the layer makes of x"
        raise GraphError(f"{type(self).__name__} has no __call__\n  hint: {hint}")

    def __repr__(self) -> str:
        held = list(_parts(vars(self)))
        own = ", ".join(f"{name}: {x.type}" for name, x in held if state_of(x) is not None)
        lines = [f"{type(self).__name__}({own})" if own else type(self).__name__]
        for name, part in held:
            if isinstance(part, Layer):
                lines += f"{name}: {part!r}".splitlines()
        return "\n  ".join(lines)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> None:
            if hasattr(type(self), name):
                object.__getattribute__(self, name)  # a property that failed says why
            text = no_such(f"a layer {type(self).__name__}", name, "layer")
            held = ", ".join(
                dict.fromkeys(path.partition(".")[0] for path, _ in _parts(vars(self)))
            )
            if held and "hint" not in text:
                text += f"\n  hint: it has {held}"
            raise AttributeError(text, name=name, obj=self)

    def layers(self) -> Iterator[Layer]:
        """This layer and all within it."""
        yield self
        for _, part in _parts(vars(self)):
            if isinstance(part, Layer):
                yield from part.layers()

    def variables(self) -> dict[str, Tensor]:
        """Every variable by the path of attributes to it, such as "0.weight"; a shared one under
        its first path.
        """
        found: dict[str, Tensor] = {}
        seen: set[Tensor] = set()
        for name, part in _parts(vars(self)):
            within = part.variables() if isinstance(part, Layer) else {"": part}
            for rest, x in within.items():
                if state_of(x) is not None and x not in seen:
                    seen.add(x)
                    found[f"{name}.{rest}" if rest else name] = x
        for path, x in found.items():
            _state(x).path = max(_state(x).path, path, key=len)
        return found

    def named_parameters(self) -> dict[str, Tensor]:
        """The trainable variables by path."""
        return {name: x for name, x in self.variables().items() if _trainable(x)}

    def parameters(self) -> list[Tensor]:
        """The trainable variables, in a fixed order."""
        return list(self.named_parameters().values())

    def parameter_count(self) -> int:
        """How many numbers the trainable variables hold."""
        return sum(_state(x).size for x in self.parameters())

    def train(self, mode: bool = True) -> Layer:
        """Makes this and all layers within it build training graphs (or not) from now on; returns
        the layer.
        """
        for layer in self.layers():
            layer.training = mode
        return self

    def eval(self) -> Layer:
        """Makes this and all layers within it build graphs for inference from now on; returns the
        layer.
        """
        return self.train(False)

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of all variables' arrays, by path."""
        return {name: _state(x).array.copy() for name, x in self.variables().items()}

    def load_state_dict(self, arrays: Mapping[str, Any], strict: bool = True) -> None:
        """Gives every variable its array. Raises GraphError unless names, shapes and dtypes all
        agree; then nothing changes. Without `strict`, arrays of other names are left out.
        """
        variables = self.variables()
        missing, extra = variables.keys() - arrays.keys(), arrays.keys() - variables.keys()
        if missing or (extra and strict):
            hint = "" if missing else "\n  hint: strict=False takes what the layer has"
            raise GraphError(
                f"missing: {sorted(missing) or 'none'}; not known: {sorted(extra) or 'none'}{hint}"
            )
        for name, x in variables.items():
            demand_like(name, x, np.asarray(arrays[name]))
        for name, x in variables.items():
            _state(x).array[...] = arrays[name]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the variables to a file, whole or not at all: of the safetensors format if `path`
        ends so, such as exported libraries read and write; else an .npz file (bfloat16 as float32,
        which loses nothing).
        """
        if os.fspath(path).endswith(".safetensors"):
            write_tensors(path, self.state_dict())
            return
        write_archive(path, self.state_dict())

    def load(self, path: str | os.PathLike[str], strict: bool = True) -> None:
        """Reads what `save` wrote, of either format, or what an exported library saved under the
        names of this layer's `variables`. Raises GraphError for other files, and as
        `load_state_dict`.
        """
        if not is_archive(path):
            if not os.fspath(path).endswith(".safetensors"):
                raise GraphError(f"{os.fspath(path)} is no .npz file, such as `save` writes")
            self.load_state_dict(read_tensors(path), strict)
            return
        variables = self.variables()

        def demand(name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
            x = variables[name]
            _demand(name, x, shape, dtype.newbyteorder("="), stored_dtype(x.dtype.numpy))

        found = read_archive(path, variables.__contains__, demand)
        self.load_state_dict(
            {k: a if a is None else a.astype(variables[k].dtype.numpy) for k, a in found.items()},
            strict,
        )


def _state(x: Tensor) -> State:
    state = state_of(x)
    assert state is not None
    return state


def _trainable(x: Tensor) -> bool:
    return _state(x).trainable


def _parts(container: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The tensors and layers in nested attributes, lists, tuples and dicts, with their paths."""
    items = container.items() if isinstance(container, dict) else enumerate(container)
    for name, part in items:
        here = f"{path}.{name}" if path else str(name)
        if isinstance(part, (Tensor, Layer)):
            yield here, part
        elif isinstance(part, (list, tuple, dict)):
            yield from _parts(part, here)
