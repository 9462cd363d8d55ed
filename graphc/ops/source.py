"""Where values enter a graph: placeholders, variables, constants, index ramps."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from threading import Lock
from typing import Any

import numpy as np

from graphc.ir.dims import Dim, size
from graphc.ir.dtypes import DType, as_dtype, float32, int64
from graphc.ir.errors import DTypeError, GraphError, ShapeError
from graphc.ir.node import Node, Tensor, apply, unique
from graphc.ir.op import Attrs, Index, Op, Reader, Sample
from graphc.ir.types import Shape, TensorType
from graphc.ir.walk import topological
from graphc.ops.literal import Literal, copied


class Placeholder(Op):
    """An argument of the compiled function."""

    lowering = "source"


class Variable(Op):
    """A persistent array that compiled functions read, and update in place."""

    lowering = "source"


_PLACEHOLDER = Placeholder("placeholder")
_VARIABLE = Variable("variable")
_ANY_LENGTH = "\n  hint: a name such as 'batch' is a length that may differ from call to call"


def as_shape(shape: Any) -> Shape:
    """A shape from an int, a name (a symbolic size), a dimension, or a sequence of them."""
    items = shape if isinstance(shape, (tuple, list)) else (shape,)
    result: list[Dim] = []
    for item in items:
        if isinstance(item, str):
            if not item.isidentifier():
                raise ShapeError(f"a dimension's name must be an identifier, not {item!r}")
            result.append(size(item))
        elif isinstance(item, (int, np.integer)) and not isinstance(item, bool):
            if item < 0:
                raise ShapeError(f"a dimension cannot be negative: {item}{_ANY_LENGTH}")
            result.append(int(item))
        elif hasattr(item, "terms"):
            result.append(item)
        else:
            hint = "\n  hint: x.shape[0] is a dimension" if isinstance(item, Tensor) else ""
            hint = _ANY_LENGTH if item is None else hint
            raise ShapeError(f"{item!r} is not a dimension: give an int or a name{hint}")
    return tuple(result)


def placeholder(name: str, shape: Any = (), dtype: Any = "float32") -> Tensor:
    """An input of the graph. `shape` holds ints and names.

    Equal names are equal sizes, known when the function is called.
    """
    if not isinstance(name, str) or not name.isidentifier():
        is_swapped = isinstance(shape, str) or isinstance(name, (tuple, list))
        swapped = "\n  hint: the name comes first, then the shape" if is_swapped else ""
        raise GraphError(f"a placeholder's name must be an identifier, not {name!r}{swapped}")
    type_ = TensorType(as_dtype(dtype), as_shape(shape))
    return unique(_PLACEHOLDER, (), {"name": name}, (type_,)).outputs[0].named(name)


_making = Lock()


class State:
    """The array behind a variable; it never moves, so compiled code may hold its address.

    A first value that repeats one number (`np.broadcast_to`) takes no memory before it is asked
    for. `advance`, if there is one, gives the value after each call of a function that reads it.
    `path` is where it is held in the outermost layer that has been asked for its variables.
    """

    advance: Callable[[Tensor], Tensor] | None = None
    path = ""

    def __init__(self, value: np.ndarray, trainable: bool):
        self._first = value if is_repeated(value) else copied(value)
        self.trainable = trainable

    def __repr__(self) -> str:
        return f"<{self._first.dtype}{list(self._first.shape)}>"

    def copy(self) -> State:
        """Another array of the same values."""
        state = State(self._first, self.trainable)
        state.advance = self.advance
        return state

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return self._first.size

    @property
    def array(self) -> np.ndarray:
        """The array itself, made when it is first asked for."""
        if is_repeated(self._first):
            with _making:
                if is_repeated(self._first):
                    self._first = copied(self._first)
        return self._first

    def assign(self, x: Tensor, new: Any) -> None:
        """Gives the variable x another value of its type."""
        array = np.asarray(new)
        if array.shape != self.array.shape:
            raise ShapeError(
                f"a variable keeps its shape: {list(array.shape)} given\n  {x.describe()}"
            )
        if not np.can_cast(array.dtype, self.array.dtype, "same_kind"):
            raise DTypeError(f"a variable keeps its dtype: {array.dtype} given\n  {x.describe()}")
        self.array[...] = array


def state_of(x: Tensor) -> State:
    """The state of a variable; GraphError for any other tensor."""
    state = x.node.attrs.get("state")
    if not isinstance(state, State):
        raise GraphError(f"only a variable has a value before it is computed\n  {x.describe()}")
    return state


def is_repeated(value: np.ndarray) -> bool:
    """Whether an array shows one number in all places."""
    return value.size > 1 and not any(value.strides) and not value.flags.writeable


def variable(
    value: Any, name: str | None = None, dtype: Any = None, trainable: bool = True
) -> Tensor:
    """A persistent array with this initial value.

    Python floats, and lists of them, become float32 unless `dtype` says otherwise.
    """
    if isinstance(value, str):
        hint = "hint: the value comes first, then the name"
        raise DTypeError(f"{value!r} is no number, array or tensor\n  {hint}")
    array = _array(value)
    kind = _element_type(value, dtype)
    state = State(_converted(array, kind), trainable)
    node = unique(_VARIABLE, (), {"state": state}, (TensorType(kind, array.shape),))
    return node.outputs[0].named(name) if name else node.outputs[0]


def copied_variable(x: Tensor) -> Tensor:
    """A variable like x that has an array of its own."""
    found = unique(_VARIABLE, (), {"state": state_of(x).copy()}, x.node.types).outputs[0]
    return found.named(x.label) if x.label else found


def automatic_updates(outputs: Iterable[Tensor]) -> dict[Tensor, Tensor]:
    """New values of the variables, such as generators, that step on when the outputs are run."""
    return {
        x: node.attrs["state"].advance(x)
        for node in topological(outputs)
        if node.op is _VARIABLE and node.attrs["state"].advance is not None
        for x in node.outputs
    }


class Constant(Op):
    """An array known when the graph is built; scalars become literals, others are passed in."""

    lowering = "read"

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        value = attrs["value"]
        return (TensorType(as_dtype(value.dtype), value.shape),)

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        return ()

    def batch(
        self, node: Node, inputs: Sequence[Tensor], axes: Sequence[int | None], size: Dim
    ) -> Sequence[Tensor]:
        raise AssertionError("a constant has no inputs to batch")

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        return attrs["value"].array

    def read(self, node: Node, output: int, index: Index, reader: Reader) -> Any:
        assert not node.types[0].shape, "only scalar constants are literals"
        return reader.ops.const(node.attrs["value"].array.item(), node.types[0].dtype)


_CONSTANT = Constant("constant")


def constant(value: Any, dtype: Any = None) -> Tensor:
    """A constant tensor from a number, a list or an array.

    Python floats, and lists of them, become float32 unless `dtype` says otherwise.
    """
    array = _array(_large(value, dtype) if isinstance(value, int) else value)
    if array.dtype == object:
        raise DTypeError(f"cannot make a constant of {type(value).__name__}")
    kind = _element_type(value, dtype)
    return constant_of(Literal(_converted(array, kind)))


def _large(value: int, dtype: Any) -> int | float:
    """The number, as a float if that is asked for and no integer of NumPy's is as large."""
    if -(2**63) <= value < 2**64:
        return value
    if dtype is None or not as_dtype(dtype).is_float or abs(value) > sys.float_info.max:
        raise DTypeError(
            f"an integer of {value.bit_length()} bits does not fit {dtype or int64}\n"
            "  hint: write it as a float"
        )
    return float(value)


def constant_of(value: Literal) -> Tensor:
    """The constant tensor of a literal."""
    return apply(_CONSTANT, value=value).outputs[0]


def _array(value: Any) -> np.ndarray:
    """The value as an array; raises ShapeError for lists of unequal lengths."""
    try:
        return np.asarray(value)
    except ValueError as error:
        reason = str(error).split(". ")[0]
        raise ShapeError(f"a {type(value).__name__} that is no array: {reason}") from None


def _element_type(value: Any, dtype: Any) -> DType:
    """The dtype asked for, else that of the value; Python floats and lists of them give float32."""
    if dtype is not None:
        return as_dtype(dtype)
    array = np.asarray(value)
    if array.dtype.kind in "OSUMm":
        raise DTypeError(f"{value!r} is no number, array or tensor")
    found = as_dtype(array.dtype)
    return float32 if found.is_float and not isinstance(value, (np.ndarray, np.generic)) else found


def _converted(array: np.ndarray, dtype: DType) -> np.ndarray:
    """The array in that dtype; numbers too large for it become infinite."""
    if is_repeated(array):
        return np.broadcast_to(_converted(array[(0,) * array.ndim], dtype), array.shape)
    with np.errstate(over="ignore"):
        return array.astype(dtype.numpy, copy=False)


class Iota(Op):
    """0, 1, 2, ... along one axis of a shape."""

    lowering = "read"

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        return (TensorType(attrs["dtype"], attrs["shape"]),)

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        return ()

    def batch(
        self, node: Node, inputs: Sequence[Tensor], axes: Sequence[int | None], size: Dim
    ) -> Sequence[Tensor]:
        raise AssertionError("iota has no inputs to batch")

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        shape, axis = attrs["shape"], attrs["axis"]
        line = np.arange(shape[axis]).astype(attrs["dtype"].numpy)
        return np.broadcast_to(
            line.reshape([-1 if i == axis else 1 for i in range(len(shape))]), shape
        )

    def read(self, node: Node, output: int, index: Index, reader: Reader) -> Any:
        return reader.value(index[node.attrs["axis"]], node.types[0].dtype)

    def samples(self) -> Sequence[Sample]:
        attrs: Attrs = {"shape": (3, 4), "axis": 1, "dtype": int64}
        return (Sample(lambda rng: (), attrs),)


_IOTA = Iota("iota")


def iota(shape: Any, axis: int = 0, dtype: DType | str = int64) -> Tensor:
    """Integers 0, 1, ... along `axis` of `shape`, the same along the other axes."""
    return apply(_IOTA, shape=as_shape(shape), axis=axis, dtype=as_dtype(dtype)).outputs[0]


def is_scalar_constant(x: Tensor) -> bool:
    """Whether x is a literal number."""
    return x.node.op is _CONSTANT and x.type.shape == ()


def is_constant(x: Tensor) -> bool:
    """Whether the array of x is known."""
    return x.node.op is _CONSTANT


def constant_value(x: Tensor) -> np.ndarray | None:
    """The array of a constant, None for other tensors."""
    return x.node.attrs["value"].array if x.node.op is _CONSTANT else None
