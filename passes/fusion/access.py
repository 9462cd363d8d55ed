"""Which elements a value reads: the index maps of fused expressions, found by a dry run of
`Op.read`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from graphc.ir.dims import Dim, DimExpr, dynamic, index
from graphc.ir.node import Tensor
from graphc.ir.op import Index
from graphc.ir.record import dataclass
from graphc.ir.types import Shape
from graphc.ops.elementwise import Elementwise


class _Anything:
    """Stands for every scalar and every scalar function of a dry run."""

    dtype = None

    def __getattr__(self, name: str) -> Any:
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self

    def _same(self, *others: Any) -> Any:
        return self

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = (
        _same
    )
    __and__ = __or__ = __xor__ = __lshift__ = __rshift__ = __neg__ = __invert__ = _same
    __lt__ = __le__ = __gt__ = __ge__ = _same


ANYTHING = _Anything()


@dataclass(frozen=True)
class Access:
    """Element `index` of a materialised tensor is read."""

    tensor: Tensor
    index: Index


class AccessRecorder:
    """A Reader that follows expressions down to the tensors for which `stop` holds, and notes what
    they are asked for.

    `opaque_dims` collects index expressions whose value is used otherwise than for addressing.
    """

    ops = ANYTHING

    def __init__(self, stop: Callable[[Tensor], bool]):
        self.stop = stop
        self.accesses: dict[Access, None] = {}
        self.opaque_dims: list[Dim] = []
        self._seen: set[tuple[int, Index]] = set()
        self._dynamic = 0

    def at(self, x: Tensor, index: Index) -> Any:
        if self.stop(x):
            self.accesses[Access(x, index)] = None
            return ANYTHING
        key = (id(x), index)
        if key not in self._seen:
            self._seen.add(key)
            if isinstance(x.node.op, Elementwise):
                for y in x.node.inputs:
                    self.at(y, index)
            else:
                x.node.op.read(x.node, x.index, index, self)
        return ANYTHING

    def value(self, index: Dim, dtype: Any) -> Any:
        self.opaque_dims.append(index)
        return ANYTHING

    def dynamic(self, scalar: Any, extent: Dim) -> Dim:
        self._dynamic += 1
        return dynamic(str(self._dynamic))

    def choose(self, condition: Any, yes: Callable[[], Any], no: Callable[[], Any]) -> Any:
        yes()
        no()
        return ANYTHING

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        return ANYTHING

    def check(self, condition: Any, what: str, value: Any) -> None:
        pass


def space(shape: Shape) -> tuple[Dim, ...]:
    """The dimensions that are looped over: all but those of length 1."""
    return tuple(d for d in shape if d != 1)


def domain_index(ndim: int) -> tuple[DimExpr, ...]:
    """The loop variables of a domain of that many dimensions: i0, i1, ..."""
    return tuple(index(f"i{k}") for k in range(ndim))


def full_index(shape: Shape, loop_index: Iterable[Dim]) -> Index:
    """An index into `shape`, given the loop variables of its space; axes of length 1 are at 0."""
    variables = iter(loop_index)
    return tuple(0 if d == 1 else next(variables) for d in shape)
