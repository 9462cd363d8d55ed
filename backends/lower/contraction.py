"""Lowers a product and the maps over its result."""

from __future__ import annotations

from collections.abc import Callable

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import Accumulate, Declare, For, Let, LoopKernel, Param, Stmt, Store
from graphc.backends.lower.combine import accumulator_dtype
from graphc.backends.lower.kernel import Buffer, Call, Schedule
from graphc.backends.lower.reader import DimWriter, ExprReader, offset_of
from graphc.ir.dims import Dim, floordiv, index, maximum, minimum, product
from graphc.ir.node import Node, Tensor
from graphc.ops.contraction import free_axes
from graphc.passes.access import domain_index, full_index
from graphc.passes.fusion import Body


def lower_contraction(body: Body, schedule: Schedule, fail: Callable[[Node, str], int]) -> list[Call]:
    """The kernel of a product: rows in chunks, the last axis of the result as the vector axis."""
    node = body.node
    dims = DimWriter()
    params: list[Param] = []
    arguments: list[Buffer] = []
    names: dict[Tensor, str] = {}
    for prefix, tensors, writes in (("a", body.inputs, False), ("o", body.outputs, True)):
        for k, x in enumerate(tensors):
            params.append(Param(f"{prefix}{k}", x.dtype, writes))
            arguments.append(x)
            names[x] = f"{prefix}{k}"
    readable = set(body.inputs)
    reader = ExprReader(lambda x: names[x] if x in readable else None, dims, fail)
    loop = domain_index(len(body.domain))
    for k, v in enumerate(loop):
        dims.bind(v, e.var(f"i{k}"))
    inside = [*_sum(node, reader, dims, full_index(node.types[0].shape, loop))]
    inside += _epilogue(body, reader, dims, names, loop)
    outer = body.domain[:-1]
    lanes = schedule.lanes(max(node.types[0].dtype.bits, 32))
    if body.domain:
        last = f"i{len(outer)}"
        inside = [For(last, dims(0), dims(body.domain[-1]), tuple(inside), "vector", lanes, 1)]
    chunks, statements = _chunked(outer, body, dims, schedule, inside)
    kernel = LoopKernel("dot", tuple(params), tuple(sorted(dims.sizes)), dims(chunks), tuple(statements))
    kernel = LoopKernel(kernel.name, kernel.buffers, tuple(sorted(dims.sizes)), kernel.chunks, kernel.body)
    return [Call(kernel, tuple(arguments), chunks)]


def _sum(node: Node, reader: ExprReader, dims: DimWriter, out: tuple[Dim, ...]) -> list[Stmt]:
    a, b = node.inputs
    (ba, bb), (ca, cb) = node.attrs["batch"], node.attrs["contract"]
    fa = free_axes(a.ndim, ba, ca)
    fb = free_axes(b.ndim, bb, cb)
    inner = [index(f"k{j}") for j in range(len(ca))]
    for j, v in enumerate(inner):
        dims.bind(v, e.var(f"k{j}"))
    at_a = dict(zip((*ba, *fa, *ca), (*out[: len(ba) + len(fa)], *inner), strict=True))
    at_b = dict(zip((*bb, *fb, *cb), (*out[: len(bb)], *out[len(ba) + len(fa) :], *inner), strict=True))
    dtype = accumulator_dtype(node.types[0].dtype, "sum")
    x, y = (
        e.cast(reader.at(t, tuple(at[k] for k in range(t.ndim))), dtype) for t, at in ((a, at_a), (b, at_b))
    )
    step: Stmt = Accumulate("s", "sum", x * y)
    if dtype.is_float:
        from graphc.backends.loops.stmt import Assign

        step = Assign("s", e.fma(x, y, e.var("s", dtype)))
    for j in reversed(range(len(ca))):
        step = For(f"k{j}", dims(0), dims(a.shape[ca[j]]), (step,))
    result = e.cast(e.var("s", dtype), node.types[0].dtype)
    reader.values[node.outputs[0]] = e.var("dot", node.types[0].dtype)
    return [Declare("s", e.const(0, dtype)), step, Let("dot", result)]


def _epilogue(
    body: Body, reader: ExprReader, dims: DimWriter, names: dict[Tensor, str], loop: tuple[Dim, ...]
) -> list[Stmt]:
    """The maps over the product, then every store."""
    statements: list[Stmt] = []
    stores: list[Stmt] = []
    reader.statements = statements
    for k, root in enumerate(body.roots):
        x = root.tensor
        position = full_index(x.shape, loop)
        if k:
            value: Expr = reader.compute(x, position)
            statements.append(Let(f"m{k}", value))
            reader.values[x] = e.var(f"m{k}", x.dtype)
        if x in names:
            stores.append(Store(names[x], dims(offset_of(x.shape, position)), reader.values[x]))
    return statements + stores


def _chunked(
    outer: tuple[Dim, ...], body: Body, dims: DimWriter, schedule: Schedule, inside: list[Stmt]
) -> tuple[Dim, list[Stmt]]:
    if not outer:
        return 1, inside
    node = body.node
    contracted = product(node.inputs[0].shape[k] for k in node.attrs["contract"][0])
    rows, work = product(outer), maximum(1, body.domain[-1] * contracted)
    per = maximum(1, floordiv(schedule.grain * 8, work))
    chunk = index("chunk")
    dims.bind(chunk, e.var("chunk"))
    begin, end = dims(chunk * per), dims(minimum(chunk * per + per, rows))
    chunks = floordiv(rows + per - 1, per)
    if len(outer) == 1:
        return chunks, [For("i0", begin, end, tuple(inside))]
    decode: list[Stmt] = []
    position = e.var("r")
    for k in reversed(range(1, len(outer))):
        decode.append(Let(f"i{k}", e.rem(position, dims(outer[k]))))
        position = position / dims(outer[k])
    decode.append(Let("i0", position))
    return chunks, [For("r", begin, end, (*decode, *inside))]
