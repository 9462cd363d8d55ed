"""Nodes and tensors: immutable, typed, interned."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from graphc.ir.dims import Dim
from graphc.ir.dtypes import DType
from graphc.ir.errors import GraphError, no_such
from graphc.ir.op import Op
from graphc.ir.source import Source, array_function, user_line
from graphc.ir.types import Shape, TensorType

if TYPE_CHECKING:
    from graphc.ops.methods import TensorMethods  # attached to Tensor when the ops are loaded
else:
    TensorMethods = object

Nodes = weakref.WeakValueDictionary[tuple[Any, ...], "Node"]
_interned: ContextVar[Nodes] = ContextVar("interned", default=Nodes())  # noqa: B039 - one for all
_serial = itertools.count()


class Node:
    """One application of an op. Same op, inputs and attributes: the same object."""

    __slots__ = ("__weakref__", "attrs", "inputs", "op", "outputs", "serial", "source", "types")

    op: Op
    inputs: tuple[Tensor, ...]
    attrs: MappingProxyType[str, Any]
    types: tuple[TensorType, ...]
    outputs: tuple[Tensor, ...]
    source: Source | None
    serial: int

    def __repr__(self) -> str:
        return f"<{self.op.name} -> {', '.join(map(str, self.types))}>"


class Tensor(TensorMethods):
    """A symbolic array: one output of a node. Operators and methods are attached by `graphc.ops`.

    Identity is equality: `==` compares element by element and gives a Tensor; use `is` to compare
    tensors.
    """

    __slots__ = ("__weakref__", "index", "label", "node", "type")

    node: Node
    index: int
    type: TensorType
    label: str | None

    __hash__ = object.__hash__

    def __init__(self, value: Any = None, dtype: Any = None) -> None:
        """Refuses what users of other libraries write: only graphc makes tensors."""
        raise GraphError(
            "tensors are made by functions: gc.placeholder(name, shape) stands for an argument, "
            "gc.constant(array) holds values, gc.variable(array) holds what calls update"
        )

    @property
    def shape(self) -> Shape:
        return self.type.shape

    @property
    def dtype(self) -> DType:
        return self.type.dtype

    @property
    def ndim(self) -> int:
        return len(self.type.shape)

    @property
    def size(self) -> Dim:
        return self.type.size

    @property
    def op(self) -> Op:
        return self.node.op

    @property
    def source(self) -> Source | None:
        return self.node.source

    @property
    def name(self) -> str | None:
        """The name the user gave, else None."""
        return self.label

    def named(self, name: str) -> Tensor:
        """This tensor, shown under `name` in dumps and errors."""
        self.label = name
        return self

    def describe(self) -> str:
        """One line for error messages: name, type and where it was written."""
        where = f"  from {self.source}" if self.source else ""
        return f"{self._called}{where}"

    @property
    def _called(self) -> str:
        made = self.source.function if _is_filled(self) and self.source else None
        return f"{self.label or made or self.op.name}: {self.type}"

    def __repr__(self) -> str:
        return f"<{self.label or self.op.name}: {self.type}>"

    def __bool__(self) -> bool:
        raise self._has_no(
            "truth value", "use gc.where or gc.cond; & and | join conditions; `is` compares tensors"
        )

    def __format__(self, how: str) -> str:
        if how:
            raise self._has_no("value", "call a compiled function to get one")
        return str(self)

    def __getattr__(self, name: str) -> Any:
        """Says what to write instead of a method that there is not."""
        raise AttributeError(no_such("a tensor", name, "tensor"), name=name, obj=self)

    def __float__(self) -> float:
        raise self._has_no("value", "call a compiled function to get one")

    def __int__(self) -> int:
        raise self._has_no("value", "call a compiled function to get one")

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise self._has_no(
            "value", "use graphc's functions; gc.stack makes one tensor of a list of them"
        )

    def _has_no(self, what: str, hint: str) -> GraphError:
        return GraphError(
            f"a symbolic tensor has no {what} while the graph is built\n  {self.describe()}\n"
            f"  hint: {hint}"
        )

    def __iter__(self) -> Any:
        if not self.shape or not isinstance(self.shape[0], int):
            hint = "\n  hint: gc.scan runs over an axis of any length" if self.shape else ""
            what = "an axis of unknown length" if self.shape else "a scalar"
            raise GraphError(f"cannot iterate over {what}\n  {self.describe()}{hint}")
        return (self[i] for i in range(self.shape[0]))

    def __len__(self) -> int:
        if not self.shape or not isinstance(self.shape[0], int):
            unknown = f"the length {self.shape[0]} is not known yet" if self.shape else ""
            raise GraphError(f"{unknown or 'a scalar has no length'}\n  {self.describe()}")
        return self.shape[0]


def apply(op: Op, *inputs: Tensor, **attrs: Any) -> Node:
    """The node of `op` on these inputs, interned.

    Raises the op's shape and dtype errors, with the operands shown.
    """
    items = tuple(sorted(attrs.items()))
    key = (op, tuple(map(id, inputs)), items)
    interned = _interned.get()
    found = interned.get(key)
    if found is not None:
        return found
    try:
        types = op.infer(*(x.type for x in inputs), **attrs)
    except GraphError as error:
        raise located(error, op.name, inputs) from None
    node = unique(op, inputs, attrs, types)
    interned[key] = node
    return node


@contextmanager
def apart() -> Iterator[None]:
    """What is made within is none of what was made before, even where it is equal: so a function
    that is traced is known by its nodes.
    """
    token = _interned.set(Nodes())
    try:
        yield
    finally:
        _interned.reset(token)


def unique(
    op: Op, inputs: Sequence[Tensor], attrs: dict[str, Any], types: Sequence[TensorType]
) -> Node:
    """A node that equals no other: placeholders and variables."""
    node = object.__new__(Node)
    node.op, node.inputs, node.types = op, tuple(inputs), tuple(types)
    node.attrs = MappingProxyType(dict(attrs))
    node.source = user_line()
    node.serial = next(_serial)
    node.outputs = tuple(_output(node, i, t) for i, t in enumerate(node.types))
    return node


def _output(node: Node, index: int, type_: TensorType) -> Tensor:
    x = object.__new__(Tensor)
    x.node, x.index, x.type, x.label = node, index, type_, None
    return x


def of_axes(x: Tensor, axes: Sequence[int]) -> Tensor:
    """The tensor, with these axes named in errors in place of those that its op has."""
    if x.node.source is not None:
        x.node.source = replace(x.node.source, axes=tuple(axes))
    return x


def located(error: GraphError, op: str, inputs: Sequence[Tensor]) -> GraphError:
    """`error` with what the user called (else the op's name), the operands and the line added,
    once.
    """
    if getattr(error, "located", False):
        return error
    head, _, hint = str(error).partition("\n")
    line = user_line()
    layer = line.function if line and line.function and line.function[0].isupper() else None
    called = layer or array_function() or op
    lines = [head if head.startswith((op, called)) else f"{called}: {head}"]
    written = [_as_written(x, line) for x in inputs]
    for label, x in zip("abcdefgh", written, strict=False):
        lines.append(f"  {label}: {x._called if _is_constant(x) else x.describe()}")
    lines += [f"  at {line}"] if line else []
    lines += [hint] if hint else []
    located_error = type(error)("\n".join(lines))
    located_error.located = True  # type: ignore[attr-defined]
    return located_error


def _as_written(x: Tensor, line: Source | None) -> Tensor:
    """The operand as the user gave it on this line, before it was converted to fit others."""
    while x.label is None and x.op.name in _CONVERSIONS and not _is_filled(x):
        if x.source != line and not _is_constant(x):
            break
        (x,) = x.node.inputs
    return x


_CONVERSIONS = ("broadcast", "cast")
_FILLING = ("empty", "full", "full_like", "ones", "ones_like", "zeros", "zeros_like")


def _is_filled(x: Tensor) -> bool:
    """Whether a user asked for an array that repeats a number."""
    return x.source is not None and x.source.function in _FILLING


def _is_constant(x: Tensor) -> bool:
    """Whether x is a number or array, repeated perhaps: equal ones are one tensor, which keeps the
    line where it was first written.
    """
    while x.op.name in _CONVERSIONS:
        (x,) = x.node.inputs
    return x.op.name == "constant"
