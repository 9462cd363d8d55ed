"""Rules: equalities that a graph may be rewritten by, from left to right.

    @rule("negative")
    def double_negation(x: Tensor) -> Sides:
        \"\"\"Two changes of sign undo each other.\"\"\"
        return -(-x), x

The function is called with the tensors of a match and gives both sides at their dtypes and shapes,
so attributes, broadcasts and constants are written as a user writes them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar, overload

from graphc.ir.cached import Cached
from graphc.ir.dtypes import ALL, DType, bool_, float32, float64, int32
from graphc.ir.errors import GraphError
from graphc.ir.node import Node, Tensor
from graphc.ir.op import Op
from graphc.ir.record import dataclass
from graphc.ir.types import TensorType
from graphc.ir.walk import topological
from graphc.ops.source import constant, placeholder
from graphc.passes.parameters import Example, Parameters, Scalar
from graphc.passes.pattern import Bindings, Form, Pattern, abstract, matches, parameters, same

__all__ = [
    "Equation",
    "Example",
    "Instance",
    "Procedure",
    "Rule",
    "Scalar",
    "Sides",
    "procedure",
    "rule",
]

#: Shapes of tensors in instances, where the examples give none.
SHAPES: tuple[Any, ...] = ((3, 5), (), ("rows", 1))

Sides = tuple[Tensor, Tensor]
R = TypeVar("R", bound="Rule")


@dataclass(frozen=True, eq=False)
class Instance:
    """A graph that a rule rewrites: placeholders, the left side, and the right one if known."""

    inputs: tuple[Tensor, ...]
    left: Tensor
    right: Tensor | None


class Rule:
    """A rewrite of single nodes.

    An `exact` rule gives the same bits for every input, NaN and infinities too; any other is held
    to a few roundings, for inputs in `domain`. A `relaxed` one applies only where the user allowed
    relaxed arithmetic.
    """

    name: str
    doc: str
    exact: bool
    relaxed: bool
    domain: tuple[float, float]

    def __repr__(self) -> str:
        return self.name

    needs: frozenset[Op] = frozenset()
    """Ops without which among those that make a node's inputs it does not apply."""

    @property
    def roots(self) -> frozenset[Op]:
        """The ops that it may replace."""
        raise NotImplementedError

    def replace(self, node: Node) -> Tensor | None:
        """What the only output of the node becomes; None where the rule does not apply."""
        raise NotImplementedError

    def instances(self) -> Iterator[Instance]:
        """Graphs that it must rewrite, for tests."""
        raise NotImplementedError


class Equation(Rule):
    """A rule given by both sides."""

    def __init__(
        self,
        function: Callable[..., Sides],
        op: str,
        examples: Sequence[Example],
        dtypes: Sequence[DType],
        when: Callable[..., bool] | None,
    ):
        self.function, self.op, self.examples = function, op, tuple(examples) or ({},)
        self.dtypes, self.when = frozenset(dtypes), when

    @Cached
    def own(self) -> Parameters:
        """Its parameters: most rules are for ops that a graph has not."""
        return Parameters(self.function, self.when, self.examples)

    @property
    def roots(self) -> frozenset[Op]:
        return frozenset((Op.registry[self.op] if self.op else self.pattern.op,))

    @Cached
    def pattern(self) -> Form:
        """The shape of the left side, which is the same for all examples and dtypes."""
        found = next(self.lefts(), None)
        assert found is not None, f"{self.name}: no dtype suits the examples"
        assert isinstance(found, Form), f"{self.name}: the left side must be an op on parameters"
        assert self.op in ("", found.op.name), f"{self.name}: the left side is a {found.op.name}"
        missing = {*self.own.tensors, *self.own.values} - parameters(found)
        assert not missing, f"{self.name}: the left side does not determine {sorted(missing)}"
        return found

    @Cached
    def needs(self) -> frozenset[Op]:
        """The ops right below the outermost one of the left side."""
        return frozenset(part.op for part in self.pattern.inputs if isinstance(part, Form))

    def lefts(self) -> Iterator[Pattern]:
        """The shape of the left side for each example, at each dtype that it has one for."""
        for example, dtype in itertools.product(self.examples, (float64, float32, int32, bool_)):
            bound = self._bind(example, dtype, SHAPES[0])
            sides = self._try(bound)
            if sides is not None:
                holes = {bound[name]: name for name in self.own.tensors}
                values = {name: bound[name] for name in self.own.values}
                yield abstract(sides[0], holes, values)

    def replace(self, node: Node) -> Tensor | None:
        (x,) = node.outputs
        for bound in matches(self.pattern, x):
            right = self._instantiate(bound, x)
            if right is not None:
                return right
        return None

    def instances(self) -> Iterator[Instance]:
        dtypes = sorted(self.dtypes, key=lambda d: d.name)
        for example, dtype, shape in itertools.product(self.examples, dtypes, SHAPES):
            if shape != SHAPES[0] and not example.keys().isdisjoint(self.own.shaped):
                continue
            bound = self._bind(example, dtype, shape)
            sides = self._try(bound)
            if sides is not None:
                own = self.own
                given = tuple(bound[name] for name in own.tensors if name not in own.scalars)
                yield Instance(given, *sides)

    def _instantiate(self, bound: Bindings, x: Tensor) -> Tensor | None:
        """The right side, if these bindings make the left side x and the conditions hold."""
        tensors = [bound[name] for name in self.own.tensors]
        if not self._suits(bound):
            return None
        try:
            left, right = self.function(**bound)
        except GraphError as error:
            raise AssertionError(f"rule {self.name} cannot be built for {x!r}: {error}") from error
        if right is x or not same(left, x, frozenset(tensors)):
            return None
        assert right.type == x.type, f"rule {self.name} makes {right.type} of {x.type}"
        return right

    def _suits(self, bound: Bindings) -> bool:
        """Whether dtypes and the rule's condition allow these bindings."""
        if any(bound[name].dtype not in self.dtypes for name in self.own.free):
            return False
        if any(bound[name].dtype is not bool_ for name in self.own.truths):
            return False
        if self.when is None:
            return True
        return self.when(**{name: bound[name] for name in self.own.asked})

    def _bind(self, example: Example, dtype: DType, shape: Any) -> Bindings:
        """The parameters of an example: placeholders, numbers, and the given attributes."""
        bound: Bindings = {name: example[name] for name in self.own.values}
        for k, name in enumerate(self.own.tensors):
            if name in self.own.scalars:
                bound[name] = constant(example.get(name, _number(k, dtype)), dtype)
            else:
                given = example.get(name, shape)
                type_ = given if isinstance(given, TensorType) else TensorType(dtype, given)
                bound[name] = placeholder(name, type_.shape, type_.dtype)
        return bound

    def _try(self, bound: Bindings) -> Sides | None:
        try:
            return self.function(**bound) if self._suits(bound) else None
        except GraphError:
            return None


def _number(k: int, dtype: DType) -> float | int | bool:
    """The number that stands for parameter k in examples: one that a rule hardly mentions."""
    if dtype is bool_:
        return k % 2 == 1
    return 1.625 + 0.75 * k if dtype.is_float else 5 + 2 * k


class Procedure(Rule):
    """A rule given by a function of a node, for what two sides cannot say."""

    def __init__(
        self,
        function: Callable[[Node], Tensor | None],
        ops: Sequence[str],
        examples: Sequence[Callable[[], Tensor]],
    ):
        self.function, self.ops, self.examples = function, tuple(ops), tuple(examples)

    @property
    def roots(self) -> frozenset[Op]:
        return frozenset(Op.registry[name] for name in self.ops)

    def replace(self, node: Node) -> Tensor | None:
        right = self.function(node)
        (x,) = node.outputs
        if right is None or right is x:
            return None
        assert right.type == x.type, f"rule {self.name} makes {right.type} of {x.type}"
        return right

    def instances(self) -> Iterator[Instance]:
        for example in self.examples:
            left = example()
            sources = (n for n in topological([left]) if n.op.name == "placeholder")
            yield Instance(tuple(n.outputs[0] for n in sources), left, None)


@overload
def rule(function: Callable[..., Sides], /) -> Equation: ...
@overload
def rule(
    op: str = ...,
    /,
    *,
    examples: Sequence[Example] = ...,
    dtypes: Sequence[DType] = ...,
    when: Callable[..., bool] | None = ...,
    exact: bool = ...,
    relaxed: bool = ...,
    domain: tuple[float, float] = ...,
) -> Callable[[Callable[..., Sides]], Equation]: ...
def rule(
    what: Callable[..., Sides] | str = "",
    /,
    *,
    examples: Sequence[Example] = (),
    dtypes: Sequence[DType] = ALL,
    when: Callable[..., bool] | None = None,
    exact: bool = True,
    relaxed: bool = False,
    domain: tuple[float, float] = (-3, 3),
) -> Any:
    """Makes a rule of a function that gives both sides; see `graphc.passes.rules`.

    The op whose output it replaces is the outermost on the left side. Naming it saves building that
    side for graphs that have no such op.
    """

    def make(function: Callable[..., Sides]) -> Equation:
        op = what if isinstance(what, str) else ""
        made = Equation(function, op, examples, dtypes, when)
        return _described(made, function, exact, relaxed, domain)

    return make if isinstance(what, str) else make(what)


def procedure(
    *ops: str,
    examples: Sequence[Callable[[], Tensor]],
    exact: bool = True,
    relaxed: bool = False,
    domain: tuple[float, float] = (-3, 3),
) -> Callable[[Callable[[Node], Tensor | None]], Procedure]:
    """Makes a rule of a function that takes a node of one of `ops` and gives its replacement."""

    def make(function: Callable[[Node], Tensor | None]) -> Procedure:
        return _described(Procedure(function, ops, examples), function, exact, relaxed, domain)

    return make


def _described(
    made: R, function: Callable[..., Any], exact: bool, relaxed: bool, domain: tuple[float, float]
) -> R:
    assert function.__doc__, f"rule {function.__name__} needs a sentence that says what it is for"
    made.name, made.doc = function.__name__, function.__doc__
    made.exact, made.relaxed, made.domain = exact, relaxed, domain
    return made
