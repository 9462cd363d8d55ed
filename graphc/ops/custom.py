"""Gradients that the user decides: none at all, or one of a rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from graphc.ir.dims import Dim
from graphc.ir.errors import GradientError
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import Index, Op, Reader, Sample
from graphc.ir.record import dataclass
from graphc.ir.types import TensorType
from graphc.ops.elementwise import Elementwise, uniform
from graphc.ops.layout import broadcast, broadcast_to
from graphc.ops.source import constant

Vjp = Callable[
    [tuple[Tensor, ...], tuple[Tensor, ...], tuple[Tensor, ...]], Sequence[Tensor | None]
]


class StopGradient(Elementwise):
    """x, which differentiation takes for a constant."""

    def samples(self) -> Sequence[Sample]:
        return tuple(replace(s, differentiable=()) for s in super().samples())


stop_gradient = StopGradient(
    "stop_gradient",
    reference=lambda x: x,
    emit=lambda b, x: x,
    grad=lambda node, g: (None,),
    sample=uniform(-4, 4),
    flops=0,
    doc="x, which differentiation takes for a constant",
)


@dataclass(frozen=True, eq=False)
class Rule:
    """A gradient given by the user, equal only to itself.

    `vmap` is the transformation that maps it over a leading axis; `depth` counts such axes.
    """

    vjp: Vjp
    vmap: Callable[[Vjp], Vjp]
    depth: int = 0

    def __call__(
        self,
        inputs: tuple[Tensor, ...],
        outputs: tuple[Tensor, ...],
        cotangents: tuple[Tensor, ...],
    ) -> Sequence[Tensor | None]:
        vjp = self.vjp
        for _ in range(self.depth):
            vjp = self.vmap(vjp)
        return vjp(inputs, outputs, cotangents)


class WithGradient(Op):
    """Its first `count` inputs, unchanged; cotangents go to the others, as `rule` says."""

    lowering = "read"

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        return inputs[: attrs["count"]]

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        count, rule = node.attrs["count"], node.attrs["rule"]
        inputs = node.inputs[count:]
        given = tuple(_or_zeros(g, x) for g, x in zip(cotangents, node.outputs, strict=True))
        found = tuple(rule(inputs, node.outputs, given))
        if len(found) != len(inputs):
            raise GradientError(f"the vjp gave {len(found)} cotangents for {len(inputs)} inputs")
        for g, x in zip(found, inputs, strict=True):
            if g is not None and g.type != x.type:
                raise GradientError(f"the vjp gave {g.type} for an input\n  {x.describe()}")
        return (*(None for _ in node.outputs), *found)

    def batch(
        self, node: Node, inputs: Sequence[Tensor], axes: Sequence[int | None], size: Dim
    ) -> Sequence[Tensor]:
        rule = node.attrs["rule"]
        full = [
            x if axis == 0 else broadcast(x, (size, *x.shape), tuple(range(1, x.ndim + 1)))
            for x, axis in zip(inputs, axes, strict=True)
        ]
        deeper = replace(rule, depth=rule.depth + 1)
        return apply(self, *full, count=node.attrs["count"], rule=deeper).outputs

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        return inputs[: attrs["count"]]

    def read(self, node: Node, output: int, index: Index, reader: Reader) -> Any:
        return reader.at(node.inputs[output], index)

    def cost(self, node: Node) -> Dim:
        return 0

    def samples(self) -> Sequence[Sample]:
        rule = Rule(lambda inputs, outputs, cotangents: cotangents, vmap=lambda f: f)
        return (
            Sample(
                lambda rng: (rng.standard_normal((3, 5)), rng.standard_normal((3, 5))),
                {"count": 1, "rule": rule},
                differentiable=(),
            ),
        )


def _or_zeros(g: Tensor | None, x: Tensor) -> Tensor:
    return broadcast_to(constant(0, x.dtype), x.shape) if g is None else g


_WITH_GRADIENT = WithGradient("with_gradient")


def with_gradient(outputs: Sequence[Tensor], inputs: Sequence[Tensor], rule: Rule) -> Node:
    """The node of the outputs whose gradient with respect to the inputs is by the rule."""
    return apply(_WITH_GRADIENT, *outputs, *inputs, count=len(outputs), rule=rule)
