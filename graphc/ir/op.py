"""The op record: everything about one operation, in one place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from graphc.ir.dims import Dim
from graphc.ir.record import dataclass
from graphc.ir.types import TensorType

if TYPE_CHECKING:
    from graphc.ir.node import Node, Tensor

Attrs = Mapping[str, Any]
Index = tuple[Dim, ...]


class Reader(Protocol):
    """What `Op.read` may ask of a lowering: scalar expressions of elements of other tensors.

    Scalar expressions support Python arithmetic and comparison; `ops` holds the scalar functions by
    name.
    """

    ops: Any

    def at(self, x: Tensor, index: Index) -> Any:
        """The element of `x` at an index; out of bounds is undefined."""

    def value(self, index: Dim, dtype: Any) -> Any:
        """An index expression as a scalar of that dtype."""

    def dynamic(self, scalar: Any, extent: Dim) -> Dim:
        """An integer scalar as an index expression known to lie in [0, extent)."""

    def choose(self, condition: Any, yes: Callable[[], Any], no: Callable[[], Any]) -> Any:
        """`yes()` where the condition holds, else `no()`; loads of the branch not taken do not
        happen.
        """

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        """a * b + c for floats, rounded once where the target does so in one instruction."""

    def check(self, condition: Any, what: str, value: Any) -> None:
        """Makes the call fail with IndexRangeError (naming the op, the axis in `what` and the
        value) where the condition is false.
        """


class Register(Protocol):
    """A mutable scalar of a kernel."""

    def get(self) -> Any:
        """Its value now."""

    def set(self, value: Any) -> None:
        """Gives it a new value."""


class KernelWriter(Protocol):
    """What `Op.loops` writes a kernel with. Indices and extents are int64 scalar expressions; `ops`
    as in Reader.
    """

    ops: Any
    lanes: int  # of a vector loop; at most 1 where every instance is scalar

    def dim(self, d: Dim) -> Any:
        """A dimension as an int64 scalar."""

    def load(self, which: int, index: Sequence[Any]) -> Any:
        """An element of input `which`."""

    def store(self, which: int, index: Sequence[Any], value: Any) -> None:
        """Writes an element of output `which` (then of the workspaces, numbered on)."""

    def reload(self, which: int, index: Sequence[Any]) -> Any:
        """An element of an output or workspace, as stored before by the same instance."""

    def parallel(
        self, extents: Sequence[Dim], work: Dim = 64
    ) -> AbstractContextManager[tuple[Any, ...]]:
        """Instances that run in any order, one for each index of `extents`; at most once,
        outermost. () means one instance.

        `work`: about how many elements one instance touches.
        """

    def loop(self, begin: Any, end: Any, vector: bool = False) -> AbstractContextManager[Any]:
        """A serial loop; gives its variable. `vector` promises that no step reads or changes what
        another one changes.
        """

    def sums(self, begin: Any, end: Any, terms: Callable[[Any], Sequence[Any]]) -> Sequence[Any]:
        """The sums over a loop of what `terms` gives for its variable, in an order of their own;
        no term may depend on another step.
        """

    def scratch(self, dtype: Any, elements: int) -> int:
        """The number of a buffer of so many elements that no other instance sees, of few bytes;
        what it holds at first is undefined.
        """

    def turn(
        self,
        source: tuple[int, Sequence[Any], Any],
        target: tuple[int, Sequence[Any], Any],
        rows: Any,
        columns: Any,
    ) -> None:
        """Copies a table turned over: each is (which output or workspace, or ~k for input k; index
        of the first element; elements from row to row). The target has `columns` rows.
        """

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        """As in Reader."""

    def repeat(self, condition: Callable[[], Any]) -> AbstractContextManager[None]:
        """Repeats while the condition, evaluated anew each time, holds."""

    def when(self, condition: Any) -> AbstractContextManager[None]:
        """Statements under a condition."""

    def register(self, value: Any) -> Register:
        """A mutable scalar with this first value."""

    def check(self, condition: Any, what: str, value: Any) -> None:
        """As in Reader."""


@dataclass(frozen=True)
class Sample:
    """Inputs that an op's laws are tested on: arrays (as a function of a NumPy generator),
    attributes, and what to skip.

    `differentiable` names the inputs whose gradients are checked; None means every floating one.
    """

    make: Callable[[Any], Sequence[Any]]
    attrs: Attrs = field(default_factory=dict)
    differentiable: tuple[int, ...] | None = None
    note: str = ""


class Op:
    """One operation. Subclass it, or use a constructor such as `elementwise`; instances register by
    name.

    A subclass gives `infer` and `reference`, and exactly one lowering: `read` (an element as a
    function of elements of the inputs; such ops fuse), the fields of a reduction, or `loops` (a
    kernel of its own).
    """

    name: str
    registry: ClassVar[dict[str, Op]] = {}
    #: "read", "reduce", "loops", "source", "contraction", "composite", "control" or "none".
    lowering: ClassVar[str] = "none"
    commutative: bool = False  # whether the two inputs may change places

    def __init__(self, name: str):
        assert name not in Op.registry, f"two ops are called {name}"
        self.name = name
        Op.registry[name] = self

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> tuple[Any, ...]:
        return _registered, (self.name,)

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        """Types of the outputs; raises ShapeError or DTypeError with one line that says what does
        not fit.
        """
        raise NotImplementedError(self.name)

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        """Cotangent of each input, given those of the outputs (None: zero)."""
        from graphc.ir.errors import GradientError

        raise GradientError(f"{self.name} has no gradient")

    def batch(
        self, node: Node, inputs: Sequence[Tensor], axes: Sequence[int | None], size: Dim
    ) -> Sequence[Tensor]:
        """Outputs with a new leading axis of length `size`, for inputs of which some carry that
        axis (at axes[i]; 0 or None).
        """
        raise NotImplementedError(f"{self.name} has no batching rule")

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        """The meaning: NumPy arrays in, one array or a tuple of arrays out."""
        raise NotImplementedError(self.name)

    def read(self, node: Node, output: int, index: Index, reader: Reader) -> Any:
        """The scalar expression of element `index` of an output."""
        raise NotImplementedError(self.name)

    def loops(self, node: Node, kernel: KernelWriter) -> None:
        """Writes the kernel as loops over the buffers of inputs and outputs (see
        docs/adding_an_op.md).
        """
        raise NotImplementedError(self.name)

    def compose(self, node: Node) -> Sequence[Tensor]:
        """The outputs of a composite, written as other ops."""
        raise NotImplementedError(self.name)

    def workspace(self, node: Node) -> Sequence[TensorType]:
        """Buffers that `loops` needs beside its outputs."""
        return ()

    def checks(self, node: Node) -> Sequence[Tensor]:
        """Tensors apart from the outputs whose elements, all computed, make every check that the
        node's lowering makes; none where a call cannot fail because of it.
        """
        return ()

    def counts(self, node: Node) -> Sequence[tuple[Dim, str]]:
        """Numbers of elements of which there must be one at least where the outputs have elements,
        each with words for where they are ("along axis 1 of f32[n]").
        """
        return ()

    def cost(self, node: Node) -> Dim:
        """Floating-point operations of one evaluation of the node."""
        return sum((t.size for t in node.types), 0)

    def samples(self) -> Sequence[Sample]:
        """Inputs for the op's laws."""
        return ()


def _registered(name: str) -> Op:
    return Op.registry[name]
