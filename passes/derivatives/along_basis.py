"""A linear function of every basis vector at once, without the zeros of the basis vectors."""

from __future__ import annotations

from collections.abc import Sequence, Set

from graphc.ir.dim_values import evaluate, sizes
from graphc.ir.dims import Dim
from graphc.ir.node import Node, Tensor
from graphc.ir.types import Shape
from graphc.ir.walk import topological
from graphc.ops.axes import moveaxis
from graphc.ops.linear.einsum import NOMINAL
from graphc.ops.linear.einsum import Term as Factor
from graphc.passes.derivatives.assemble import assembled, shortened
from graphc.passes.derivatives.batch import batch_node
from graphc.passes.derivatives.term_rules import MOVES, RULES, Terms
from graphc.passes.derivatives.terms import Line, Term, fresh_line

#: How many terms of a value may fill boxes, of which the best is taken: none is to multiply with
#: every basis vector. Of deep networks most terms would be made for nothing.
BOUNDS, DEEP = (0, 1, 4), 256
#: Operations that a node is counted for, what its kernel takes to be called and to be compiled, and
#: those of an element, which is stored and read.
OVERHEAD, MOVED = 10_000, 4


def along_basis(results: Sequence[Tensor], vector: Tensor, last: bool) -> list[Tensor]:
    """The results, linear in the symbol `vector`, for every basis vector, along a new first axis or
    a new `last` one.

    Values are kept as sums of products with linked axes as far as `RULES` know how, and as far as
    that saves work; an op without a rule is batched.
    """
    order = topological(results, since=vector.node.serial)
    bounds = BOUNDS if len(order) <= DEEP else BOUNDS[:-1]
    found = [_Basis(results, order, vector, most).run(results, last) for most in bounds]
    return min(found, key=_effort)


def _effort(results: Sequence[Tensor]) -> int:
    """About how many operations it takes to make the results."""
    nodes = topological(results)
    work: Dim = 0
    for node in nodes:
        work = work + node.op.cost(node) + MOVED * node.types[0].size
    return evaluate(work, dict.fromkeys(sizes(work), NOMINAL)) + OVERHEAD * len(nodes)


class _Basis:
    """The way to the results by at most so many terms of a value."""

    def __init__(self, results: Sequence[Tensor], order: Sequence[Node], vector: Tensor, most: int):
        self.size, self.order, self.most = vector.size, order, most
        self.uses = _uses(self.order)
        self.lazy = _moved_only(self.order, results)
        self.terms: dict[Tensor, Terms] = {vector: (_identity(vector.shape),)}
        self.arrays: dict[Tensor, Tensor] = {}

    def run(self, results: Sequence[Tensor], last: bool) -> list[Tensor]:
        for node in self.order:
            if any(x in self.terms for x in node.inputs):
                self._visit(node)
        return [self._result(y, last) for y in results]

    def _result(self, y: Tensor, last: bool) -> Tensor:
        if y in self.arrays:
            return moveaxis(self.arrays[y], 0, -1) if last else self.arrays[y]
        shape = (*y.shape, self.size) if last else (self.size, *y.shape)
        return assembled(self.terms.get(y, ()), shape, y.dtype, last)

    def _visit(self, node: Node) -> None:
        rule = RULES.get(node.op.name) if self.most else None
        y = node.outputs[0]
        inputs = [self.terms.get(x) for x in node.inputs]
        same = all(x.dtype is y.dtype for x in node.inputs if x in self.terms)
        if rule is not None and same:
            found = rule(node, inputs, y in self.lazy)
            if found is not None:
                known = [term for term in found if term.scale != 0]
                self.terms[y] = tuple(known if y in self.lazy else self._bounded(known, y))
                return
        arrays = {x: self._array(x) for x in node.inputs if x in self.terms}
        for y, array in zip(node.outputs, batch_node(node, arrays, self.size), strict=True):
            self.arrays[y] = array
            self.terms[y] = (_dense(array),)

    def _bounded(self, terms: Sequence[Term], y: Tensor) -> list[Term]:
        return shortened(terms, y.shape, y.dtype, self.uses.get(y, 0) > 1, self.most)

    def _array(self, x: Tensor) -> Tensor:
        """The value for every basis vector, along a new first axis."""
        if x not in self.arrays:
            shape = (self.size, *x.shape)
            self.arrays[x] = assembled(self.terms[x], shape, x.dtype, last=False)
        return self.arrays[x]


def _identity(shape: Shape) -> Term:
    """The term of the basis vectors: ones where both indices are the same."""
    value = [fresh_line(d) for d in shape]
    basis = Line()
    for line, d in zip(value, shape, strict=True):
        basis = Line(0, (*basis.moved(0, d).parts, *line.parts))
    return Term(1.0, (), basis, tuple(value))


def _dense(array: Tensor) -> Term:
    lines = [fresh_line(d) for d in array.shape]
    labels = tuple(k for line in lines for k in line.labels)
    x = array.reshape(tuple(k.size for k in labels))
    return Term(1.0, (Factor(x, labels),), lines[0], tuple(lines[1:]))


def _uses(order: Sequence[Node]) -> dict[Tensor, int]:
    """How many nodes read each tensor."""
    found: dict[Tensor, int] = {}
    for node in order:
        for x in dict.fromkeys(node.inputs):
            found[x] = found.get(x, 0) + 1
    return found


def _moved_only(order: Sequence[Node], results: Sequence[Tensor]) -> Set[Tensor]:
    """Tensors of which everything that is read is moved and added up, and then a result."""
    other: set[Tensor] = set()
    for node in reversed(order):
        if node.op.name not in MOVES or any(y in other for y in node.outputs):
            other.update(node.inputs)
    return {y for node in order for y in node.outputs if y not in other}
