"""A graph inside a node: the body of a loop or a branch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from graphc.ir.demand import Demand
from graphc.ir.dims import Dim
from graphc.ir.node import Node, Tensor
from graphc.ir.record import dataclass
from graphc.ir.types import TensorType
from graphc.ir.walk import topological


@dataclass(frozen=True, eq=False)
class Subgraph:
    """Outputs as a function of inputs (placeholders); it reads nothing else but literals.

    `lengths` are what sizes might make negative: a branch that is taken refuses such sizes, and so
    does a step of a while loop. None until a pass has asked, as passes change what is needed.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    lengths: tuple[Demand, ...] | None = None

    @property
    def types(self) -> tuple[TensorType, ...]:
        """Types of the outputs."""
        return tuple(x.type for x in self.outputs)

    @property
    def cost(self) -> Dim:
        """Floating-point operations of one evaluation."""
        return total_cost(self.outputs)

    def __lt__(self, other: Subgraph) -> bool:
        return id(self) < id(other)

    def __repr__(self) -> str:
        return f"graph of {len(topological(self.outputs))} nodes"


def total_cost(outputs: Iterable[Tensor]) -> Dim:
    """Floating-point operations of all nodes behind the outputs."""
    nodes = topological(outputs)
    return sum((node.op.cost(node) for node in nodes if node.op.lowering != "source"), 0)


def literal_nodes(outputs: Sequence[Tensor]) -> set[Node]:
    """The nodes that depend on no input, variable or array: numbers and what is made of them."""
    found: set[Node] = set()
    for node in topological(outputs):
        if not _is_given(node) and all(x.node in found for x in node.inputs):
            found.add(node)
    return found


def _is_given(node: Node) -> bool:
    """Whether a node is memory that exists before the graph runs."""
    return node.op.lowering == "source" or (
        node.op.name == "constant" and node.types[0].shape != ()
    )


def free_tensors(
    outputs: Sequence[Tensor], inputs: Sequence[Tensor], since: int | None = None
) -> list[Tensor]:
    """What the outputs read that does not depend on `inputs` and, with `since`, is no result of a
    node with that serial or a later one: the largest such parts, literals left out.
    """
    own = set(inputs)
    literal = literal_nodes(outputs)
    inside: set[Node] = set()
    free: dict[Tensor, None] = {}
    nodes = topological(outputs)
    for node in nodes:
        new = since is not None and node.serial >= since and not _is_given(node)
        if new or any(x in own or x.node in inside for x in node.inputs):
            inside.add(node)
    for node in nodes:
        if node in inside:
            for x in node.inputs:
                if x not in own and x.node not in inside and x.node not in literal:
                    free[x] = None
    for x in outputs:
        if x not in own and x.node not in inside and x.node not in literal:
            free[x] = None
    return list(free)
