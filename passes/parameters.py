"""What a rule that is given by both sides says of its parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import CodeType
from typing import Annotated, Any

from graphc.ir.dtypes import bool_
from graphc.ir.node import Tensor
from graphc.ir.types import TensorType

#: A parameter that stands for a number of the graph (a scalar constant), at any shape it is
#: repeated to.
Scalar = Annotated[Tensor, "literal"]
Example = Mapping[str, Any]


class Parameters:
    """The names of a rule's parameters by what they stand for.

    `tensors` are all that are no attributes (`values`), `scalars` those that are numbers, `shaped`
    the others. `truths` are booleans, `free` of any dtype that the rule is for. `asked` are those
    that its condition is about.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        when: Callable[..., bool] | None,
        examples: Sequence[Example],
    ):
        self.asked = names_of(when) if when is not None else ()
        hints = {name: function.__annotations__[name] for name in names_of(function)}
        self.scalars = frozenset(n for n, kind in hints.items() if kind in (Scalar, "Scalar"))
        self.tensors = tuple(
            n for n, kind in hints.items() if n in self.scalars or kind in (Tensor, "Tensor")
        )
        self.shaped = frozenset(self.tensors) - self.scalars
        self.values = tuple(name for name in hints if name not in self.tensors)
        typed = {n for e in examples for n, given in e.items() if isinstance(given, TensorType)}
        self.truths = tuple(n for n in typed if all(_is_truth(e.get(n)) for e in examples))
        self.free = tuple(name for name in self.tensors if name not in typed)


def names_of(function: Callable[..., Any]) -> tuple[str, ...]:
    """The names of a function's parameters."""
    code: CodeType = function.__code__
    return code.co_varnames[: code.co_argcount]


def _is_truth(given: object) -> bool:
    """Whether an example asks for booleans."""
    return isinstance(given, TensorType) and given.dtype is bool_
