"""What kernels of products share: buffers and their names, and the maps over each result."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import Let, LoopKernel, Param, Stmt, Store
from graphc.backends.lower.kernel import Buffer, Call
from graphc.backends.lower.reader import DimWriter, ExprReader, offset_of
from graphc.ir.dims import Dim
from graphc.ir.dtypes import DType
from graphc.ir.node import Node, Tensor
from graphc.ir.types import Shape
from graphc.passes.fusion.access import domain_index, full_index
from graphc.passes.fusion.body import Body


class Epilogue:
    """The parameters of a body's kernel, a reader of its inputs, and what is done with an element
    of its first root once it is known.
    """

    def __init__(self, body: Body, fail: Callable[[Node, str], int]):
        self.body = body
        self.dims = DimWriter()
        self.params: list[Param] = []
        self.arguments: list[Buffer] = []
        self.names: dict[Tensor, str] = {}
        for prefix, tensors, writes in (("a", body.inputs, False), ("o", body.outputs, True)):
            for k, x in enumerate(tensors):
                self.params.append(Param(f"{prefix}{k}", x.dtype, writes))
                self.arguments.append(x)
                self.names[x] = f"{prefix}{k}"
        readable = set(body.inputs)
        self.reader = ExprReader(
            lambda x: self.names[x] if x in readable else None, self.dims, fail
        )

    @property
    def loop_index(self) -> tuple[Dim, ...]:
        """The index of every axis of the body's domain."""
        return domain_index(len(self.body.domain))

    def bind(self, shape: Shape, values: Sequence[Expr]) -> None:
        """Gives the domain's variables their values at an index into the first root's shape."""
        self.reader.forget()
        looped = [value for d, value in zip(shape, values, strict=True) if d != 1]
        for variable, value in zip(domain_index(len(looped)), looped, strict=True):
            self.dims.bind(variable, value)

    def maps(self, dot: Expr) -> list[Stmt]:
        """The maps over an element of the first root, at the bound variables, and every store."""
        reader, statements, stores = self.reader, list[Stmt](), list[Stmt]()
        reader.statements = statements
        loop = self.loop_index
        reader.values = {self.body.node.outputs[0]: dot}
        for k, root in enumerate(self.body.roots):
            x = root.tensor
            position = full_index(x.shape, loop)
            if k:
                statements.append(Let(f"m{k}", reader.compute(x, position)))
                reader.values[x] = e.var(f"m{k}", x.dtype)
            if x in self.names:
                stores.append(
                    Store(self.names[x], self.dims(offset_of(x.shape, position)), reader.values[x])
                )
        reader.values = {}
        reader.statements = []
        return statements + stores

    def places(self) -> list[tuple[str, DType, Expr]]:
        """For every result its buffer, its dtype and where the element at the bound variables is
        stored.
        """
        found = []
        for root in self.body.roots:
            x = root.tensor
            if x in self.names:
                at = self.dims(offset_of(x.shape, full_index(x.shape, self.loop_index)))
                found.append((self.names[x], x.dtype, at))
        return found

    @property
    def work(self) -> int:
        """Operations of the maps for an element, roughly."""
        known: set[Tensor] = {*self.body.inputs, *self.body.node.outputs}
        stack = [root.tensor for root in self.body.roots[1:]]
        total = 0
        while stack:
            x = stack.pop()
            if x not in known:
                known.add(x)
                total += getattr(x.node.op, "flops", 1)
                stack.extend(x.node.inputs)
        return total

    def call(self, name: str, statements: tuple[Stmt, ...], chunks: Dim) -> Call:
        """The kernel of these statements in so many chunks."""
        count = self.dims(chunks)
        sizes = tuple(sorted(self.dims.sizes))
        kernel = LoopKernel(name, tuple(self.params), sizes, count, statements)
        return Call(kernel, tuple(self.arguments), chunks)
